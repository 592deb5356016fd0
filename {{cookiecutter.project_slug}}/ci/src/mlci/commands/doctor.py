"""Say what of this project is set up, what is not, and the command that mends it.

    uv run ci doctor         everything, in about 10 seconds at most (--limit)
    uv run ci doctor --ci    the first step of CI: are the secrets set? No network.
    uv run ci doctor --json  everything, for machines

`python ci doctor` does the same where the environment is not there yet. ✗ has to be mended, ! may
wait. Exit codes: 0 nothing has to be mended, 1 something has, 2 an argument cannot be.
"""

import json
from argparse import RawDescriptionHelpFormatter

from mlci.settings import Parser


def main(arguments: list[str]) -> int:
    """Do what the arguments ask for and return the exit code."""
    parser = Parser("ci doctor", description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--ci", action="store_true", help="only whether the secrets are set")
    either.add_argument("--json", action="store_true", help="print JSON instead of the table")
    limit_help = "default: 10, and one more for each 1,000 files"
    parser.add_argument("--limit", type=float, metavar="SECONDS", help=limit_help)
    chosen = parser.parse_args(arguments)
    from mlci.work import diagnosis

    if chosen.ci:
        return diagnosis.examine_ci()
    limit = chosen.limit or diagnosis.find_limit()
    checks = list(diagnosis.examine(limit))
    failed = any(check.blocks for check in checks)
    if chosen.json:
        listed = [check._asdict() for check in checks]
        print(json.dumps({"ok": not failed, "checks": listed}, indent=2))
    else:
        diagnosis.show(checks)
    return 1 if failed else 0
