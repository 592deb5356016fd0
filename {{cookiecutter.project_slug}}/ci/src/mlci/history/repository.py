"""The Git repository: its commits, branches, and the one that pull requests go to."""

import json
import os
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from mlci.place import spec

# Brings all history into a shallow clone; CI has options of its own for that.
UNSHALLOW = "git fetch --unshallow --tags origin '+refs/heads/*:refs/remotes/origin/*'"


def attempt(*arguments: str) -> tuple[str, str]:
    """Return what a Git command prints; where it fails, nothing and what it said last."""
    done = subprocess.run(
        ["git", *arguments], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode == 0:
        return done.stdout, ""
    said = done.stderr.strip().splitlines() or ["no reason given"]
    return "", said[-1]


def git(*arguments: str) -> str:
    """Return what a Git command prints, or an empty string where it fails."""
    output, _ = attempt(*arguments)
    return output.strip()


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


def branch() -> str:
    """Return the name of the checked-out branch; CI checks out a commit and knows the name."""
    variables = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "BITBUCKET_BRANCH")
    named = [os.environ[name] for name in variables if os.environ.get(name)]
    return git("symbolic-ref", "--short", "--quiet", "HEAD") or next(iter(named), "detached HEAD")


def default_branch() -> str:
    """Return the default branch as this clone knows it: by the provider, by origin, or by its name.

    Without an origin it is the local one of that name; empty where there is none.
    """
    event = provider_event().get("repository") or {}
    named = [event.get("default_branch"), os.environ.get("CI_DEFAULT_BRANCH")]
    candidates = [f"origin/{name}" for name in named if name]
    candidates.append(git("symbolic-ref", "--short", "--quiet", "refs/remotes/origin/HEAD"))
    usual = ["main", "master"]
    with suppress(OSError, ValueError, LookupError, TypeError):  # no remote.json, or an old one
        usual.insert(0, spec()["default_branch"])
    candidates += [f"origin/{name}" for name in usual]
    if not git("remote"):
        candidates += usual
    return next((name for name in candidates if name and commit(name)), "")


def provider_event() -> dict[str, Any]:
    """Return what GitHub says of the event that started this run, empty elsewhere."""
    path = Path(os.environ.get("GITHUB_EVENT_PATH") or os.devnull)
    try:
        event = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return event if isinstance(event, dict) else {}
