"""Let six months pass, one after the other: `make histories`.

Three ways to merge, with results committed and not; each verdict is compared with that of two
pipelines run from nothing.
"""

import itertools
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from months import CHANGES, MERGES, Month


def main() -> int:
    """Print a line for each history; return 1 where a verdict was wrong."""
    wrong = []
    for merge, commit_results in itertools.product(MERGES, (False, True)):
        with tempfile.TemporaryDirectory() as folder:
            month = Month(Path(folder), merge, commit_results)
            month.pass_by(CHANGES)
        where = "committed" if commit_results else "beside the branch"
        found = f"{month.judged - len(month.wrong)} of {month.judged} verdicts are true"
        print(f"{merge}, results {where}: {found}", flush=True)
        wrong += month.wrong
    for sentence in wrong:
        print(sentence)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
