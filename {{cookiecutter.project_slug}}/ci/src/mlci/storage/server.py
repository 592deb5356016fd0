"""Ask the network whether there is a server at all, where DVC's library waits too long to say."""

import os
import re
import socket
import urllib.parse
import urllib.request

from mlci.place import spec
from mlci.storage.remote import options

SECONDS = 1.0
PORTS = {"https://": 443, "http://": 80, "webdavs://": 443, "webdav://": 80, "ssh://": 22}
# In a connection string: the address itself, or the account whose address Microsoft derives.
ENDPOINT = re.compile(r"BlobEndpoint=([^;]+)")
ACCOUNT = re.compile(r"AccountName=([^;]+)")


def address() -> str:
    """Return the URL of the storage's server, or an empty string where only its library knows it."""
    known = options() | options("config.local")
    values = [os.environ.get(secret["name"], "") for secret in spec()["secrets"]]
    for value in [*values, *known.values()]:
        if found := ENDPOINT.search(value):
            return found[1]
        if found := ACCOUNT.search(value):
            return f"https://{found[1]}.blob.core.windows.net"
    if "account_name" in known:
        return f"https://{known['account_name']}.blob.core.windows.net"
    url = known.get(spec()["endpoint_option"] or "") or known.get("url", "")
    return url if url.startswith(tuple(PORTS)) or urllib.parse.urlsplit(url).port else ""


def problem() -> str:
    """Return why the server cannot be reached, or an empty string where that is not known."""
    parts = urllib.parse.urlsplit(address())
    host, port = parts.hostname, parts.port or PORTS.get(f"{parts.scheme}://")
    if not host or not port:
        return ""
    if urllib.request.getproxies().get("https") and not urllib.request.proxy_bypass(host):
        return ""  # the proxy knows its name, and this machine need not
    try:
        socket.create_connection((host, port), timeout=SECONDS).close()
    except socket.gaierror:
        return f"the name {host} is not known"
    except ConnectionRefusedError:
        return f"nothing listens at {host}:{port}"
    except OSError:
        return f"{host}:{port} cannot be reached"
    return ""
