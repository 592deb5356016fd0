"""Servers that keep a folder: a path, SFTP (asyncssh), WebDAV (WsgiDAV), HTTP with PUT."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh
from cheroot.wsgi import Server as CherootServer
from wsgidav.wsgidav_app import WsgiDAVApp

from .running import Handler, Server, free_port, process, serving

USER, PASSWORD = "ada-lovelace", "correct horse"


@contextmanager
def local(folder: Path) -> Iterator[Server]:
    """Yield a folder; there is nothing to start and no credential to get wrong."""
    yield Server(url=str(folder / "storage"))


@contextmanager
def ssh(folder: Path) -> Iterator[Server]:
    """Run an SFTP server that lets one encrypted key in and shows it one folder as `/`."""
    key, stranger = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    passphrase = "open sesame"
    encrypted = key.export_private_key("pkcs8-pem", passphrase=passphrase).decode()
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(folder / "host_key")
    (folder / "authorized_keys").write_bytes(key.export_public_key())
    (folder / "root" / "storage").mkdir(parents=True)
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("sftp.py")), str(port), str(folder)]
    with process(command, port, folder / "sftp.log"):
        yield Server(
            url=f"ssh://{USER}@127.0.0.1:{port}/storage",
            secrets={"SSH_PRIVATE_KEY": encrypted, "SSH_KEY_PASSPHRASE": passphrase},
            wrong={
                "SSH_PRIVATE_KEY": stranger.export_private_key().decode(),
                "SSH_KEY_PASSPHRASE": "",
            },
            port=port,
        )


@contextmanager
def webdav(folder: Path) -> Iterator[Server]:
    """Run WsgiDAV with one user; the base folder exists, as DVC expects."""
    (folder / "root" / "storage").mkdir(parents=True)
    app = WsgiDAVApp(
        {
            "provider_mapping": {"/": str(folder / "root")},
            "simple_dc": {"user_mapping": {"*": {USER: {"password": PASSWORD}}}},
            "http_authenticator": {"accept_digest": False},
            "verbose": 0,
            "logging": {"enable": False},
        }
    )
    server = CherootServer(("127.0.0.1", 0), app)
    server.prepare()
    threading.Thread(target=server.serve, daemon=True).start()
    try:
        yield Server(
            url=f"webdav://127.0.0.1:{server.bind_addr[1]}/storage",
            secrets={"WEBDAV_USER": USER, "WEBDAV_PASSWORD": PASSWORD},
            wrong={"WEBDAV_PASSWORD": "wrong"},
            port=server.bind_addr[1],
        )
    finally:
        server.stop()


@contextmanager
def http(folder: Path) -> Iterator[Server]:
    """Run a server of files that takes GET, HEAD and PUT from one user."""

    class Files(Handler):
        def do_GET(self) -> None:
            body = self.body()
            path = folder / self.path.strip("/").replace("/", "_")
            if not self.has_basic_auth(USER, PASSWORD):
                self.answer(401, WWW_Authenticate='Basic realm="storage"')
            elif self.command == "PUT":
                path.write_bytes(body)
                self.answer(201)
            elif path.is_file():
                self.answer(200, path.read_bytes())
            else:
                self.answer(404)

        do_HEAD = do_PUT = do_GET

    with serving(Files) as port:
        yield Server(
            url=f"http://127.0.0.1:{port}/storage",
            secrets={"HTTP_USER": USER, "HTTP_PASSWORD": PASSWORD},
            wrong={"HTTP_PASSWORD": "wrong"},
            port=port,
        )
