"""src/prepare_data.py on forty rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prepare_data import prepare
from project import DataError, Prepare, Train
from split import folds
from tables import read_tables


def test_every_row_is_either_for_training_or_for_the_test(
    table: pd.DataFrame, params: Prepare
) -> None:
    train, test, rows = prepare(table, params)
    assert (len(train), len(test)) == (32, 8)
    assert rows["rows_read"] == rows["train_rows"] + rows["test_rows"]
    assert sorted(pd.concat([train, test])["height"]) == sorted(table["height"])
    assert list(train) == list(table)


def test_the_rows_decide_on_the_split_not_their_order(table: pd.DataFrame, params: Prepare) -> None:
    _, test, rows = prepare(table, params)
    _, again, same = prepare(table.sample(frac=1, random_state=1), params)
    assert test.equals(again)
    assert rows == same
    params.seed = 1
    assert prepare(table, params)[2]["test_hash"] != rows["test_hash"]
    assert test.index.name == "row_key"
    assert test.index.dtype == np.uint64


def test_identical_rows_are_on_one_side(table: pd.DataFrame, params: Prepare) -> None:
    twice = pd.concat([table, table], ignore_index=True)
    train, test, _ = prepare(twice, params)
    assert not set(train.index) & set(test.index)
    params.drop_duplicates = True
    train, test, _ = prepare(twice, params)
    assert len(train) + len(test) == len(table)


def test_a_group_is_on_one_side(table: pd.DataFrame, params: Prepare) -> None:
    table["patient"] = np.repeat(range(10), 4)
    params.group = "patient"
    train, test, _ = prepare(table, params)
    assert not set(train["patient"]) & set(test["patient"])


def test_the_latest_rows_are_the_test(table: pd.DataFrame, params: Prepare) -> None:
    params.time = "height"
    train, test, _ = prepare(table, params)
    assert train["height"].max() < test["height"].min()


@pytest.mark.parametrize("column", ["group", "time"])
def test_the_folds_keep_to_the_rule_of_the_split(
    table: pd.DataFrame, params: Prepare, column: str
) -> None:
    table["group"], table["time"] = np.repeat(range(10), 4), range(40)
    setattr(params, column, column)
    for rest, fold in folds(table, params, Train(model="", folds=4, threads=1)):
        assert not set(table[column][rest]) & set(table[column][fold])
        assert column == "group" or table["time"][rest].max() < table["time"][fold].min()


def test_all_problems_are_named_at_once(table: pd.DataFrame, params: Prepare) -> None:
    table.loc[3, "height"] = np.inf
    params.drop = ["weight"]
    with pytest.raises(DataError) as caught:
        prepare(table, params)
    first, second = caught.value.args
    assert "no column 'weight'" in first
    assert "column 'height' is beyond" in second
    assert "row 3" in second


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz", ".parquet"])
def test_table_is_read_from_any_format(table: pd.DataFrame, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    if suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    assert read_tables(tmp_path, {}, None).reset_index(drop=True).equals(table)
