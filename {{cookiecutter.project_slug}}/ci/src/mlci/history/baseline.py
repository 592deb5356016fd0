"""What to compare with: what was asked for, else what a reviewer would.

In a pull request that is the branch it goes to; on the default branch the commit before the push;
on any other branch the default branch. At home, changes that are not committed are compared with
the commit that they were made to.
"""

import os
from dataclasses import dataclass

from mlci.history.repository import (
    UNSHALLOW,
    branch,
    commit,
    default_branch,
    git,
    is_shallow,
    provider_event,
)

NO_COMMIT = "0" * 40  # how providers name the commit before a branch's first push
TARGETS = (  # the branch that a pull request goes to
    "GITHUB_BASE_REF",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
    "BITBUCKET_PR_DESTINATION_BRANCH",
)


class BaselineError(ValueError):
    """The revision to compare with does not exist; the message is a sentence."""


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
        return default_baseline()
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


def default_baseline() -> Baseline:
    """Find what a reviewer would compare with."""
    for variable in TARGETS:
        name = f"origin/{os.environ.get(variable)}"
        if os.environ.get(variable) and commit(name):
            return Baseline(name, commit(name))
    name = default_branch()
    if not name:
        return Baseline("", "")
    if branch() == name.removeprefix("origin/"):
        return before_push()
    return Baseline(name, commit(name))


def before_push() -> Baseline:
    """Find what the default branch was before: before the push, or before what is not committed."""
    if not os.environ.get("CI") and git("status", "--porcelain", "--untracked-files=no"):
        return Baseline("HEAD", commit("HEAD"))
    pushed = os.environ.get("CI_COMMIT_BEFORE_SHA") or str(provider_event().get("before") or "")
    if pushed and pushed != NO_COMMIT and commit(pushed):
        return Baseline(pushed[:7], commit(pushed))
    before = commit("HEAD~1")
    return Baseline("HEAD~1", before) if before else Baseline("", "")
