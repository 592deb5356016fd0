"""The results that CI keeps at the provider: a DVC experiment, or a branch, of each commit that ran.

`ci/publish.py` makes them; here they are read and tidied up, with the rights of whoever asks.
"""

import time
from typing import NamedTuple

from mlci.history.repository import attempt, commit, git
from mlci.work.artifact import publisher

EXPERIMENTS = "refs/exps/??/*/ci-*"
BRANCHES = "refs/heads/ci-results/*"
RESULTS = ("dvc.lock", "metrics.json", "plots")
DAY = 86_400  # seconds


class Saved(NamedTuple):
    """The results of one commit: their ref at the provider and the commit that holds them."""

    ref: str
    sha: str
    base: str  # the commit that was run

    @property
    def here(self) -> str:
        """Where the ref lies in a clone."""
        return self.ref.replace("refs/heads/", "refs/remotes/origin/")


def run_git(*words: str) -> str:
    """Return what a Git command that talks to origin prints.

    Raises:
        ValueError: it fails; the message is what it said last.
    """
    output, failure = attempt(*words)
    if failure:
        raise ValueError(f"'git {words[0]}' failed: {failure}")
    return output


def find_saved(*patterns: str) -> list[Saved]:
    """Return the saved results at origin whose refs fit a pattern."""
    found = []
    for line in run_git("ls-remote", "--refs", "origin", *patterns).splitlines():
        sha, _, ref = line.partition("\t")
        parts = ref.split("/")
        base = parts[-1] if ref.startswith("refs/heads/") else "".join(parts[2:-1])
        found.append(Saved(ref, sha, base))
    return found


def ran(name: str) -> str:
    """Return the commit that a sha or a branch, here or at origin, means; empty where it is none."""
    for line in run_git("ls-remote", "--refs", "origin", f"refs/heads/{name}").splitlines():
        sha, _, ref = line.partition("\t")
        if ref == f"refs/heads/{name}":
            return sha
    return commit(name)


def find(name: str) -> Saved | None:
    """Return what CI saved of a commit, or None; it is fetched.

    Raises:
        ValueError: origin cannot be asked.
    """
    base = ran(name)
    if not base:
        return None
    refs = [publisher().experiment_ref(base), f"refs/heads/ci-results/{base}"]
    found = [saved for saved in find_saved(*refs) if saved.ref in refs]
    if not found:
        return None
    run_git("fetch", "--quiet", "origin", f"+{found[0].ref}:{found[0].here}")
    return found[0]


def restore(saved: Saved) -> list[str]:
    """Bring the saved results into this checkout; return the names of the files that changed."""
    known = git("ls-tree", "-r", "--name-only", "HEAD", "--", *RESULTS).splitlines()
    theirs = git("ls-tree", "-r", "--name-only", saved.sha, "--", *RESULTS).splitlines()
    paths = [
        path
        for path in RESULTS
        if any(f"{name}/".startswith(f"{path}/") for name in known + theirs)
    ]
    run_git("restore", f"--source={saved.sha}", "--", *paths)
    return git("diff", "--name-only", "HEAD", saved.sha, "--", *RESULTS).splitlines()


def prune(days: int) -> list[str]:
    """Delete, at origin and here, results of commits that no branch reaches any more.

    Args:
        days: How old such a commit has to be.

    Returns:
        The refs that were deleted.

    Raises:
        ValueError: origin cannot be asked, or refuses it.
    """
    saved = find_saved(EXPERIMENTS, BRANCHES)
    run_git("fetch", "--quiet", "--prune", "origin", "+refs/heads/*:refs/remotes/origin/*")
    run_git("fetch", "--quiet", "origin", *(f"+{one.ref}:{one.here}" for one in saved))
    reached = set(git("rev-list", "--exclude=origin/ci-results/*", "--remotes=origin").split())
    now, old = time.time(), []
    for one in saved:
        age = now - int(git("show", "--no-patch", "--format=%ct", one.base) or now)
        if one.base not in reached and age > days * DAY:
            old.append(one)
    if old:
        leases = [f"--force-with-lease={one.ref}:{one.sha}" for one in old]
        run_git("push", "--quiet", *leases, "origin", *(f":{one.ref}" for one in old))
        for one in old:
            git("update-ref", "-d", one.here)
    return [one.ref for one in old]
