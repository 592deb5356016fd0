"""Read tables as people have them, by the names of their columns and the kinds of their cells.

Rows keep the numbers that their file shows: in a CSV or Excel file the header is row 1 and the data
begin with row 2 (a cell with line breaks is one row), in a Parquet file with row 1.
"""

import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet

from project import DataError, one_line

FORMATS = (".csv", ".tsv", ".csv.gz", ".csv.zip", ".parquet", ".xlsx")
# Cells that are missing; but in a column of classes these words are classes.
MISSING = ["", "#N/A", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "-nan"]
DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*"


def read_tables(folder: Path, options: dict[str, Any], classes: str | None) -> pd.DataFrame:
    """Return the files of a folder as one table, its rows labelled by number, or file and number.

    In the column `classes` all words count. Raises DataError with all that cannot be read.
    """
    tables: dict[str, pd.DataFrame] = {}
    problems = []
    for path in sorted(folder.glob("[!.]*")):
        try:
            tables[path.name] = next(read_chunks(path, options, classes))
            other = set(tables[path.name]) ^ set(tables[next(iter(tables))])
            if tables[path.name].empty:
                problems.append(f"{path.name}: it is empty.")
            if other:
                problems.append(f"{path.name}: not the columns of the other files: {other}.")
        except DataError as error:
            problems += [f"{path.name}: {sentence}" for sentence in error.args]
    if problems or not tables:
        raise DataError(*problems or [f"it holds no table ({', '.join(FORMATS)})."])
    # As the files have it, where it is text in one of them: else 007 would become 7 in the others.
    columns = tables[next(iter(tables))] if len(tables) > 1 else []
    if texts := [name for name in columns if len(kinds_of(tables, name)) > 1]:
        options = as_text(options, texts)
        tables = {name: next(read_chunks(folder / name, options, classes)) for name in tables}
    unify(tables, options.get("dayfirst"))
    return pd.concat(tables) if len(tables) > 1 else tables.popitem()[1]


def as_text(options: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return the options of the reader with these columns as text, where no type is given."""
    given = options.get("dtype") or {}
    if not isinstance(given, dict):  # one type for all columns
        return options
    return options | {"dtype": dict.fromkeys(names, "str") | given}


def kinds_of(tables: dict[str, pd.DataFrame], name: str) -> set[str]:
    """Return what the cells of a column are, in all tables that have some."""
    columns = [table[name] for table in tables.values()]
    return {kind_of(column) for column in columns if column.notna().any()}


def unify(tables: dict[str, pd.DataFrame], dayfirst: bool | None) -> None:
    """Convert each column to one kind, the same in all tables."""
    for name in tables[next(iter(tables))]:
        kinds = kinds_of(tables, name)
        kind = kinds.pop() if len(kinds) == 1 else "text" if kinds else "number"
        if dayfirst is not None and all(is_date_text(table[name]) for table in tables.values()):
            kind = "date"
        for table in tables.values():
            table[name] = convert(table[name], kind, dayfirst)


def read_chunks(
    path: Path, options: dict[str, Any], classes: str | None = None, rows: int | None = None
) -> Iterator[pd.DataFrame]:
    """Yield a table, so many rows at a time or whole; DataError where it cannot be read."""
    is_parquet = path.suffix.lower() == ".parquet"
    start = 1 if is_parquet or "names" in options else 2
    if not path.name.lower().endswith(FORMATS):
        raise DataError(f"only {', '.join(FORMATS)} can be read.")
    try:
        chunks = read_parquet(path, rows) if is_parquet else read_text(path, options, classes, rows)
        for chunk in chunks:
            chunk.index = pd.RangeIndex(start, start + len(chunk))
            start += len(chunk)
            is_empty = chunk.isna().all(axis=1)
            if is_empty.any():
                tell(f"{path.name}: {name_rows(chunk.index[is_empty])} empty and left out.")
                chunk = chunk[~is_empty]
            yield chunk.drop(columns="", errors="ignore")
    except DataError:
        raise
    except UnicodeDecodeError as error:
        advice = 'in Excel, save it as "CSV UTF-8", or set prepare.read.encoding, such as cp1252'
        raise DataError(f"its text is not UTF-8: {advice}.") from error
    except ImportError as error:
        raise DataError("to read Excel files, uv add openpyxl") from error
    except Exception as error:  # what the libraries raise of a broken file has no common class
        raise DataError(f"it is empty or cannot be read: {one_line(error)}") from error


def read_parquet(path: Path, rows: int | None) -> Iterator[pd.DataFrame]:
    """Yield the rows of a Parquet file; the names in its index are columns as well."""
    file, names = pyarrow.parquet.ParquetFile(path), None
    for batch in file.iter_batches(rows) if rows else [file.read()]:
        chunk = batch.to_pandas()
        chunk = chunk.reset_index([name for name in chunk.index.names if name is not None])
        names = names or clean_names(list(chunk))
        yield chunk.set_axis(names, axis=1)


def read_text(
    path: Path, options: dict[str, Any], classes: str | None, rows: int | None
) -> Iterator[pd.DataFrame]:
    """Yield the rows of a CSV or Excel file."""
    own, given = dict(options), options.get("na_values", [])
    if refused := {"header", "index_col", "nrows", "usecols"} & set(own):
        raise DataError(f"prepare.read cannot set {refused}: see prepare.drop and read.names.")
    names = own.pop("names", None)
    by_column = {key: own.pop(key, None) for key in ("dtype", "parse_dates", "date_format")}
    by_column["parse_dates"] = by_column["parse_dates"] or []
    own = {key: own[key] for key in own if key not in ("na_values", "dayfirst")}
    read: Any = pd.read_excel
    if path.suffix.lower() != ".xlsx":
        read = pd.read_csv
        own = find_separator(path, own) | {"skip_blank_lines": False} | own
    first = read(path, header=None, nrows=1, dtype=str, keep_default_na=False, **own).iloc[0]
    own["header"] = None if names else 0
    names = clean_names(names or first.tolist())
    words = {}
    for name in names:
        more = given.get(name, []) if isinstance(given, dict) else given
        words[name] = [*([""] if name == classes else MISSING), *pd.Series(more, dtype=object)]
    if read is pd.read_csv:
        own |= {"index_col": False, "low_memory": False, "on_bad_lines": "warn", "chunksize": rows}
    own |= by_column | {"names": names, "na_values": words, "keep_default_na": False}
    with warnings.catch_warnings(record=True, action="always") as caught:
        found = read(path, **own)
        for chunk in [found] if isinstance(found, pd.DataFrame) else found:
            said = " ".join(str(warning.message) for warning in caught)
            long = re.findall(r"line (\d+): expected (\d+) fields, saw (\d+)", said)
            if long or "Length of header" in said:
                sentences = [f"row {n} has {saw} values, the header {due}." for n, due, saw in long]
                if names[0].startswith("#"):
                    sentences = ["row 1 is a comment: delete it, or set prepare.read.comment: '#'."]
                raise DataError(*sentences or ["its rows have more values than its header."])
            yield chunk


def find_separator(path: Path, options: dict[str, Any]) -> dict[str, str]:
    """Return how to read a CSV file, by its first line and, where no comma is in it, by numbers."""
    whole_line = {"sep": "\x1f", "header": None, "nrows": 1, "quoting": 3, "dtype": str}
    line = str(pd.read_csv(path, **whole_line | options).iat[0, 0])
    separator = max(",\t;|", key=line.count)
    if separator == "," or "sep" in options:
        return {"sep": ","}
    cells = pd.read_csv(path, nrows=1000, dtype=str, **{"sep": separator} | options).stack()
    decimal = "," if cells.str.fullmatch(r"\s*-?\d+,\d+\s*").any() else "."
    tell(f"{path.name} is read with {separator!r} between columns and {decimal!r} in numbers.")
    return {"sep": separator, "decimal": decimal}


def clean_names(columns: list[Any]) -> list[str]:
    """Return the names of the columns without spaces around; DataError where one is no name."""
    names = [str(name).strip() for name in columns]
    if names != columns:
        tell("spaces around the names of columns are left out.")
    if names[0] == "":
        tell("column 1 has no name and is left out: it seems to count the rows.")
    problems = []
    for position, name in enumerate(names, start=1):
        if name == "" and position > 1:
            problems.append(f"column {position} has no name: name it.")
        elif (first := names.index(name) + 1) < position:
            problems.append(f"columns {first} and {position} are both called {name!r}: rename one.")
    if problems:
        raise DataError(*problems)
    return names


def tell(sentence: str) -> None:
    """Print what a reader should know."""
    print(f"note: {sentence}", file=sys.stderr)


def name_rows(rows: pd.Index) -> str:
    """Return how many rows these are and the numbers of the first five."""
    labels = [" ".join(map(str, row)) if isinstance(row, tuple) else str(row) for row in rows[:5]]
    if len(rows) == 1:
        return f"row {labels[0]}"
    return f"{len(rows)} rows ({', '.join(labels)}{', …' if len(rows) > 5 else ''})"


def kind_of(column: pd.Series) -> str:
    """Return what its cells are: number, boolean, date or text."""
    found = pd.api.types.infer_dtype(column)
    if found in ("integer", "floating", "mixed-integer-float", "decimal", "empty"):
        return "number"
    if found in ("date", "datetime", "datetime64"):
        return "date"
    return "boolean" if found == "boolean" else "text"


def is_date_text(column: pd.Series) -> bool:
    """Tell whether all texts of a column look like 31/1/2020 or 2020-01-31."""
    return kind_of(column) == "text" and bool(column.dropna().str.fullmatch(DATE).all())


def convert(column: pd.Series, kind: str, dayfirst: bool | None = None) -> pd.Series:
    """Return a column of one kind; a cell that is of another is missing.

    Numbers are of a NumPy type, dates have no time zone, text has no spaces around and 1.0 is 1.
    """
    if kind == "date":
        dates = pd.to_datetime(
            column, errors="coerce", utc=True, dayfirst=bool(dayfirst), format="mixed"
        )
        return dates.dt.tz_localize(None)
    if kind == "number":
        numbers = pd.to_numeric(column, errors="coerce")
        is_plain = isinstance(numbers.dtype, np.dtype) and numbers.dtype.kind in "iuf"
        return numbers if is_plain else numbers.astype("float64")
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    text = column.astype("str").str.strip()
    if kind == "boolean":
        return text.str.lower().map({"true": True, "false": False}).astype("boolean")
    return text.replace("", np.nan)
