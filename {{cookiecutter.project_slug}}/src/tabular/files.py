"""Read tables as people have them, by the names of their columns and the kinds of their cells.

Rows keep the numbers that their file shows: in a CSV or Excel file the header is row 1 and the data
begin with row 2 (a cell with line breaks is one row), in a Parquet file with row 1.
"""

import codecs
import gzip
import re
import warnings
import zipfile
from collections.abc import Iterator
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow.parquet

from tabular.cells import DATE, are_numbers, convert, kind_of, unify
from tabular.messages import DataError, name_rows, one_line, tell
from tabular.settings import TARGET, TEXTS, as_text, given_types

FORMATS = (".csv", ".tsv", ".csv.gz", ".csv.zip", ".parquet", ".xlsx")
LOOKED_AT = 100_000  # cells
SMALL = r"[-+]?\d{1,3}"  # a whole number below a thousand
SHIFTING = {"comment", "encoding", "skiprows"}  # options by which lines are no rows
CODE = r"0\d+|\d+[eE]\d+"  # such as 007 or 12E4
OURS = ("dayfirst", TARGET, TEXTS)  # options that a model has of its own
BY_COLUMN = ("dtype", "parse_dates", "date_format")  # options that name columns
# Cells that are missing; but in a column of classes these words are classes.
BLANKS = [" " * width for width in range(33)]
MISSING = ["#N/A", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "-nan"]


def read_tables(
    folder: Path, options: dict[str, Any], classes: str | None
) -> tuple[pd.DataFrame, bool | None]:
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
    """Return the files to read: none that is hidden, like _SUCCESS, or what Excel keeps open."""
    paths = [path for path in sorted(folder.glob("[!.]*")) if not path.name.startswith("~$")]
    return [p for p in paths if not p.name.startswith("_") or p.name.lower().endswith(FORMATS)]


def read_chunks(
    path: Path, options: dict[str, Any], classes: str | None = None, rows: int | None = None
) -> Iterator[pd.DataFrame]:
    """Yield a table, so many rows at a time or whole; DataError where it cannot be read."""
    is_parquet = path.suffix.lower() == ".parquet"
    start, skipped = (1 if is_parquet or "names" in options else 2), options.get("skiprows") or []
    if not path.exists():
        raise DataError("there is no such file.")
    if path.is_dir():
        raise DataError("it is a folder, no table: move its files up, or name one of them.")
    if not path.name.lower().endswith(FORMATS):
        raise DataError(f"only {', '.join(FORMATS)} can be read.")
    try:
        if is_parquet:
            chunks = read_parquet(path, options, rows)
        else:
            chunks = read_text(path, options, classes, rows)
            if isinstance(skipped, list) and skipped:
                where = name_rows(pd.Index(map(int, skipped)) + 1)
                tell(f"{path.name}: {where} left out, as prepare.read.skiprows has it.")
        for chunk in chunks:
            chunk.index = number_rows(start, len(chunk), [] if is_parquet else skipped)
            start += len(chunk)
            if not is_parquet and not (swallowed := find_swallowed(chunk)).empty:
                where = f"{path.name}, {name_rows(swallowed.index)}"
                tell(f"{where}: a cell holds whole rows: is a quotation mark missing?")
            if not is_parquet and len(headers := find_headers(chunk)):
                remedy = "leave out prepare.read.names" if "names" in options else "keep the first"
                raise DataError(f"the names of the columns are in {name_rows(headers)}: {remedy}.")
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
        if "skiprows" in options:
            title = f"shorter than prepare.read.skiprows ({options['skiprows']}) has it"
        raise DataError(f"it is empty, or {title}.") from error
    except ImportError as error:
        raise DataError("to read Excel files, uv add openpyxl") from error
    except Exception as error:  # what the libraries raise of a broken file has no common class
        given = [f"prepare.read.{key}" for key in options if key not in OURS]
        words = f" with {', '.join(given)}" if given else ""
        raise DataError(f"it is empty or cannot be read{words}: {one_line(error)}") from error


def number_rows(first: int, count: int, skipped: int | list[int]) -> pd.Index:
    """Return the numbers that rows have in their file, in which others are left out."""
    rows = pd.RangeIndex(first, first + count)
    if isinstance(skipped, int):
        return rows + skipped
    for place in sorted(skipped):
        rows = rows + (rows > place)
    return rows


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
    known = [*signature(pd.read_csv).parameters, *signature(pd.read_excel).parameters]
    if unknown := sorted({*options} - {*known, TARGET, TEXTS}):
        near = [f"did you mean {word!r}?" for word in get_close_matches(unknown[0], known, 1, 0.8)]
        raise DataError("; ".join([f"prepare.read has no option {unknown[0]!r}", *near]))
    read, other = pd.read_csv, pd.read_excel
    if path.suffix.lower() == ".xlsx":
        read, other = other, read
    # What only the other reader knows is for the files that it reads.
    unused = set(signature(other).parameters) - set(signature(read).parameters)
    unused |= {"names", "na_values", "dayfirst", TARGET, TEXTS, *BY_COLUMN}
    own = {key: value for key, value in options.items() if key not in unused and value is not None}
    dates = options.get("parse_dates") or []
    if not isinstance(dates, list) or not all(isinstance(name, str) for name in dates):
        raise DataError("prepare.read.parse_dates must be a list of names of columns.")
    head_only = {"header": None, "nrows": 1, "dtype": str, "keep_default_na": False}
    if read is pd.read_csv:
        if path.suffix.lower() == ".zip":
            own.pop("compression", None)
        if "encoding" in own:
            own["encoding"] = find_encoding(path, str(own["encoding"]))
        own = {"skip_blank_lines": False} | own | {"sep": find_separator(path, own)}
        head_only |= {"nrows": 1000, "index_col": False, "on_bad_lines": "skip"}
    elif "sheet_name" not in own and len(sheets := pd.ExcelFile(path).sheet_names) > 1:
        tell(f"{path.name}: sheet {sheets[0]!r} is read; prepare.read.sheet_name names another.")
    with warnings.catch_warnings(action="ignore"):  # of rows that are too long; see below
        head = read(source_of(path), **own | head_only)
    names, width = options.get("names"), len(head.columns)
    if names and len(names) == width + 1 and options.get(TARGET) in names:
        names = [name for name in names if name != options[TARGET]]
        tell(f"{path.name} has {width} columns: they are taken for {', '.join(names)}.")
    if names and len(names) > width:
        raise DataError(f"row 1 has {width} values, prepare.read.names {len(names)} names.")
    own["header"], first = (None, 0) if names else (0, 1)
    names = clean_names(names or head.iloc[0].tolist())
    cells = head.iloc[first:, : len(names)].set_axis(names, axis=1)
    words = {}
    for name in names:
        usual = [] if name == classes else MISSING
        words[name] = [*BLANKS, *usual, *missing_words(options, name)]
    types = dict.fromkeys(options.get(TEXTS, []), "str") | given_types(options)
    if read is pd.read_csv:
        numbers = cells.drop(columns=[*types, *dates], errors="ignore")
        if own.get("thousands") == ".":
            own.setdefault("decimal", ",")
        if own["sep"] != "," and "decimal" not in own:
            own["decimal"] = find_decimal(path.name, own["sep"], numbers)
        if not isinstance(options.get("dtype"), str) and TARGET not in options:
            tell_doubts(numbers.drop(columns=classes or [], errors="ignore"), own.get("decimal", "."))
        if "thousands" in own:  # else 01.02.24 and 90.5 would be numbers
            types |= dict.fromkeys(find_dates(numbers), "str")
            fractions = find_fractions(numbers.drop(columns=[*types], errors="ignore"), own["thousands"])
            if TARGET in options and fractions:
                raise DataError(*fractions.values())
            types |= dict.fromkeys(fractions, "str")
        own |= {"index_col": False, "low_memory": False, "on_bad_lines": "warn", "chunksize": rows}
        if not str(own.get("thousands", "")).isascii():  # which the fast reader does not know
            del own["low_memory"]
            own["engine"] = "python"
        own["dayfirst"] = bool(options.get("dayfirst"))
    own |= {key: options[key] for key in BY_COLUMN if key in options}
    if not isinstance(options.get("dtype"), str):
        usual = names if read is pd.read_excel else []  # else TRUE beside a gap is 1.0
        own["dtype"] = dict.fromkeys(usual, object) | types
    if dates:
        own["parse_dates"] = [name for name in dates if name in names]
    own |= {"names": names, "na_values": words, "keep_default_na": False}
    with warnings.catch_warnings(record=True, action="always") as caught:
        found = read(source_of(path), **own)
        last = max((place for place, name in enumerate(names) if name.strip()), default=0)
        may_be_short = read is pd.read_csv and not SHIFTING & {*own} and len(own["sep"]) == 1
        for chunk in [found] if isinstance(found, pd.DataFrame) else found:
            if problems := explain(" ".join(str(warning.message) for warning in caught), names):
                raise DataError(*problems)
            if may_be_short and chunk[names[last]].isna().any():
                tell_short_rows(path, own["sep"], last + 1)
                may_be_short = False  # once is enough
            yield chunk if read is pd.read_csv else find_numbers(chunk, types)


def explain(said: str, names: list[str]) -> list[str]:
    """Return sentences for what pandas said of rows with more values than there are names."""
    long = re.findall(r"line (\d+): expected (\d+) fields, saw (\d+)", said)
    # The slow reader's words.
    slow = re.findall(r"Expected (\d+) fields in line (\d+), saw (\d+)", said)
    long += [(row, due, saw) for due, row, saw in slow]
    if not long and "Length of header" not in said:
        return []
    if names[0].startswith("#"):
        return ["row 1 is a comment: delete it, or set prepare.read.comment: '#'."]
    if len(names) == 1:
        number = "1, or to the number of rows before the names"
        return [f"row 1 seems to be a title: set prepare.read.skiprows to {number}."]
    more = ["its rows have more values than its header: name all columns in it."]
    return [f"row {row} has {saw} values, the header {due}." for row, due, saw in long] or more


def tell_short_rows(path: Path, separator: str, width: int) -> None:
    """Tell which rows have fewer values than the header, where no quotation mark is in the way."""
    short = []
    with open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            if b'"' in line:
                return
            if line.strip() and line.count(separator.encode()) < width - 1:
                short.append(number)
    if short:
        where = name_rows(pd.Index(short))
        tell(f"{path.name}: fewer values than columns in {where}: the others count as missing.")


def find_numbers(table: pd.DataFrame, types: dict[str, Any]) -> pd.DataFrame:
    """Return a sheet of Excel with the numbers that it has as text, but for codes such as 007."""
    for name in table.columns.difference([*types]):
        column = table[name]
        numbers = pd.to_numeric(column, errors="coerce")
        is_number = kind_of(column) == "text" and numbers.notna().equals(column.notna())
        if is_number and not column.astype("str").str.fullmatch(CODE).any():
            table[name] = numbers
    return table


def find_headers(table: pd.DataFrame) -> pd.Index:
    """Return the rows that repeat the names of the columns, as in files put together."""
    named = [name for name in table if name.strip()]
    if len(named) < 2 or not all(kind_of(table[name]) == "text" for name in named):
        return table.index[:0]
    first = table[named[0]].astype("str").str.strip()
    again = table[named][first == named[0]].apply(lambda cells: cells.astype("str").str.strip())
    return again.index[(again == named).all(axis=1)]


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


def source_of(path: Path) -> Path | IO[bytes]:
    """Return what pandas shall read: of an archive its only file."""
    return open_bytes(path) if path.suffix.lower() == ".zip" else path


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file, or what is compressed in it."""
    if path.suffix.lower() == ".gz":
        return gzip.open(path)
    if path.suffix.lower() == ".zip":
        archive = zipfile.ZipFile(path)
        members = [name for name in archive.namelist() if not name.endswith("/")]
        names = [name for name in members if not name.startswith("__MACOSX/")]
        if len(names) != 1:
            raise DataError(f"its archive must have one file, not {names}.")
        return archive.open(names[0])
    return path.open("rb")


def find_encoding(path: Path, given: str) -> str:
    """Return UTF-8 for a file that is in it: the option is for those that are not."""
    if re.match(r"(?i)utf[-_]?8", given):
        return given
    decoder, text = codecs.getincrementaldecoder("utf-8")(), ""
    with open_bytes(path) as file:
        try:
            while text.isascii() and (block := file.read(1_000_000)):
                text = decoder.decode(block)
        except UnicodeDecodeError:
            return given
    if "\0" in text or (text.isascii() and "16" not in given):  # the same in most encodings
        return given
    tell(f"{path.name} is UTF-8, and read so, not as {given}.")
    return "utf-8-sig"


def find_separator(path: Path, options: dict[str, Any]) -> str:
    """Return what is between the cells of a CSV file, as its first twenty lines tell."""
    if options.get("sep"):
        return options["sep"]
    whole_lines = {"sep": "\x1f", "header": None, "nrows": 20, "quoting": 3, "dtype": str}
    lines = pd.read_csv(source_of(path), **whole_lines | options)[0].dropna()
    # A quoted cell may hold any mark, and line breaks.
    outside_quotes = re.sub(r'(?<![^,;\t|\n])"[^"]*"', "", "\n".join(lines)).splitlines()
    # Where two are as frequent, the comma is that of decimals.
    ranks = {mark: rank_separator(mark, outside_quotes) for mark in ",;\t|"}
    first, second, *_ = sorted(ranks, key=ranks.get, reverse=True)
    is_tie = first == "," and ranks[second] == ranks[","] > (0, 0)
    in_numbers = all(re.fullmatch(r"([^,]|(?<=\d),(?=\d))*", line) for line in outside_quotes[1:])
    return second if is_tie and in_numbers else first


def rank_separator(mark: str, lines: list[str]) -> tuple[int, int]:
    """Return how often a mark is in each of these lines, and in the first one."""
    return min(line.count(mark) for line in lines), lines[0].count(mark)


def find_decimal(file: str, separator: str, cells: pd.DataFrame) -> str:
    """Return the mark in numbers, where none is between cells, as most of the first ones show."""
    texts = cells.stack().astype("str")
    decimal = "," if count_decimals(texts, ",") > count_decimals(texts, ".") else "."
    tell(f"{file} is read with {separator!r} between columns and {decimal!r} in numbers.")
    return decimal


def count_decimals(texts: pd.Series, mark: str) -> tuple[int, int]:
    """Return how many are numbers with this mark that cannot be thousands, and how many at all."""
    numbers = texts[are_numbers(texts, mark)]
    return int((~numbers.str.contains(r"\D\d{3}\s*$")).sum()), len(numbers)


def find_dates(cells: pd.DataFrame) -> list[str]:
    """Return the columns of which all first cells are dates."""
    found = []
    for name, column in cells.items():
        texts = column[~column.isin([*BLANKS, *MISSING])].str.strip()
        if len(texts) and texts.str.fullmatch(DATE).all():
            found.append(name)
    return found


def find_fractions(cells: pd.DataFrame, thousands: str) -> dict[str, str]:
    """Return the columns that have numbers with this mark for something else, and a sentence."""
    form = r"\s*[-+]?[\d.,' ]*\d" + re.escape(thousands) + r"(\d\d?|\d{4,})\s*"
    found = {}
    for name, column in cells.items():
        others = column[column.str.fullmatch(form)]
        if len(others):
            words = f"column {name!r} has {others.iloc[0]}, where prepare.read.thousands is"
            found[name] = f"{words} {thousands!r}: write it without."
    return found


def tell_doubts(cells: pd.DataFrame, decimal: str) -> None:
    """Tell which columns may mean something else than is read.

    That is codes such as 007 or 12E4, thousands such as 1.234 beside 613, the category None.
    """
    texts = cells.head(LOOKED_AT // max(1, len(cells.columns)) + 10).stack().astype("str").str.strip()
    has_none = texts.index[texts == "None"].get_level_values(1).unique()
    texts = texts[~texts.isin([*BLANKS, *MISSING])]
    thousands = r"[-+]?[1-9]\d{0,2}" + re.escape(decimal) + r"\d{3}"
    forms = {"code": CODE, "digits": r"\d+([eE]\d+)?", "thousands": thousands, "small": SMALL}
    found = pd.DataFrame({name: texts.str.fullmatch(form) for name, form in forms.items()})
    found["word"] = ~texts.str.contains(r"\d")
    found["amount"] = found["thousands"] | found["small"]
    found["round"] = texts.str.endswith("0")
    columns = found.groupby(level=1, sort=False)
    some, every, counts = columns.any(), columns.all(), columns.sum()
    for name in every.index[some["code"] & every["digits"]]:
        example = texts[found["code"]].xs(name, level=1).iloc[0]
        remedy = f"to keep it, set prepare.read.dtype to {name}: str"
        tell(f"column {name!r} has {example!r}, read as a number: {remedy}.")
    # Of fractions one in ten ends with 0, of amounts most may.
    are_amounts = (counts["thousands"] > 4) & (counts["round"] > counts["thousands"] / 2)
    are_amounts = every["amount"] & some["thousands"] & (some["small"] | are_amounts)
    for name in every.index[are_amounts]:
        example = texts[found["thousands"]].xs(name, level=1).iloc[0]
        remedy = f"if {decimal!r} separates thousands, set prepare.read.thousands to it"
        tell(f"column {name!r} has {example}, read as a fraction: {remedy}.")
    for name in every.index[every["word"]].intersection(has_none):
        tell(f"column {name!r} has 'None', read as missing: if it is a category, rename it.")


def clean_names(columns: list[Any]) -> list[str]:
    """Return the names of the columns without spaces around; DataError where one is no name."""
    names = [str(name).strip() for name in columns]
    if names != [str(name) for name in columns]:
        tell("spaces around the names of columns are left out.")
    if names[0] == "":
        tell("column 1 has no name and is left out: it seems to count the rows.")
    problems = []
    if names[0].lower().startswith("sep="):
        problems.append("row 1 is for Excel only: delete it, or set prepare.read.skiprows to 1.")
    # As many spaces as its place: no name has spaces around, so these are unlike all others.
    names = [name or " " * position for position, name in enumerate(names, start=1)]
    for position, name in enumerate(names, start=1):
        if (first := names.index(name) + 1) < position:
            problems.append(f"columns {first} and {position} are both called {name!r}: rename one.")
    if problems:
        raise DataError(*problems)
    return names
