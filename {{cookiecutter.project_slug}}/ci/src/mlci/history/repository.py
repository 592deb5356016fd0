"""The Git repository: its commits, branches, and the one that pull requests go to."""

import os
import subprocess
from dataclasses import dataclass
from functools import cache

# Brings all history into a shallow clone; CI has options of its own for that.
UNSHALLOW = "git fetch --unshallow --tags origin '+refs/heads/*:refs/remotes/origin/*'"
NO_COMMIT = "0" * 40  # how providers name the commit before a branch's first push


class BaselineError(ValueError):
    """The revision to compare with does not exist; the message is a sentence."""


def git(*arguments: str) -> str:
    """Return what a Git command prints, or an empty string where it fails."""
    done = subprocess.run(
        ["git", *arguments], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def is_repository() -> bool:
    """Tell whether the working directory lies in a Git repository."""
    return bool(git("rev-parse", "--git-dir"))


def commit(revision: str) -> str:
    """Return the full sha of a revision, or an empty string where there is no such commit."""
    if revision.startswith("-"):
        return ""
    return git("rev-parse", "--verify", "--quiet", revision + "^{commit}")


def is_shallow() -> bool:
    """Tell whether this clone lacks history."""
    return git("rev-parse", "--is-shallow-repository") == "true"


@cache
def is_ignored(path: str) -> bool:
    """Tell whether Git ignores a path of the project."""
    return bool(git("check-ignore", "--no-index", "--", path))


def default_baseline() -> str:
    """Return the branch that pull requests go to: origin's, or without an origin the local one."""
    head = git("symbolic-ref", "--short", "--quiet", "refs/remotes/origin/HEAD")
    variables = (
        "GITHUB_BASE_REF",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
        "CI_DEFAULT_BRANCH",
        "BITBUCKET_PR_DESTINATION_BRANCH",
    )
    named = [f"origin/{os.environ[name]}" for name in variables if os.environ.get(name)]
    candidates = [head, *named, "origin/main", "origin/master"]
    if not git("remote"):
        candidates += ["main", "master"]
    return next((name for name in candidates if name and commit(name)), "")


@dataclass(frozen=True)
class Baseline:
    """What to compare with; both are empty where there is nothing."""

    name: str
    sha: str


def find_baseline(revision: str) -> Baseline:
    """Find what to compare with: what was asked for, else what pull requests go to.

    Raises:
        BaselineError: the revision was asked for, and does not exist.
    """
    if revision in ("", NO_COMMIT):
        name = default_baseline()
        return Baseline(name, commit(name) if name else "")
    for name in (revision, f"origin/{revision}"):
        if sha := commit(name):
            return Baseline(name, sha)
    known = git(
        "for-each-ref", "--format=%(refname:short)", "--count=5", "refs/heads", "refs/remotes"
    )
    example = known.split()[0] if known else "HEAD~1"
    sentence = (
        f"baseline {revision!r} is not a commit of this repository; allowed is a branch, a tag or"
        f" a sha, for example {example!r}."
    )
    if is_shallow():
        sentence += f" This clone is shallow and may lack it; fetch all history with: {UNSHALLOW}"
    raise BaselineError(sentence)


def branch() -> str:
    """Return the name of the checked-out branch; CI checks out a commit and knows the name."""
    variables = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "BITBUCKET_BRANCH")
    named = [os.environ[name] for name in variables if os.environ.get(name)]
    return git("symbolic-ref", "--short", "--quiet", "HEAD") or next(iter(named), "detached HEAD")
