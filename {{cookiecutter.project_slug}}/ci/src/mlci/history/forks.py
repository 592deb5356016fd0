"""Branches of other repositories of the same problem: a fork, another team's project."""

import subprocess

from mlci.history.repository import git


def fetch_branches(named: str) -> None:
    """Fetch the branches of `NAME=ADDRESS` as `refs/remotes/NAME/…`; no remote is added.

    Raises:
        ValueError: the argument is malformed, the name is taken by a remote, or the repository
            cannot be read; in one sentence.
    """
    name, _, address = named.partition("=")
    refs = f"refs/remotes/{name}/"
    if not address or address.startswith("-") or not git("check-ref-format", "--branch", name):
        raise ValueError(
            f"--with {named!r} is not NAME=ADDRESS, for example team=https://example.com/team.git"
        )
    if name in git("remote").splitlines():
        raise ValueError(f"--with: {name!r} is a remote of this repository; choose another name")
    done = subprocess.run(
        ["git", "fetch", "--quiet", "--no-tags", "--prune", address, f"+refs/heads/*:{refs}*"],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise ValueError(f"--with: {address} cannot be read: {said[-1]}")
