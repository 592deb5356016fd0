"""Rank everything that was tried, the best first: branches, tags and `dvc exp` experiments.

It reads Git and DVC metadata only. Remote branches and tags count as well, after `git fetch`; the
experiments of others come by `dvc exp pull -A origin`. What has the same metrics and parameters is
one row. Parameters are those that differ from the baseline. Exit codes: 0 done, 2 a malformed flag,
an unknown baseline, or no repository.
"""

from argparse import RawDescriptionHelpFormatter

from mlci import settings

FORMATS = ("md", "html", "json", "csv")


def main(arguments: list[str]) -> int:
    """Print the board; return the exit code."""
    parser = settings.Parser(
        "ci leaderboard", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("--baseline", default="", help="whose parameters are not shown; see ci run")
    parser.add_argument("--metrics-format", type=settings.pattern, help="numeral.js pattern")
    parser.add_argument("--limit", type=int, default=1000, help="rows of a table; default: 1000")
    group = parser.add_mutually_exclusive_group()
    for name in FORMATS:
        group.add_argument(f"--{name}", dest="form", action="store_const", const=name)
    chosen = parser.parse_args(arguments)
    from mlci.history.ranking import make
    from mlci.writing import board
    from mlci.writing.wording import BRIEF, Style

    write = board.FORMATS.get(chosen.form, board.terminal)
    print(write(make(chosen.baseline), Style(chosen.metrics_format or BRIEF, chosen.limit)))
    return 0
