"""Read tables as people have them, by the names of their columns and the kinds of their cells.

Rows keep the numbers that their file shows: in a CSV or Excel file the header is row 1 and the data
begin with row 2 (a cell with line breaks is one row), in a Parquet file with row 1.
"""

import re
import sys
import warnings
from collections.abc import Iterator
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet

from project import DataError, one_line

FORMATS = (".csv", ".tsv", ".csv.gz", ".csv.zip", ".parquet", ".xlsx")
BY_COLUMN = ("dtype", "parse_dates", "date_format")  # options that name columns
NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal", "empty")
# Cells that are missing; but in a column of classes these words are classes.
MISSING = ["", "#N/A", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "-nan"]
# Such as 2024-01-31, 31.1.2024 or 31-Jan-24, maybe with a time.
DATE = (
    r"(\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.](\d{4}|\d\d)"
    r"|\d\d?[-/. ][A-Za-z]{3,9}[-/. ](\d{4}|\d\d))([ T]\d\d?:.*)?"
)
YEAR = r"\d{4}|\d\d?[-/.](?:\d\d?|[A-Za-z]{3,9})[-/.]\d\d"
DAY_FIRST = r"\b(?:1[3-9]|2\d|3[01])[-/.]\d\d?[-/.]\d"
MONTH_FIRST = r"\b\d\d?[-/.](?:1[3-9]|2\d|3[01])[-/.]\d"


def read_tables(
    folder: Path, options: dict[str, Any], classes: str | None
) -> tuple[pd.DataFrame, bool]:
    """Return the files of a folder as one table, and whether dates were read with the day first.

    Its rows are labelled by number, or file and number. In the column `classes` all words count.
    Raises DataError with all that cannot be read.
    """
    tables: dict[str, pd.DataFrame] = {}
    problems = []
    for path in list_files(folder):
        try:
            tables[path.name] = next(read_chunks(path, options, classes))
            other = sorted(set(tables[path.name]) ^ set(tables[next(iter(tables))]))
            if tables[path.name].empty:
                problems.append(f"{path.name}: it is empty.")
            if other:
                problems.append(f"{path.name}: not the columns of the other files: {other}.")
        except DataError as error:
            problems += [f"{path.name}: {sentence}" for sentence in error.args]
    if problems or not tables:
        raise DataError(*problems or [f"it holds no table ({', '.join(FORMATS)})."])
    as_they_are = [classes, *given_types(options)]
    if len(tables) == 1:
        table = tables.popitem()[1]
        return table, unify(table, options.get("dayfirst"), as_they_are)
    # As the files have it, where it is text in one of them: else 007 would become 7 in the others.
    kinds = [table.dropna(axis=1, how="all").apply(kind_of) for table in tables.values()]
    count = pd.DataFrame(kinds).nunique()
    if texts := [*count.index[count > 1]]:
        options = as_text(options, texts)
        tables = {name: next(read_chunks(folder / name, options, classes)) for name in tables}
    for table in tables.values():
        for name, column in table.items():
            table[name] = convert(column, "text" if name in texts else kind_of(column))
    table = pd.concat(tables)
    return table, unify(table, options.get("dayfirst"), as_they_are)


def list_files(folder: Path) -> list[Path]:
    """Return the files to read: none that is hidden, or like _SUCCESS, as Spark writes them."""
    paths = sorted(folder.glob("[!.]*"))
    return [p for p in paths if not p.name.startswith("_") or p.name.lower().endswith(FORMATS)]


def given_types(options: dict[str, Any]) -> dict[str, Any]:
    """Return the columns whose type prepare.read names."""
    types = options.get("dtype") or {}
    return types if isinstance(types, dict) else {}


def as_text(options: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return the options of the reader with these columns as text, where no type is given."""
    if isinstance(options.get("dtype"), str):  # one type for all columns
        return options
    return options | {"dtype": dict.fromkeys(names, "str") | given_types(options)}


def unify(table: pd.DataFrame, given: bool | None, as_they_are: list) -> bool:
    """Convert each column to one kind; return whether dates have the day first.

    Texts that all are dates become dates, but for the columns that stay as they are.
    """
    kinds = {name: kind_of(column) for name, column in table.dropna(axis=1, how="all").items()}
    texts = [name for name, kind in kinds.items() if kind == "text" and name not in as_they_are]
    orders = {name: date_orders(table[name]) for name in texts}
    examples = {name: find_short_date(table[name]) for name in texts}
    dayfirst = choose_order(orders, examples, given)
    for name in table:
        is_date = dayfirst in orders.get(name, ())
        kind = "date" if is_date else kinds.get(name, "number")
        table[name] = convert(table[name], kind, dayfirst)
    return dayfirst


def date_orders(column: pd.Series) -> set[bool]:
    """Return with which `dayfirst` all cells are dates: both where that is open, none elsewhere."""
    cells = column.dropna()
    if cells.empty or kind_of(cells) == "date":
        return {False, True}
    if kind_of(cells) != "text" or not cells.astype("str").str.strip().str.fullmatch(DATE).all():
        return set()
    return {order for order in (False, True) if convert(cells, "date", order).notna().all()}


def find_short_date(column: pd.Series) -> str | None:
    """Return a text of a column that begins with a day or a month."""
    texts = column.dropna().astype("str")
    short = texts[texts.str.match(r"\s*\d\d?[-/.]\d\d?[-/.]")]
    return None if short.empty else short.iloc[0]


def choose_order(
    orders: dict[str, set[bool]], examples: dict[str, str | None], given: bool | None
) -> bool:
    """Return whether dates have the day first, as is given or as some column shows."""
    dayfirst = {True} in orders.values() if given is None else given
    first, other, value = ("day", "month", "false") if dayfirst else ("month", "day", "true")
    for name, found in orders.items():
        short_year = re.fullmatch(r"\s*\d\d\D\d\d\D\d\d\b.*", examples[name] or "")
        if given is None and examples[name] and (len(found) == 2 or (found and short_year)):
            remedy = f"if the {other} is, set prepare.read.dayfirst to {value}"
            dates = f"column {name!r} has dates such as {examples[name]}, read with the {first}"
            tell(f"{dates} first: {remedy}; if it is no date, its prepare.read.dtype to str.")
    return dayfirst


def read_chunks(
    path: Path, options: dict[str, Any], classes: str | None = None, rows: int | None = None
) -> Iterator[pd.DataFrame]:
    """Yield a table, so many rows at a time or whole; DataError where it cannot be read."""
    is_parquet = path.suffix.lower() == ".parquet"
    start = 1 if is_parquet or "names" in options else 2
    if path.is_dir():
        raise DataError("it is a folder: move the files in it to where the folder is.")
    if not path.name.lower().endswith(FORMATS):
        raise DataError(f"only {', '.join(FORMATS)} can be read.")
    try:
        if is_parquet:
            chunks = read_parquet(path, options, rows)
        else:
            chunks = read_text(path, options, classes, rows)
        for chunk in chunks:
            chunk.index = pd.RangeIndex(start, start + len(chunk))
            start += len(chunk)
            if not is_parquet and not (swallowed := find_swallowed(chunk)).empty:
                where = f"{path.name}, {name_rows(swallowed.index)}"
                tell(f"{where}: a cell holds whole rows: is a quotation mark missing?")
            is_empty = chunk.isna().all(axis=1)
            if is_empty.any():
                tell(f"{path.name}: {name_rows(chunk.index[is_empty])} empty and left out.")
                chunk = chunk[~is_empty]
            yield chunk.drop(columns=find_unnamed(chunk))
    except DataError:
        raise
    except UnicodeDecodeError as error:
        encoding = "utf-16" if path.read_bytes()[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252"
        advice = f'in Excel, save it as "CSV UTF-8", or set prepare.read.encoding to {encoding}'
        raise DataError(f"its text is not UTF-8: {advice}.") from error
    except (IndexError, pd.errors.EmptyDataError) as error:
        title = "row 1 is empty or a title: set prepare.read.skiprows to read the names below"
        raise DataError(f"it is empty, or {title}.") from error
    except ImportError as error:
        raise DataError("to read Excel files, uv add openpyxl") from error
    except Exception as error:  # what the libraries raise of a broken file has no common class
        raise DataError(f"it is empty or cannot be read: {one_line(error)}") from error


def find_unnamed(table: pd.DataFrame) -> list[str]:
    """Return the columns without a name; DataError where one but the first has values."""
    unnamed = [name for name in table if not name.strip()]
    others = [name for name in unnamed if len(name) > 1]
    if full := [f"column {len(name)}" for name in others if table[name].notna().any()]:
        remedy = "set prepare.read.skiprows where there are other rows before the names"
        raise DataError(*(f"{column} has no name: name it, or {remedy}." for column in full))
    if others:
        tell("columns without a name and values are left out.")
    return unnamed


def read_parquet(path: Path, options: dict[str, Any], rows: int | None) -> Iterator[pd.DataFrame]:
    """Yield the rows of a Parquet file; the names in its index are columns as well."""
    file, names, columns = pyarrow.parquet.ParquetFile(path), None, None
    refused = []
    for field in file.schema_arrow:
        if pyarrow.types.is_nested(field.type) or "binary" in str(field.type):
            refused.append(field.name)
    if refused:
        tell(f"{path.name}: {', '.join(refused)} left out, since lists and bytes are no cells.")
        columns = [name for name in file.schema_arrow.names if name not in refused]
    batches = file.iter_batches(rows, columns=columns) if rows else [file.read(columns)]
    for batch in batches:
        chunk = batch.to_pandas()
        if None in chunk.index.names and not isinstance(chunk.index, pd.RangeIndex):
            tell(f"{path.name}: an index without a name is left out.")
        chunk = chunk.reset_index([name for name in chunk.index.names if name is not None])
        names = names or clean_names(list(chunk))
        chunk = chunk.set_axis(names, axis=1)
        for name in names if "na_values" in options else []:
            words = missing_words(options, name)
            numbers = pd.to_numeric(words, errors="coerce").dropna()
            chunk[name] = chunk[name].mask(chunk[name].isin([*words, *numbers]))
        yield chunk


def missing_words(options: dict[str, Any], name: str) -> pd.Series:
    """Return what prepare.read.na_values has for a column."""
    given = options.get("na_values", [])
    return pd.Series(given.get(name, []) if isinstance(given, dict) else given, dtype=object)


def read_text(
    path: Path, options: dict[str, Any], classes: str | None, rows: int | None
) -> Iterator[pd.DataFrame]:
    """Yield the rows of a CSV or Excel file."""
    if refused := sorted({"header", "index_col", "nrows", "usecols"} & set(options)):
        raise DataError(f"prepare.read cannot set {refused}: see prepare.drop and read.names.")
    read, other = pd.read_csv, pd.read_excel
    if path.suffix.lower() == ".xlsx":
        read, other = other, read
    # What only the other reader knows is for the files that it reads.
    unused = set(signature(other).parameters) - set(signature(read).parameters)
    unused |= {"names", "na_values", "dayfirst", *BY_COLUMN}
    own = {key: value for key, value in options.items() if key not in unused}
    if read is pd.read_csv:
        own = find_separator(path, own) | {"skip_blank_lines": False} | own
    elif "sheet_name" not in own and len(sheets := pd.ExcelFile(path).sheet_names) > 1:
        tell(f"{path.name}: sheet {sheets[0]!r} is read; prepare.read.sheet_name names another.")
    first = read(path, header=None, nrows=1, dtype=str, keep_default_na=False, **own).iloc[0]
    names = options.get("names")
    if names and len(names) > len(first):
        raise DataError(f"row 1 has {len(first)} values, prepare.read.names {len(names)} names.")
    own["header"] = None if names else 0
    names = clean_names(names or first.tolist())
    words = {}
    for name in names:
        usual = [""] if name == classes else MISSING
        words[name] = [*usual, *missing_words(options, name)]
    types = given_types(options)
    if read is pd.read_csv:
        tell_leading_zeros(path, own | {"names": names}, types)
        own |= {"index_col": False, "low_memory": False, "on_bad_lines": "warn", "chunksize": rows}
        own["dayfirst"] = bool(options.get("dayfirst"))
    own |= {key: options[key] for key in BY_COLUMN if key in options}
    if read is pd.read_excel and not isinstance(options.get("dtype"), str):
        own["dtype"] = dict.fromkeys(names, object) | types  # else TRUE beside a gap is 1.0
    own |= {"names": names, "na_values": words, "keep_default_na": False}
    with warnings.catch_warnings(record=True, action="always") as caught:
        found = read(path, **own)
        for chunk in [found] if isinstance(found, pd.DataFrame) else found:
            said = " ".join(str(warning.message) for warning in caught)
            long = re.findall(r"line (\d+): expected (\d+) fields, saw (\d+)", said)
            if long or "Length of header" in said:
                sentences = [f"row {n} has {saw} values, the header {due}." for n, due, saw in long]
                if len(names) == 1:
                    sentences = ["row 1 seems to be a title: set prepare.read.skiprows."]
                if names[0].startswith("#"):
                    sentences = ["row 1 is a comment: delete it, or set prepare.read.comment: '#'."]
                more = "its rows have more values than its header: name all columns in it."
                raise DataError(*sentences or [more])
            yield chunk if read is pd.read_csv else find_numbers(chunk, types)


def find_numbers(table: pd.DataFrame, types: dict[str, Any]) -> pd.DataFrame:
    """Return a sheet of Excel with the numbers that it has as text, as a CSV file would."""
    for name in table.columns.difference([*types]):
        numbers = pd.to_numeric(table[name], errors="coerce")
        if kind_of(table[name]) == "text" and numbers.notna().equals(table[name].notna()):
            table[name] = numbers
    return table


def find_swallowed(table: pd.DataFrame) -> pd.Series:
    """Return the cells that hold whole rows, as after a quotation mark that nothing closes."""
    if len(table.columns) < 3:  # a line of any text may have a comma
        return table.iloc[:0, 0]
    cell, mark = r"[^\n,;\t|]*", r"[,;\t|]"
    row = r"\n" + (cell + mark) * (len(table.columns) - 1) + cell + r"\n"
    found, texts = [], table.select_dtypes("str")
    for name in texts:
        column = texts[name]
        cells = column[column.str.contains("\n", na=False, regex=False)]
        found.append(cells[cells.str.contains(row)])
    return pd.concat(found) if found else table.iloc[:0, 0]


def tell_leading_zeros(path: Path, options: dict[str, Any], types: dict[str, Any]) -> None:
    """Tell which columns of numbers have some such as 007, in the first thousand rows."""
    more = {"nrows": 1000, "dtype": str, "index_col": False, "on_bad_lines": "skip"}
    with warnings.catch_warnings(action="ignore"):  # of rows that are too long; see read_text
        head = pd.read_csv(path, **options | more)
    for name in head.columns.difference([*types]):
        zeros = head[name][head[name].str.fullmatch(r"0\d+", na=False)]
        if len(zeros) and head[name].str.fullmatch(r"\d*", na=True).all():
            remedy = f"to keep it, set prepare.read.dtype to {name}: str"
            tell(f"column {name!r} has {zeros.iloc[0]!r}, read as a number: {remedy}.")


def find_separator(path: Path, options: dict[str, Any]) -> dict[str, str]:
    """Return how to read a CSV file, by its first lines and, where no comma is in it, by numbers."""
    whole_lines = {"sep": "\x1f", "header": None, "nrows": 20, "quoting": 3, "dtype": str}
    lines = pd.read_csv(path, **whole_lines | options)[0].dropna()
    # A quoted cell may hold any mark, and line breaks.
    outside_quotes = re.sub(r'(?<![^,;\t|\n])"[^"]*"', "", "\n".join(lines)).splitlines()
    separator = options.get("sep") or max(
        ",\t;|", key=lambda mark: rank_separator(mark, outside_quotes)
    )
    if separator == "," or "decimal" in options:
        return {"sep": separator}
    cells = pd.read_csv(path, nrows=1000, dtype=str, **{"sep": separator} | options).stack()
    commas, points = (cells.str.fullmatch(rf"\s*-?\d+{mark}\d+\s*").sum() for mark in (",", r"\."))
    decimal = "," if commas > points else "."
    tell(f"{path.name} is read with {separator!r} between columns and {decimal!r} in numbers.")
    return {"sep": separator, "decimal": decimal}


def rank_separator(mark: str, lines: list[str]) -> tuple[int, int]:
    """Return how often a mark is in each of these lines, and in the first one."""
    return min(line.count(mark) for line in lines), lines[0].count(mark)


def clean_names(columns: list[Any]) -> list[str]:
    """Return the names of the columns without spaces around; DataError where one is no name."""
    names = [str(name).strip() for name in columns]
    if names != [str(name) for name in columns]:
        tell("spaces around the names of columns are left out.")
    if names[0] == "":
        tell("column 1 has no name and is left out: it seems to count the rows.")
    problems = []
    # As many spaces as its place: no name has spaces around, so these are unlike all others.
    names = [name or " " * position for position, name in enumerate(names, start=1)]
    for position, name in enumerate(names, start=1):
        if (first := names.index(name) + 1) < position:
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
    if found.startswith("timedelta") or found in NUMBERS:
        return "number"
    if found in ("date", "datetime", "datetime64"):
        return "date"
    return "boolean" if found == "boolean" else "text"


def convert(column: pd.Series, kind: str, dayfirst: bool | None = None) -> pd.Series:
    """Return a column of one kind; a cell that is of another is missing.

    Numbers are of a NumPy type, durations seconds, dates have no time zone, text has no spaces
    around and 1.0 is 1.
    """
    if kind == "date":
        return read_dates(column, dayfirst)
    if column.dtype.kind in "mO" and pd.api.types.infer_dtype(column).startswith("timedelta"):
        column = pd.to_timedelta(column).dt.total_seconds()
    if kind == "number":
        if pd.api.types.infer_dtype(column, skipna=False) == "decimal" and (column % 1 == 0).all():
            column = column.map(int)
        numbers = pd.to_numeric(column, errors="coerce")
        if not numbers.hasnans:
            numbers = pd.Series(numbers.to_numpy(), numbers.index, name=numbers.name)
        is_plain = isinstance(numbers.dtype, np.dtype) and numbers.dtype.kind in "iuf"
        return numbers if is_plain and numbers.dtype != "float16" else numbers.astype("float64")
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    text = column.astype("str").str.strip()
    if kind == "boolean":
        return text.str.lower().map({"true": True, "false": False}).astype("boolean")
    return text.replace("", np.nan)


def read_dates(column: pd.Series, dayfirst: bool | None) -> pd.Series:
    """Return the dates of a column; what has no year, or day and month the other way, is none.

    With dayfirst None it is that order in which more cells are dates.
    """
    if kind_of(column) == "date":
        return parse_dates(column).dt.tz_localize(None)
    if dayfirst is None:
        return max(read_dates(column, False), read_dates(column, True), key=pd.Series.count)
    texts = column.astype("str").str.strip()
    is_other = texts.str.contains(MONTH_FIRST if dayfirst else DAY_FIRST)
    texts = texts.where(texts.str.contains(YEAR) & ~is_other)
    begins_with_year = texts.str.match(r"\d{4}")
    dates = parse_dates(texts.where(begins_with_year))  # dayfirst would turn these as well
    others = parse_dates(texts.mask(begins_with_year), dayfirst)
    return dates.fillna(others).dt.tz_localize(None)


def parse_dates(cells: pd.Series, dayfirst: bool = False) -> pd.Series:
    """Return dates in UTC: those written like the first one, which is fast, then all others."""
    parse = partial(pd.to_datetime, errors="coerce", utc=True, dayfirst=dayfirst)
    with warnings.catch_warnings(action="ignore"):  # of a first one that is no usual form
        dates = parse(cells)
        if (others := cells[dates.isna() & cells.notna()]).empty:
            return dates
        return dates.fillna(parse(others, format="mixed"))
