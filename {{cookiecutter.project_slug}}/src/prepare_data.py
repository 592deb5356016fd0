"""Check the one table in data/source and split it into data/raw/{X,y}_{train,test}.npy.

Bad data ends the run, before anything is written, with one sentence that names the file, the
column and the rows. Rows have the numbers that their file shows: in a CSV the header is row 1 and
the data begin with row 2 (a cell with line breaks is one row), in a Parquet file with row 1.
"""

import re
import runpy
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from ruamel.yaml import YAML, YAMLError
from sklearn.model_selection import train_test_split

SOURCE = Path("data/source")
SAMPLE = Path("src/sample_data.py")
RAW = Path("data/raw")
FIRST_ROW = {".csv": 2, ".parquet": 1}


class DataError(Exception):
    """Data that no model can be trained on; the text says where and what to do."""


def check(params: dict) -> None:
    """Exit with one sentence where the block `prepare` of params.yaml is not as it must be."""
    known = ["target", "test_size", "drop_duplicates", "seed"]
    if wrong := sorted(set(known) ^ set(params)):
        sys.exit(f"params.yaml: prepare takes the keys {known}; unknown or missing: {wrong}.")
    if not isinstance(params["target"], str):
        sys.exit("params.yaml: prepare.target must be the name of a column, in quotes if a number.")
    if not isinstance(params["test_size"], float) or not 0 < params["test_size"] < 1:
        sys.exit("params.yaml: prepare.test_size must lie between 0 and 1, for example 0.2.")
    if not isinstance(params["drop_duplicates"], bool):
        sys.exit("params.yaml: prepare.drop_duplicates must be true or false.")
    if type(params["seed"]) is not int or not 0 <= params["seed"] < 2**32:
        sys.exit(f"params.yaml: prepare.seed must be a whole number from 0 to {2**32 - 1}.")


def find_table(source: Path) -> Path:
    """Return the one CSV or Parquet file in a folder, without regard to hidden files."""
    if not source.is_dir():
        sys.exit(f"{source.as_posix()} is missing; fetch it: uv run dvc pull {source.as_posix()}")
    files = [path for path in sorted(source.iterdir()) if not path.name.startswith(".")]
    tables = [path for path in files if path.suffix.lower() in FIRST_ROW]
    if len(tables) != 1:
        found = ", ".join(path.name for path in files) or "no file"
        sys.exit(f"{source.as_posix()} must hold one .csv or .parquet file; it holds {found}.")
    return tables[0]


def read_table(path: Path) -> pd.DataFrame:
    """Return the rows that are not blank, each with its number in the file as index label."""
    kind = path.suffix.lower()
    try:
        if kind == ".csv":
            check_header(path)
            with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
                table = pd.read_csv(path, index_col=False, skip_blank_lines=False, low_memory=False)
        else:
            table = pd.read_parquet(path)
    except pd.errors.ParserWarning as error:
        raise DataError(
            "the rows have more values than the header has names: name every column."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError('its text is not UTF-8: in Excel, save it as "CSV UTF-8".') from error
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())  # pandas may end it with a line break
        raise DataError(f"the file is empty or no {kind} file: {reason}") from error
    table.index = pd.RangeIndex(FIRST_ROW[kind], FIRST_ROW[kind] + len(table))
    table = table.dropna(how="all")
    if table.empty:
        raise DataError("the file is empty: it has no rows of data.")
    return table


def check_header(path: Path) -> None:
    """Raise DataError where a CSV's columns are not separated by commas, or one has no name."""
    names = list(pd.read_csv(path, nrows=0, skip_blank_lines=False).columns)
    if len(names) == 1 and (found := re.search(r"[;\t|]", names[0])):
        raise DataError(
            f"the columns are separated by {found[0]!r}: save the file with commas between them,"
            " and with points in numbers, such as 1.5."
        )
    if nameless := [name for name in names if name.startswith("Unnamed: ")]:
        raise DataError(
            f"column {names.index(nameless[0]) + 1} has no name: name it, or leave it out if it only"
            " counts the rows (pandas writes none with index=False)."
        )


def name_rows(index: pd.Index) -> str:
    """Return how many rows these are and the numbers of the first five."""
    numbers = ", ".join(str(row) for row in sorted(index)[:5])
    if len(index) == 1:
        return f"row {numbers}"
    return f"{len(index)} rows ({numbers}{', …' if len(index) > 5 else ''})"


def read_numbers(column: pd.Series) -> pd.Series:
    """Return the column as float64; DataError where it holds text, nothing (NaN) or infinity."""
    is_number = pd.api.types.is_numeric_dtype(column)
    numbers = pd.to_numeric(column if is_number else column.astype(str), errors="coerce")
    text = column[numbers.isna() & column.notna()]
    if len(text):
        raise DataError(
            f"column {column.name!r} must hold numbers, but holds text such as"
            f" {str(text.iloc[0])!r} in {name_rows(text.index)}: write numbers such as"
            " 1234.5, encode text as numbers, or leave the column out."
        )
    numbers = numbers.astype("float64")
    bad = numbers[~np.isfinite(numbers)]
    if len(bad):
        raise DataError(
            f"column {column.name!r} is empty (NaN) or infinite in {name_rows(bad.index)}:"
            " fill in numbers or leave these rows out."
        )
    return numbers

{% if cookiecutter.task == 'classification' %}
def read_target(column: pd.Series) -> pd.Series:
    """Return the classes: integers as int64, all else as text; DataError where one is empty."""
    missing = column[column.isna()]
    if len(missing):
        raise DataError(
            f"column {column.name!r} is empty (NaN) in {name_rows(missing.index)}:"
            " fill in the class or leave these rows out."
        )
    return column.astype("int64" if pd.api.types.is_integer_dtype(column) else str)


def split_rows(y: pd.Series, test_size: float, seed: int) -> tuple[pd.Index, pd.Index]:
    """Return the rows for training and for the test, each class in the same proportion in both."""
    sizes = y.value_counts(sort=False)
    if len(sizes) < 2:
        raise DataError(f"column {y.name!r} must hold at least two classes.")
    needed = int(np.ceil(1 / min(test_size, 1 - test_size)))
    for name in sizes.index[sizes < needed]:
        raise DataError(
            f"column {y.name!r}: class {name!r} has only {name_rows(y.index[y == name])}, but a"
            f" test_size of {test_size} needs {needed} of each class: add some or leave it out."
        )
    return train_test_split(y.index, test_size=test_size, random_state=seed, stratify=y)

{% else %}
def read_target(column: pd.Series) -> pd.Series:
    """Return the numbers to predict as float64; DataError as for any other column."""
    return read_numbers(column)


def split_rows(y: pd.Series, test_size: float, seed: int) -> tuple[pd.Index, pd.Index]:
    """Return the rows for training and for the test, drawn at random."""
    if len(y) * min(test_size, 1 - test_size) < 2:
        raise DataError(f"{len(y)} rows are too few for a test_size of {test_size}: add some.")
    return train_test_split(y.index, test_size=test_size, random_state=seed)

{% endif %}
def check_leakage(table: pd.DataFrame, train: pd.Index, test: pd.Index) -> None:
    """Raise DataError where rows of the test are identical to rows that the model learns from."""
    identity = table.groupby(list(table.columns), dropna=False, sort=False).ngroup()
    leaked = identity[test][identity[test].isin(identity[train])]
    if len(leaked):
        twins = identity[train][identity[train].isin(leaked)]
        raise DataError(
            f"the test data repeat training data, {name_rows(leaked.index)} the same as"
            f" {name_rows(twins.index)}, so the test would flatter the model:"
            " set prepare.drop_duplicates to true in params.yaml to keep each row once."
        )


def prepare(
    table: pd.DataFrame, target: str, test_size: float, drop_duplicates: bool, seed: int
) -> dict[str, np.ndarray]:
    """Return X_train and X_test (float64, rows by features), y_train and y_test (one per row)."""
    if target not in table:
        columns = ", ".join(repr(name) for name in table.columns[:20])
        raise DataError(f"there is no column {target!r} (prepare.target); there are: {columns}.")
    if len(table.columns) == 1:
        raise DataError(f"there is no column but {target!r}: nothing to predict it from.")
    table = table.drop(columns=target).apply(read_numbers).join(read_target(table[target]))
    if drop_duplicates:
        table = table.drop_duplicates()
    X, y = table.drop(columns=target), table[target]
    train, test = split_rows(y, test_size, seed)
    check_leakage(table, train, test)
    return {
        "X_train": X.loc[train].to_numpy(),
        "X_test": X.loc[test].to_numpy(),
        "y_train": np.array(y.loc[train].tolist()),
        "y_test": np.array(y.loc[test].tolist()),
    }


def main() -> None:
    try:
        params = (YAML(typ="safe").load(Path("params.yaml")) or {}).get("prepare", {})
    except (OSError, YAMLError, AttributeError) as error:
        sys.exit(f"params.yaml: {' '.join(str(error).split())}")
    check(params if isinstance(params, dict) else {})
    if not SOURCE.exists() and SAMPLE.exists() and not SOURCE.with_suffix(".dvc").exists():
        runpy.run_path(str(SAMPLE), run_name="__main__")
    path = find_table(SOURCE)
    try:
        arrays = prepare(read_table(path), **params)
    except DataError as error:
        sys.exit(f"{path.as_posix()}: {error}")
    RAW.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(RAW / f"{name}.npy", array, allow_pickle=False)
    print(f"{len(arrays['y_train'])} rows to train on, {len(arrays['y_test'])} to test with")


if __name__ == "__main__":
    main()
