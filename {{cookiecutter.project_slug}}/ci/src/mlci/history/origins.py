"""Where imported data come from: what `dvc import` and `dvc import-url` wrote into a `.dvc` file."""

import re
from dataclasses import dataclass
from typing import Any

USER = re.compile(r"^([\w+.-]+://)[^/]*@")


@dataclass(frozen=True)
class Origin:
    """The source of data and its version, without credentials; what is not known is empty."""

    address: str
    path: str  # inside a repository
    revision: str  # a branch or tag that the import asked for
    version: str  # the commit, or what the storage calls this version


def hide_credentials(address: str) -> str:
    """Return an address without user, password and query, where signatures and tokens are."""
    if "://" not in address:
        return address
    return re.split("[?#]", USER.sub(r"\1", address), maxsplit=1)[0]


def read_origin(found: dict[str, Any]) -> Origin | None:
    """Return the source that a `.dvc` file names; None where it names none."""
    deps = found.get("deps")
    if found.get("cmd") or not (isinstance(deps, list) and deps and isinstance(deps[0], dict)):
        return None
    dep = deps[0]
    path, repo = str(dep.get("path") or ""), dep.get("repo")
    if isinstance(repo, dict):
        commit = str(repo.get("rev_lock") or "")
        address = hide_credentials(str(repo.get("url") or ""))
        return Origin(address, path, str(repo.get("rev") or ""), commit)
    names = ("version_id", "etag", "md5", "checksum")
    version = next((str(dep[name]) for name in names if dep.get(name)), "")
    return Origin(hide_credentials(path), "", "", version.strip('"'))
