"""Show the report of a run where people look, and bring the results of a run home.

    python ci/results.py        in CI, after the run: show the report in the job's summary, and say in
                                it how to take over results that Git does not have yet
    python ci/results.py RUN    at home: copy the results of a CI run into this checkout, to be
                                looked at and committed

RUN is the number of a GitHub run, the branch of a GitLab pipeline, or an artifact that was
downloaded by hand: a zip file or a folder.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from publish import REPORT, Refused, command, read_results

RESULTS = ("dvc.lock", "metrics.json", "plots")


def uncommitted() -> bool:
    """Tell whether the run left results that the commit does not have."""
    status = ["git", "status", "--porcelain", "--", *RESULTS]
    return bool(subprocess.run(status, capture_output=True, check=True).stdout)


def show() -> None:
    """Complete the report and append it to the job's summary, where the provider has one."""
    report = Path(REPORT)
    if not report.exists():  # nothing was run, as with [ci skip], or its log says why
        return
    run = os.environ.get("GITHUB_RUN_ID") or os.environ.get("CI_COMMIT_REF_NAME") or "ARTIFACT"
    if uncommitted() and os.environ.get("commit_results", "").lower() != "true":
        with report.open("a", encoding="utf-8") as text:
            text.write(
                "\n\nThe results of this run are not in Git yet: take them over with"
                f" `python ci/results.py {run}`, then commit them.\n"
            )
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as text:
            text.write(report.read_text(encoding="utf-8"))


def take(run: str) -> list[str]:
    """Copy the results of a run into the checkout and return their names.

    Raises:
        Refused: The artifact cannot be fetched or read.
    """
    with tempfile.TemporaryDirectory() as folder:
        if Path(run).exists():
            files = read_results(Path(run))
        elif Path(".gitlab-ci.yml").exists():
            command("glab", "job", "artifact", run, "run", "--path", folder)
            files = read_results(Path(folder))
        else:
            command("gh", "run", "download", run, "--name", "results", "--dir", folder)
            files = read_results(Path(folder))
    files.pop(REPORT, None)
    for name, data in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)
    return sorted(files)


def main() -> None:
    """Parse the command line and do one of the two."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="?", metavar="RUN")
    run = parser.parse_args().run
    if run is None:
        show()
        return
    try:
        names = take(run)
    except Refused as why:
        sys.exit(f"The results of {run} could not be taken over: {why}")
    print(f"Took over {', '.join(names) or 'nothing'}. Look with `git diff`, then commit.")


if __name__ == "__main__":
    main()
