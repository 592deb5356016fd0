"""src/prepare_data.py on ten rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prepare_data import DataError, find_table, prepare, read_table

PARAMS = {"target": "label", "test_size": 0.2, "drop_duplicates": False, "seed": 0}


@pytest.fixture
def table() -> pd.DataFrame:
    """Ten rows that all differ, with the numbers that they would have in a CSV."""
    columns = {"height": np.arange(10), "weight": np.linspace(1, 2, 10), "label": [0, 1] * 5}
    return pd.DataFrame(columns, index=range(2, 12))


def test_every_row_is_either_for_training_or_for_the_test(table: pd.DataFrame) -> None:
    arrays = prepare(table, **PARAMS)
    assert arrays["X_train"].shape == (8, 2)
    assert arrays["X_test"].shape == (2, 2)
    assert arrays["y_train"].shape == (8,)
    both = np.vstack([arrays["X_train"], arrays["X_test"]])
    assert sorted(both[:, 0]) == list(range(10))


def test_same_seed_same_split(table: pd.DataFrame) -> None:
    first, second = prepare(table, **PARAMS), prepare(table, **PARAMS)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_missing_target_names_the_columns(table: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"no column 'price'.*'height', 'weight', 'label'"):
        prepare(table, **PARAMS | {"target": "price"})


@pytest.mark.parametrize(("value", "problem"), [("tall", "'tall' in row 5"), (np.nan, "in row 5")])
def test_bad_value_names_column_and_row(table: pd.DataFrame, value: object, problem: str) -> None:
    table = table.astype({"height": object})
    table.loc[5, "height"] = value
    with pytest.raises(DataError, match=f"column 'height' .*{problem}"):
        prepare(table, **PARAMS)


def test_identical_rows_on_both_sides_are_refused_or_dropped(table: pd.DataFrame) -> None:
    twice = pd.concat([table, table], ignore_index=True)
    with pytest.raises(DataError, match="the test data repeat training data"):
        prepare(twice, **PARAMS)
    arrays = prepare(twice, **PARAMS | {"drop_duplicates": True})
    assert len(arrays["y_train"]) + len(arrays["y_test"]) == len(table)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_table_is_read_from_either_format(table: pd.DataFrame, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path, index=False)
    assert find_table(tmp_path) == path
    assert read_table(path).to_numpy() == pytest.approx(table.to_numpy())
