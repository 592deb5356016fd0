"""Use another storage of the same kind from now on, and push the data there.

What this clone lacks is fetched from the old storage first, if that lets it. An address that does
not work is not kept. Exit codes: 0 done, 1 nothing was changed, 2 an argument cannot be.
"""

from argparse import RawDescriptionHelpFormatter

from mlci.settings import Parser


def main(arguments: list[str]) -> int:
    """Change the storage and return the exit code."""
    parser = Parser(
        "ci use-remote", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("url", metavar="URL", help="the address of the storage")
    parser.add_argument("--endpoint", metavar="URL", help="its endpoint, or ''")
    parser.add_argument("--limit", type=float, default=10, metavar="SECONDS", help="default: 10")
    chosen = parser.parse_args(arguments)
    from mlci.work.moving import use_remote

    return use_remote(chosen.url, chosen.endpoint, chosen.limit)
