"""Bring the results of a CI run home: dvc.lock, metrics and plots, to look at and commit.

    python ci/results.py RUN

RUN is the number of a GitHub run, the branch of a GitLab pipeline, or an artifact that was
downloaded by hand: a zip file, or the folder that it was unpacked to.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from publish import REPORT, Refused, command, read_results


def fetch(run: str) -> dict[str, bytes]:
    """Return the results of a run by their paths in the project.

    Raises:
        Refused: The artifact cannot be fetched or read.
    """
    with tempfile.TemporaryDirectory() as folder:
        if Path(run).exists():
            folder = run
        elif Path(".gitlab-ci.yml").exists():
            command("glab", "job", "artifact", run, "run", "--path", folder)
        else:
            command("gh", "run", "download", run, "--name", "results", "--dir", folder)
        files = read_results(Path(folder))
    return {name: data for name, data in files.items() if name != REPORT}


def main() -> None:
    """Write the results over those of this checkout, or say why not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN")
    run = parser.parse_args().run
    try:
        files = fetch(run)
    except Refused as why:
        sys.exit(f"The results of {run} could not be fetched: {why}")
    if not files:
        sys.exit(f"{run} holds no results: it should have a dvc.lock, a metrics.json or plots/.")
    for name, data in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)
    print(f"Wrote {', '.join(sorted(files))}. Look at them with 'git diff', then commit.")


if __name__ == "__main__":
    main()
