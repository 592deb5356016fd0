"""Data imported from other repositories: the remote need not have it, but its home must be there."""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from mlci.history.origins import hide_credentials
from mlci.storage.checks import Check
from mlci.storage.tools import ask


class Import(NamedTuple):
    """What `dvc import` brought: where it lies, and its repository and the commit it is fixed at."""

    path: str
    url: str
    rev: str


def list_imports() -> list[Import]:
    """Return the imports that the files `*.dvc` of the project tell."""
    from mlci.history import formats  # here, since the doctor also runs where no package is

    options = ["--cached", "--others", "--exclude-standard", "--deduplicate"]
    listed, names = ask("git", "-c", "core.quotepath=false", "ls-files", *options, "--", "*.dvc")
    found = []
    for name in names.splitlines() if listed else []:
        content = Path(name).read_bytes() if Path(name).is_file() else b""
        if b"repo:" not in content:
            continue
        try:
            stage = formats.parse(content, name)
        except ValueError:  # a merge left conflicts in it, which the doctor names
            continue
        home = next((dep["repo"] for dep in stage.get("deps", []) if "repo" in dep), None)
        if home:
            rev = str(home.get("rev_lock") or home.get("rev") or "HEAD")
            for out in stage["outs"]:
                path = Path(name).parent / out["path"]
                found.append(Import(path.as_posix(), home["url"], rev))
    return found


def examine(time_limit: int) -> list[Check]:
    """Return for each import what whoever pulls it needs, and whether this machine can read it.

    Args:
        time_limit: Seconds to wait for each of them.

    """
    checks = []
    for found in list_imports():
        address = hide_credentials(found.url)
        needed = f"{found.path} needs {address} at {found.rev[:10]}, and the storage of its remote"
        if why := why_unreadable(found, time_limit):
            failure = f"{needed}; the repository cannot be read: {why}"
            checks.append(Check("Import", "failed", failure, f"git ls-remote {address}"))
        else:
            checks.append(Check("Import", "ok", needed))
    return checks


def why_unreadable(found: Import, time_limit: int) -> str:
    """Fetch one commit without its files, into a folder that is thrown away; return Git's reason."""
    local = Path(found.url)
    address = str(local.resolve()) if local.exists() else found.url
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "--quiet", "--bare", folder], check=True)
        command = ["git", "-C", folder, "fetch", "--quiet", "--depth=1", "--filter=blob:none"]
        try:
            done = subprocess.run(
                [*command, "--", address, found.rev],
                env=os.environ
                | {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -oBatchMode=yes"},
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=time_limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"no answer in {time_limit} s"
    if done.returncode == 0:
        return ""
    lines = done.stderr.strip().splitlines() or ["Git printed nothing"]
    reasons = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (reasons or lines)[0].replace(found.url, hide_credentials(found.url))
