"""Take what the template learned since this project was made from it, or updated last.

    uv run ci update                  take it, and lock the packages anew
    uv run ci update --show           what it changed in the files that are yours: nothing is done
    uv run ci update --show VERSION   the same, since that commit or tag of the template

Your own files (`[tool.cruft]` in pyproject.toml lists them) are not touched. In the others your
edits are kept; where both sides changed the same lines, the table says what is left to do.
Exit codes: 0 done, or nothing is new; 1 something is left to do, or nothing could be done; 2 an
argument cannot be.
"""

from argparse import RawDescriptionHelpFormatter

from mlci.settings import Parser


def main(arguments: list[str]) -> int:
    """Update the project, or show what is new, and return the exit code."""
    parser = Parser("ci update", description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument(
        "--show",
        nargs="?",
        const="",
        metavar="VERSION",
        help="print what the template changed in your own files, as `git apply` takes it",
    )
    chosen = parser.parse_args(arguments)
    from mlci.work import renewal

    return renewal.take_newest() if chosen.show is None else renewal.show(chosen.show)
