"""What the cells of a column are: numbers, booleans, dates or texts; and make them of one kind."""

import re
import warnings
from functools import partial

import numpy as np
import pandas as pd

from tabular.messages import tell

TRUTH = {"true": True, "false": False, "1": True, "0": False}
LARGEST = (2 - 2.0**-23) * 2.0**127  # the most that models take: that of float32
NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal", "empty")
# Such as 2024-01-31, 31.1.2024, 31-Jan-24 or Jan 31, 2024, maybe with a time.
DATE = (
    r"(\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.](\d{4}|\d\d)"
    r"|\d\d?[-/. ][A-Za-z]{3,9}[-/. ](\d{4}|\d\d)"
    r"|[A-Za-z]{3,9}\.? \d\d?,? \d{4})([ T]\d\d?:.*)?"
)
YEAR = r"\d{4}|\d\d?[-/.](?:\d\d?|[A-Za-z]{3,9})[-/.]\d\d"
DAY_FIRST = r"\b(?:1[3-9]|2\d|3[01])[-/.]\d\d?[-/.]\d"
POINTS = r"\s*\d\d?\.\d"
OFFSET = r"\s*(?:Z|[+-]\d\d(?::?\d\d)?)$"  # behind a time: its zone
HAS_OFFSET = r":\d[\d:.]*(?:\s*[AaPp][Mm])?" + OFFSET
MONTH_FIRST = r"\b\d\d?[-/.](?:1[3-9]|2\d|3[01])[-/.]\d"


def unify(table: pd.DataFrame, given: bool | None, as_they_are: list) -> bool | None:
    """Convert each column to one kind; return whether dates have the day first, None where none does.

    Texts that all are dates become dates, but for the columns that stay as they are.
    """
    kinds = {name: kind_of(column) for name, column in table.dropna(axis=1, how="all").items()}
    texts = [name for name, kind in kinds.items() if kind == "text" and name not in as_they_are]
    orders = {name: date_orders(table[name]) for name in texts}
    examples = {name: find_short_date(table[name]) for name in texts}
    dayfirst = choose_order(orders, examples, given)
    for name in table:
        is_date = bool(dayfirst) in orders.get(name, ())
        kind = "date" if is_date else kinds.get(name, "number")
        table[name] = convert(table[name], kind, bool(dayfirst))
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
) -> bool | None:
    """Return whether dates have the day first, as is given or as some column shows.

    Where both is possible they do if they have points. None where no date begins with either.
    """
    dates = [example or "" for name, example in examples.items() if orders.get(name)]
    if given is None and not any(dates):
        return None
    is_open = {True} not in orders.values() and {False} not in orders.values()
    shown = {True} in orders.values() or (is_open and any(re.match(POINTS, date) for date in dates))
    dayfirst = shown if given is None else given
    first, other, value = ("day", "month", "false") if dayfirst else ("month", "day", "true")
    for name, found in orders.items():
        short_year = re.fullmatch(r"\s*\d\d\D\d\d\D\d\d\b.*", examples[name] or "")
        if given is None and examples[name] and (len(found) == 2 or (found and short_year)):
            remedy = f"if the {other} is, set prepare.read.dayfirst to {value}"
            dates = f"column {name!r} has dates such as {examples[name]}, read with the {first}"
            tell(f"{dates} first: {remedy}; if it is no date, its prepare.read.dtype to str.")
    return dayfirst


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
        numbers = pd.to_numeric(use_points(column), errors="coerce")
        if not numbers.hasnans:
            numbers = pd.Series(numbers.to_numpy(), numbers.index, name=numbers.name)
        is_plain = isinstance(numbers.dtype, np.dtype) and numbers.dtype.kind in "iuf"
        return numbers if is_plain and numbers.dtype != "float16" else numbers.astype("float64")
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    text = column.astype("str").str.strip()
    if kind == "boolean":
        return text.str.lower().map(TRUTH).astype("boolean")
    return text.replace("", np.nan)


def use_points(column: pd.Series) -> pd.Series:
    """Return texts such as 63,70 as 63.70, where none of the column could mean thousands only."""
    if column.dtype != "str":
        return column
    with_comma = are_numbers(column, ",")
    are_thousands = column.str.contains(r",\d{3}\s*$", na=False)
    if not (with_comma & ~are_thousands).any() or are_numbers(column, ".").any():
        return column
    return column.mask(with_comma, column.str.replace(",", ".", regex=False))


def are_numbers(texts: pd.Series, mark: str) -> pd.Series:
    """Tell which texts are numbers with this decimal mark."""
    return texts.str.fullmatch(rf"\s*[-+]?\d+{re.escape(mark)}\d+([eE][-+]?\d+)?\s*", na=False)


def read_dates(column: pd.Series, dayfirst: bool | None) -> pd.Series:
    """Return the dates of a column; what has no year, or day and month the other way, is none.

    The time is that of the clock where they were written. With dayfirst None it is that order in
    which more cells are dates.
    """
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return column.dt.tz_localize(None)
    if kind_of(column) == "date":
        return parse_dates(column).dt.tz_localize(None)
    texts = column.astype("str").str.strip()
    has_offset = texts.str.contains(HAS_OFFSET, na=False)
    texts = texts.mask(has_offset, texts[has_offset].str.replace(OFFSET, "", regex=True))
    if dayfirst is None:
        usual = bool(texts.str.match(POINTS, na=False).any())
        found = [read_dates(texts, usual), read_dates(texts, not usual)]
        return max(found, key=pd.Series.count)
    begins_with_year = texts.str.match(r"\d{4}")
    is_other = texts.str.contains(MONTH_FIRST if dayfirst else DAY_FIRST) & ~begins_with_year
    texts = texts.where(texts.str.contains(YEAR) & ~is_other)
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
