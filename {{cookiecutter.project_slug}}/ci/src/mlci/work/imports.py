"""Data imported from other repositories: the remote need not have it, but its home must be there."""

import os
import subprocess
import tempfile
from pathlib import Path

from dvc.dependency.repo import RepoDependency
from dvc.repo import Repo

from mlci.history.metadata import relative
from mlci.history.origins import hide_credentials
from mlci.markup import code


def unreadable(time_limit: int) -> list[str]:
    """Return a Markdown sentence for each import whose repository, at its revision, is out of reach.

    Args:
        time_limit: Seconds to wait for each of them.

    """
    with Repo() as repo:
        found = [
            (relative(repo, out.fs_path), str(dep.def_repo["url"]), read_revision(dep))
            for stage in repo.index.stages
            if stage.is_repo_import
            for dep in stage.deps
            if isinstance(dep, RepoDependency)
            for out in stage.outs
        ]
    sentences = []
    for path, url, rev in found:
        if why := why_unreadable(url, rev, time_limit):
            shown = hide_credentials(url)
            sentences.append(
                f"{code(path)} is imported from {code(shown)}, which cannot be read here at"
                f" {code(rev)}: {code(why.replace(url, shown))}."
            )
    return sentences


def read_revision(dep: RepoDependency) -> str:
    """Return the commit that an import is fixed at."""
    return str(dep.def_repo.get("rev_lock") or dep.def_repo.get("rev") or "HEAD")


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
