"""Promise: every verdict of a month is that of two pipelines run from nothing, however it is merged."""

from pathlib import Path

import pytest
from months import SHORT, Month

# Short months: `make histories` lets all six pass, with eight pull requests each.
MONTHS = {
    "squash, results beside": ("squash", False),
    "rebase, results committed": ("rebase", True),
}


@pytest.mark.slow
@pytest.mark.parametrize(("merge", "commit_results"), MONTHS.values(), ids=MONTHS)
def test_every_verdict_is_true(tmp_path: Path, merge: str, commit_results: bool) -> None:
    month = Month(tmp_path, merge, commit_results)
    month.pass_by(SHORT)
    assert month.wrong == []
    # Each change is judged when it is proposed and when it is merged, the stale one once more.
    assert month.judged == 2 * len(SHORT) + 1
