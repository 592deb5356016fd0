"""Data imported from other repositories: the remote need not have it, but its home must be there."""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import yaml

from mlci.history.origins import hide_credentials
from mlci.markup import code
from mlci.storage.checks import Check
from mlci.work.duplicate import git


class Import(NamedTuple):
    """What `dvc import` brought: where it lies, and its repository and the commit it is fixed at."""

    path: str
    url: str
    rev: str


def list_imports() -> list[Import]:
    """Return the imports that the files `*.dvc` of the project tell."""
    options = ["--cached", "--others", "--exclude-standard", "--deduplicate", "-z"]
    found = []
    for name in filter(None, git("ls-files", *options, "--", "*.dvc").split("\0")):
        text = Path(name).read_text(encoding="utf-8") if Path(name).is_file() else ""
        if "repo:" not in text:
            continue
        stage = yaml.safe_load(text)
        home = next((dep["repo"] for dep in stage.get("deps", []) if "repo" in dep), None)
        if home:
            rev = str(home.get("rev_lock") or home.get("rev") or "HEAD")
            for out in stage["outs"]:
                path = Path(name).parent / out["path"]
                found.append(Import(path.as_posix(), home["url"], rev))
    return found


def unreadable(time_limit: int) -> list[str]:
    """Return a Markdown sentence for each import whose repository, at its revision, is out of reach.

    Args:
        time_limit: Seconds to wait for each of them.

    """
    sentences = []
    for path, url, rev in list_imports():
        if why := why_unreadable(url, rev, time_limit):
            shown = hide_credentials(url)
            sentences.append(
                f"{code(path)} is imported from {code(shown)}, which cannot be read here at"
                f" {code(rev)}: {code(why.replace(url, shown))}."
            )
    return sentences


def examine(time_limit: int) -> list[Check]:
    """Return for each import what whoever pulls it needs, and whether this machine can read it.

    Args:
        time_limit: Seconds to wait for each of them.

    """
    checks = []
    for path, url, rev in list_imports():
        shown = hide_credentials(url)
        needed = f"{path} needs {shown} at {rev[:10]}, and the storage that its .dvc/config names"
        if why := why_unreadable(url, rev, time_limit):
            found = f"{needed}; the repository cannot be read: {why.replace(url, shown)}"
            checks.append(Check("Import", "failed", found, f"git ls-remote {shown}"))
        else:
            checks.append(Check("Import", "ok", needed))
    return checks


def why_unreadable(url: str, rev: str, time_limit: int) -> str:
    """Fetch one commit without its files, into a folder that is thrown away; return Git's reason."""
    address = str(Path(url).resolve()) if Path(url).exists() else url
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "--quiet", "--bare", folder], check=True)
        command = ["git", "-C", folder, "fetch", "--quiet", "--depth=1", "--filter=blob:none"]
        try:
            done = subprocess.run(
                [*command, "--", address, rev],
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
    return (reasons or lines)[0]
