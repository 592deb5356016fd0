"""Make a branch of an experiment."""

import difflib

from mlci.history.experiments import tips
from mlci.history.repository import git

SHORTEST_SHA = 7  # characters; a shorter beginning is too likely to be a name that is misspelled


def make_branch(name: str, branch: str) -> str:
    """Make a branch of an experiment, a tag or another branch; return its commit.

    Raises:
        ValueError: there is no such experiment or there is such a branch, in one sentence.
    """
    candidates = list(tips())
    is_sha = len(name) >= SHORTEST_SHA
    found = {one.sha for one in candidates if name == one.name}
    if is_sha:
        found |= {one.sha for one in candidates if one.sha.startswith(name)}
    if not found:
        known = [one.name for one in candidates]
        near = difflib.get_close_matches(name, known, 1, 0) or ["HEAD"]
        raise ValueError(
            f"{name!r} is no branch, tag, experiment or sha; did you mean {near[0]!r}?"
        )
    if len(found) > 1:
        shas = ", ".join(sorted(sha[:10] for sha in found))
        raise ValueError(f"{name!r} is the name of several commits; choose one by its sha: {shas}")
    if not git("check-ref-format", "--branch", branch):
        raise ValueError(
            f"{branch!r} cannot be the name of a branch; allowed is for example 'best'"
        )
    if git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}"):
        raise ValueError(f"the branch {branch!r} exists already; choose another name")
    sha = found.pop()
    git("branch", "--no-track", branch, sha)
    return sha
