"""Pull, reproduce, push, report: what CI runs, and anyone can run at home with the same result.

    uv run ci run --baseline HEAD~1

It writes `report.md` and changes `dvc.lock`, metrics and plots in this checkout, but commits, tags
and posts nothing: in CI a later job does that, with rights that this one, which runs the project's
code, must not have. That job reads `commit_results` and `tag_prefix`, which are only checked here.

Data is fetched only for stages that have to run, and hashed before they run. The secrets of the
remote reach DVC's transfers, and no command of a stage (`stage_env` lists exceptions). Without the remote (no secrets on a fork's pull
request, a folder of another machine) the run uses what is here and what it can make again.

In CI the exit code is also in `outcome.txt`, for the next job.

Exit codes:
    0  done, or skipped by `[ci skip]`
    2  a malformed flag or variable, an unknown target or baseline: nothing was run
    3  a stage failed
    4  the remote failed, or lacks data that no stage can make
    5  the disk is full, or the report could not be written
    8  the report is written, and the baseline has no results yet to hold `report.max_regression` to
    6  the report is written, and the primary metric fell by more than `report.max_regression` of
       params.yaml, or is no number where that is set
    7  another run is going on in this checkout
"""

import errno
import os
import re
import signal
import sys
import traceback
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import TYPE_CHECKING

from mlci import settings

if TYPE_CHECKING:
    from mlci.history.terms import Terms
    from mlci.work.state import Session

FULL = "ci run: the disk is full: make room, then run it again; it goes on from here."
OUTCOME = Path("outcome.txt")
SKIP = re.compile(r"\[(ci skip|skip ci)\]", re.IGNORECASE)


def main(arguments: list[str]) -> int:
    """Run in this checkout and return the exit code, or 0 where that was asked for."""
    green = "--exit-zero" in arguments
    ended = 1
    try:
        ended = attempt(arguments)
    except SystemExit as end:  # a malformed flag or variable, --help, or the signal to end
        ended = end.code if isinstance(end.code, int) else 1
    except Exception:
        if not green:
            raise
        traceback.print_exc()
    finally:
        if os.environ.get("CI"):
            OUTCOME.write_text(f"{ended}\n", encoding="utf-8")
    return 0 if green else ended


def attempt(arguments: list[str]) -> int:
    """Run in this checkout and return the exit code."""
    parser = settings.Parser(
        "ci run", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--exit-zero",
        action="store_true",
        help="end with code 0 always, for a CI that goes on from green steps only (Bitbucket)",
    )
    chosen = settings.read(parser, [*settings.VARIABLES], arguments)
    from mlci.storage import keys, remote

    keys.hide(["run", *arguments], remote.secret_names())
    from dvc.exceptions import DvcException
    from filelock import FileLock, Timeout

    from mlci.history.repository import git
    from mlci.work.merging import conflicts, remedy
    from mlci.work.recovery import LOCK, tidy_up_after_crash
    from mlci.work.steps import check, take

    if SKIP.search(git("log", "-1", "--format=%B")):
        print("The head commit's message has [ci skip] or [skip ci]: nothing is run.")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if not Path(".dvc/config").exists():
        print("ci run: no DVC project yet; 'uv run dvc init' makes it one.", file=sys.stderr)
        return 2
    if files := conflicts():
        reason = f"a merge left conflicts in {', '.join(files)}: {remedy(files)}."
        print(f"ci run: {reason}", file=sys.stderr)
        report_no_result(reason)
        return 2
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(LOCK, timeout=0):
            tidy_up_after_crash()
            terms = check(chosen)
            session = take(chosen)
            if session.disk_full:
                print(FULL, file=sys.stderr)
                return 5
            asked = write_report(chosen, terms, session)
    except Timeout:
        print("ci run: another run is going on in this checkout; wait for it.", file=sys.stderr)
        return 7
    except (ValueError, DvcException) as error:
        hint = " ('git checkout dvc.lock' restores it)" if "'dvc.lock'" in str(error) else ""
        reason = f"{settings.one_line(error)}{hint}"
        print(f"ci run: {reason}", file=sys.stderr)
        report_no_result(reason)
        return 2
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(FULL, file=sys.stderr)
        return 5
    except KeyboardInterrupt:
        print("ci run: stopped; the next run goes on from here.", file=sys.stderr)
        return 130
    if session.stage_failed:
        return 3
    if session.remote_failed:
        return 4
    return asked


def report_no_result(reason: str) -> None:
    """In CI, write a report that says why there is none: the next job posts it."""
    if not os.environ.get("CI"):
        return
    from mlci.history.repository import git
    from mlci.markup import block
    from mlci.writing.sections import REPORT

    sha = git("rev-parse", "--short=7", "HEAD") or "this checkout"
    text = f"## ❌ No result for `{sha}`\n\nNothing was run:\n\n{block(reason)}\n"
    REPORT.write_text(text, encoding="utf-8")


def write_report(chosen: settings.Settings, terms: "Terms", session: "Session") -> int:
    """Write the report; return the exit code that it asks for."""
    from dvc.exceptions import DvcException

    from mlci.writing import sections

    print("\n$ ci report", flush=True)
    try:
        verdict = sections.write(chosen, terms, session.run)
    except (DvcException, OSError, ValueError) as error:
        reason = settings.one_line(error)
        print(f"ci run: the report could not be written: {reason}", file=sys.stderr)
        return 5
    print(f"Wrote {sections.REPORT}, {sections.PAGE} and {sections.PICTURES}/", flush=True)
    print(verdict.headline.replace("`", ""), flush=True)
    return verdict.exit_code
