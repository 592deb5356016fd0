"""Promise: every verdict of a month is that of two pipelines run from nothing, however it is merged."""

from pathlib import Path

import pytest
from months import SHORT, SHORTEST, Change, Month

# Short months: `make histories` lets all six pass, with eight pull requests each.
MONTHS = {
    "squash, results beside": ("squash", False, SHORT),
    "rebase, results committed": ("rebase", True, SHORTEST),
}


@pytest.mark.slow
@pytest.mark.parametrize(("merge", "commit_results", "changes"), MONTHS.values(), ids=MONTHS)
def test_every_verdict_is_true(
    tmp_path: Path, merge: str, commit_results: bool, changes: tuple[Change, ...]
) -> None:
    month = Month(tmp_path, merge, commit_results)
    month.pass_by(changes)
    assert month.wrong == []
    # Each change is judged when it is proposed and when it is merged, the stale one once more.
    assert month.judged == 2 * len(changes) + 1
