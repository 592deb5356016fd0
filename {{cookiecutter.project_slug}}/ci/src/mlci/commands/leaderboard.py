"""Rank everything that was tried, the best first: branches, tags and `dvc exp` experiments.

It reads Git and DVC metadata only. Remote branches and tags count as well, after `git fetch`; the
experiments of others come by `dvc exp pull -A origin`. What has the same metrics and parameters is
one row. Parameters are those that differ from the baseline. `--with` ranks the branches of another
repository of the same problem as well; they stay here as NAME/BRANCH, so that `ci promote` takes
them. Exit codes: 0 done, 2 a malformed flag, an unknown baseline, or no repository.
"""

from argparse import RawDescriptionHelpFormatter
from pathlib import Path

from mlci import settings

FORMATS = ("md", "html", "json", "csv")
PRINT = "-"  # in place of a file


def main(arguments: list[str]) -> int:
    """Print the board; return the exit code."""
    parser = settings.Parser(
        "ci leaderboard", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("--baseline", default="", help="whose parameters are not shown; see ci run")
    parser.add_argument("--metrics-format", type=settings.pattern, help="numeral.js pattern")
    parser.add_argument("--limit", type=int, default=1000, help="rows of a table; default: 1000")
    parser.add_argument(
        "--with",
        dest="others",
        action="append",
        default=[],
        metavar="NAME=ADDRESS",
        help="fetch the branches of another repository, and rank them too; may be repeated",
    )
    group = parser.add_mutually_exclusive_group()
    for name in FORMATS:
        what = f"write {name.upper()}, to a file where one is named"
        group.add_argument(f"--{name}", nargs="?", const=PRINT, metavar="FILE", help=what)
    chosen = parser.parse_args(arguments)
    from mlci.history.forks import fetch_branches
    from mlci.history.ranking import make
    from mlci.writing import board
    from mlci.writing.wording import BRIEF, Style

    for named in chosen.others:
        fetch_branches(named)
    form = next((name for name in FORMATS if getattr(chosen, name)), "")
    file = getattr(chosen, form) if form else PRINT
    write = board.FORMATS.get(form, board.terminal)
    text = write(make(chosen.baseline), Style(chosen.metrics_format or BRIEF, chosen.limit))
    if file == PRINT:
        print(text)
        return 0
    try:
        Path(file).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{file} cannot be written: {error.strerror}") from None
    print(f"Wrote {file}")
    return 0
