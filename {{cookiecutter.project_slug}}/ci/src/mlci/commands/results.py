"""Bring the results of a CI run into this checkout: dvc.lock, metrics, plots, and the data they name.

    uv run ci results                 those of the commit that is checked out
    uv run ci results 1a2b3c4         those of another commit, or of a branch
    uv run ci results --prune         delete, at origin, results of commits that no branch reaches

What CI keeps of each commit is a DVC experiment called `ci-<short sha>` (`dvc exp list origin -A`). An
artifact does as well, where there is no such: RUN is then the number of a GitHub run, the branch
of a GitLab pipeline, or the zip file or folder that was downloaded by hand.
"""

import sys
from argparse import RawDescriptionHelpFormatter
from pathlib import Path

from mlci.settings import Parser

DAYS = 30


def main(arguments: list[str]) -> int:
    """Write the results over those of this checkout, or say why not; return the exit code."""
    parser = Parser("ci results", description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", nargs="?", default="HEAD")
    parser.add_argument("--prune", action="store_true", help="delete instead, and say what")
    parser.add_argument(
        "--days", type=int, default=DAYS, help="how old the commits are; default: %(default)s"
    )
    given = parser.parse_args(arguments)
    try:
        return prune(given.days) if given.prune else take(given.run)
    except ValueError as why:
        print(f"ci results: {why}", file=sys.stderr)
        return 1


def prune(days: int) -> int:
    """Delete old results and list them."""
    from mlci.work import refs

    deleted = refs.prune(days)
    print("\n".join(deleted) or "There is nothing to delete.")
    return 0


def take(run: str) -> int:
    """Bring results here, then their data."""
    from mlci.history.repository import commit, git
    from mlci.storage import transfer
    from mlci.work import artifact, refs

    changed = git("diff", "--name-only", "HEAD").splitlines()
    changed += git("ls-files", "--others", "--exclude-standard", "--", *refs.RESULTS).splitlines()
    if changed:
        where = ", ".join(changed[:5])
        raise ValueError(f"there are uncommitted changes, in {where}: commit or 'git stash' them")
    saved = None if Path(run).exists() else refs.find(run)
    if saved:
        names = refs.restore(saved)
        if saved.base != commit("HEAD"):
            print(f"These are the results of {saved.base[:7]}; checked out is another commit.")
    else:
        if run == "HEAD":
            raise ValueError(
                "CI has no results of the commit that is checked out: its run may be going on, or"
                " have failed, or they are in the commit already"
            )
        files = artifact.fetch(run)
        for name, data in files.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(data)
        names = sorted(files)
    print(f"Wrote {', '.join(names) or 'nothing: they are here already'}.")
    print("$ dvc pull", flush=True)
    if transfer.start("dvc", "pull").wait():
        print("Metrics only: not all data of these results is in the remote, see above.")
    print("Look at the change with 'git diff', then commit it.")
    return 0
