"""src/sample_data.py; remove this file together with it."""

import runpy
from pathlib import Path

import pandas as pd

SCRIPT = Path(__file__).parents[1] / "src" / "sample_data.py"


def test_it_writes_one_complete_table(tmp_path: Path) -> None:
    runpy.run_path(str(SCRIPT))
    (path,) = (tmp_path / "data" / "source").iterdir()
    table = pd.read_csv(path)
    assert len(table) > 400
    assert table.notna().all(axis=None)
    assert not table.duplicated().any()
