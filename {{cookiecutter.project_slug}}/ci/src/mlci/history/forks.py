"""Branches of other repositories of the same problem: a fork, another team's project."""

from mlci.history.repository import attempt, git


def fetch_branches(named: str) -> None:
    """Fetch the branches of `NAME=ADDRESS` as `refs/remotes/NAME/…`; no remote is added.

    Raises:
        ValueError: the argument is malformed, the name is taken by a remote, or the repository
            cannot be read; in one sentence.
    """
    name, _, address = named.partition("=")
    if not address or address.startswith("-") or not git("check-ref-format", "--branch", name):
        raise ValueError(
            f"--with {named!r} is not NAME=ADDRESS, for example team=https://example.com/team.git"
        )
    if name in git("remote").splitlines():
        raise ValueError(f"--with: {name!r} is a remote of this repository; choose another name")
    branches = f"+refs/heads/*:refs/remotes/{name}/*"
    _, failure = attempt("fetch", "--quiet", "--no-tags", "--prune", address, branches)
    if failure:
        raise ValueError(f"--with: {address} cannot be read: {failure}")
