"""Check the tables in data/source and split them into data/raw/train.parquet and test.parquet.

Both keep the columns, their types and the target. Their index `row_key` (uint64) is a hash of what
the row holds, or of its column `prepare.id`: it stays the same from commit to commit.
"""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from checks import find_bad_target, find_problems, find_warnings
from project import ROWS, SOURCE, TEST, TRAIN, DataError, Prepare, list_problems, read_params
from schema import find_violations, write_schema
from split import fingerprint, hash_cells, row_keys, split
from tables import convert, kind_of, read_tables, tell

SAMPLE = Path("src/sample_data.py")


def prepare(table: pd.DataFrame, params: Prepare) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    """Return the rows to train on, those to test with, and what became of all that were read.

    Raises DataError with all that is wrong with the table.
    """
    if problems := [*find_problems(table, params), *find_violations(table)]:
        raise DataError(*problems)
    rows: dict[str, Any] = {"rows_read": len(table)}
    table = table.drop(columns=params.drop).dropna(subset=params.target)
    rows["rows_without_target"] = rows["rows_read"] - len(table)
    if params.drop_duplicates:
        table = table.drop_duplicates()
        rows["rows_repeated"] = rows["rows_read"] - rows["rows_without_target"] - len(table)
    if params.time and kind_of(table[params.time]) == "text":
        table[params.time] = convert(table[params.time], "date")
    target = table[params.target]
    keys = hash_cells(table[params.id]) if params.id else row_keys(table)
    if problems := [*find_bad_target(target, keys)]:
        raise DataError(*problems)
    for warning in [*find_warnings(table, params)][:8]:
        tell(warning)
{%- if cookiecutter.task == 'classification' %}
    is_whole = kind_of(target) == "number" and (target % 1 == 0).all()
    table[params.target] = target.astype("int64") if is_whole else convert(target, "text")
{%- endif %}
    table = table.drop(columns=params.id or []).set_index(pd.Index(keys, name="row_key"))
    train, test = split(table, params)
    rows |= {"train_rows": len(train), "test_rows": len(test), "features": table.shape[1] - 1}
    rows["test_hash"] = fingerprint(test[params.target])
    rows["missing_cells"] = int(table.isna().sum().sum())
    if train.empty or test.empty:
        alike = f"have the same {params.time or params.group or 'features'}"
        raise DataError(f"all rows {alike}: none is left for the test.")
{%- if cookiecutter.task == 'classification' %}
    if unknown := set(map(str, test[params.target])) - set(map(str, train[params.target])):
        change = "group or time" if params.group or params.time else "seed or test_size"
        raise DataError(f"the classes {unknown} are in the test only: change prepare.{change}.")
    sizes = table[params.target].value_counts().head(20).sort_index()
    rows["rows_per_class"] = {str(name): int(size) for name, size in sizes.items()}
{%- endif %}
    return train, test, rows


def main() -> None:
    params = read_params(Prepare)
    if not SOURCE.exists() and SAMPLE.exists() and not SOURCE.with_suffix(".dvc").exists():
        runpy.run_path(str(SAMPLE), run_name="__main__")
    if not SOURCE.is_dir():
        sys.exit(f"{SOURCE.as_posix()} is missing; fetch it: uv run dvc pull {SOURCE.as_posix()}")
    classes = {{ 'params.target' if cookiecutter.task == 'classification' else 'None' }}
    try:
        table = read_tables(SOURCE, params.read, classes)
        if "--write-schema" in sys.argv:
            write_schema(table)
            return
        train, test, rows = prepare(table, params)
    except DataError as error:
        sys.exit(list_problems(SOURCE.as_posix(), error.args))
    TRAIN.parent.mkdir(parents=True, exist_ok=True)
    train.to_parquet(TRAIN)
    test.to_parquet(TEST)
    ROWS.write_text(json.dumps(rows, indent=2) + "\n", newline="\n")
    counts = {name: count for name, count in rows.items() if isinstance(count, int)}
    print(", ".join(f"{name} {count}" for name, count in counts.items()))


if __name__ == "__main__":
    main()
