"""The Git repository: its commits, branches, and the one that pull requests go to."""

import os
import subprocess

from mlci.markup import code


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


def how_to_fetch(revision: str) -> str:
    """Say how to get history that this clone lacks; empty where it is complete."""
    if git("rev-parse", "--is-shallow-repository") != "true":
        return ""
    return (
        f"This clone is shallow and may lack {code(revision)}; fetch the whole history with"
        " `git fetch --unshallow --tags origin '+refs/heads/*:refs/remotes/origin/*'`"
        " (in GitHub Actions: `fetch-depth: 0`, in GitLab and Bitbucket: depth `0` or `full`)."
    )


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


def find_baseline(revision: str) -> tuple[str, str]:
    """Return the name and the sha of what to compare with, both empty where there is nothing.

    Raises:
        BaselineError: the revision was asked for, and does not exist.
    """
    if not revision.strip("0"):  # unset, or the "no commit" sha of a first push
        revision = default_baseline()
        return revision, commit(revision) if revision else ""
    for name in (revision, f"origin/{revision}"):
        if sha := commit(name):
            return name, sha
    known = git(
        "for-each-ref", "--format=%(refname:short)", "--count=5", "refs/heads", "refs/remotes"
    )
    fetch = how_to_fetch(revision).replace("`", "'")
    raise BaselineError(
        f"baseline {revision!r} is not a commit of this repository; allowed is a branch, a tag or"
        f" a sha, for example {known.split()[0] if known else 'HEAD~1'!r}. {fetch}".strip()
    )


def branch() -> str:
    """Return the name of the checked-out branch; CI checks out a commit and knows the name."""
    variables = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "BITBUCKET_BRANCH")
    named = [os.environ[name] for name in variables if os.environ.get(name)]
    return git("symbolic-ref", "--short", "--quiet", "HEAD") or next(iter(named), "detached HEAD")
