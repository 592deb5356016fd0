"""Bring the results of a CI run home: dvc.lock, metrics and plots, to look at and commit.

RUN is the number of a GitHub run, the branch of a GitLab pipeline, or an artifact that was
downloaded by hand: a zip file, or the folder that it was unpacked to.
"""

import sys
from argparse import RawDescriptionHelpFormatter
from pathlib import Path

from mlci.settings import Parser


def main(arguments: list[str]) -> int:
    """Write the results over those of this checkout, or say why not; return the exit code."""
    parser = Parser("ci results", description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN")
    run = parser.parse_args(arguments).run
    from mlci.work.artifact import fetch

    try:
        files = fetch(run)
    except ValueError as why:
        print(why, file=sys.stderr)
        return 1
    if not files:
        print(
            f"{run} holds no results: it should have a dvc.lock, a metrics.json or plots/.",
            file=sys.stderr,
        )
        return 1
    for name, data in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)
    print(f"Wrote {', '.join(sorted(files))}. Look at them with 'git diff', then commit.")
    return 0
