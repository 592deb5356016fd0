"""Where the results of a commit are: in itself, in what CI made of it, or in one of the same content.

CI saves the results of a run as the experiment `refs/exps/<sha[:2]>/<sha[2:]>/ci-<short sha>` of
the commit that it ran. After a squash or a rebase a commit has another sha than the one that was
run; its results are those whose `dvc.lock` agrees with its code, parameters and data.
"""

from collections.abc import Iterator

from mlci.history.repository import commit, default_branch, git
from mlci.history.revision import Reader, Revision

MOST_COMMITS = 200  # of the default branch that are looked at, the latest


def ci_results(sha: str = "") -> list[str]:
    """Return the commits that hold CI's results of a commit, or of all; the latest first."""
    folder = f"refs/exps/{sha[:2]}/{sha[2:]}" if sha else "refs/exps"
    lines = git("for-each-ref", "--sort=-creatordate", "--format=%(objectname) %(refname)", folder)
    pairs = (line.split(" ", 1) for line in lines.splitlines())
    return [commit for commit, ref in pairs if ref.rpartition("/")[2].startswith("ci-")]


def candidates(sha: str) -> Iterator[str]:
    """Yield the commits that may hold the results of a commit, the likeliest first."""
    yield from ci_results(sha)
    yield from ci_results()
    branch = default_branch()
    if branch:
        yield from git("rev-list", f"--max-count={MOST_COMMITS}", branch, "--").split()


def find_results(reader: Reader, name: str, sha: str) -> Revision:
    """Read a commit with its results, wherever they are; without them it is not current."""
    own = reader.read(name, sha)
    if own.is_current or not own.commands:
        return own
    head = commit("HEAD")  # what is judged is not what it is judged by
    for candidate in dict.fromkeys(candidates(sha)):
        if candidate != head and reader.lock_matches(candidate, sha):
            return reader.read(name, sha, candidate)
    return own


def had_results(sha: str) -> bool:
    """Tell whether a commit or one before it ever had results."""
    return bool(git("log", "--max-count=1", "--format=%H", sha, "--", ":(glob)**/dvc.lock"))
