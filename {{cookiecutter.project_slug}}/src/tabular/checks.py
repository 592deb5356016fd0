"""Why a table cannot be used, and what its owner should know before believing the results."""

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from tabular.cells import DATE, LARGEST, convert, kind_of
{% if cookiecutter.task == 'classification' %}from tabular.files import MISSING
{% endif %}from tabular.messages import {% if cookiecutter.task == 'classification' %}DataError, name_rows, tell{% else %}name_rows{% endif %}
from tabular.settings import Prepare, given_types

MOST = 8  # warnings that are told
SAMPLE = 10_000  # rows that are looked at where all would take too long
# Such as $1,234.50, 1’234.50 CHF, (12.50), 12.50- or 12 kg.
NUMBER = (
    r"[-+−(€$£¥₹\s]*([A-Z]{3}\s+)?\d(\s?[\d.,'’])*([eE][-+]?\d+)?"
    r"(\s*[-%€$£¥₹)]|\s+[^\W\d]{1,5})*\s*"
)
SIGNS = (
    r"[%€$£¥₹,'’−(]|\d-\s*$|\d\s\d{3}\b|\d\s+[^\W\d]|[A-Z]\s+\d"
    r"|^\s*[-+]?\d{1,3}(?:\.\d{3}){2}(?:,|\s*$)"  # 1.234.567
)
CENSORED = r"\s*[<>≤≥]\s*\d[\d.,]*\s*"  # a limit of detection
TIME = r"\s*\d\d?:\d\d(:\d\d(\.\d+)?)?\s*"
MONTH = r"(19|20)\d\d-(0[1-9]|1[0-2])"
ID_NAME = re.compile(r"(?i:(^|[\W_])(id|uuid|guid|nr|no)$)|[a-z](I[dD]|N[ro])$")


def find_problems(table: pd.DataFrame, params: Prepare) -> Iterator[str]:
    """Yield which columns are not there, and which cells cannot be used."""
    names = ", ".join(repr(name) for name in table.columns[:20])
    named = [params.target, params.group, params.time, params.id, *params.drop]
    for name in dict.fromkeys(name for name in named if name is not None):
        if name not in table:
            yield f"there is no column {name!r}, which params.yaml names; there are: {names}."
        elif named.count(name) > 1:
            yield f"column {name!r} may be only one of target, group, time, id and drop."
    if params.group and params.time:
        yield "prepare.group and prepare.time cannot both be set: the latest rows may be of any group."
    for option in ("dtype", "na_values", "parse_dates"):
        given = params.read.get(option)
        is_list = isinstance(given, list) and option == "parse_dates"
        for name in sorted(set(given if isinstance(given, dict) or is_list else []) - {*table}):
            yield f"there is no column {name!r}, which prepare.read.{option} names."
    if set(table.columns) - {*params.drop, params.id, params.group} <= {params.target}:
        yield f"there is no column but {params.target!r}: nothing to predict it from."
    if params.target in table and table[params.target].isna().all():
        yield f"column {params.target!r} is empty: there is nothing to learn."
    for name, column in table.drop(columns=params.drop, errors="ignore").items():
        bad = {}
        if name == params.time:
            yield from find_bad_times(column, params.read.get("dayfirst"))
        if name in (params.group, params.time, params.id):
            bad["empty"] = column.isna()
        if column.dtype.kind == "f":
            bad[f"beyond ±{LARGEST:.1e}, the most that models take,"] = column.abs() > LARGEST
        for words, where in bad.items():
            if where.any():
                rows = name_rows(table.index[where])
                yield f"column {name!r} is {words} in {rows}: correct or leave out these rows."


def find_bad_times(column: pd.Series, dayfirst: bool | None) -> Iterator[str]:
    """Yield which cells have no place in time."""
    if kind_of(column) == "text":
        no_dates = column[column.notna() & convert(column, "date", dayfirst).isna()]
        if len(no_dates):
            found = f"{name_rows(no_dates.index)}, such as {no_dates.iloc[0]!r}"
            remedy = "set parse_dates and date_format in prepare.read, or write them as 2024-03-31"
            yield f"column {column.name!r} is no date in {found}: {remedy}."
    elif form := guess_date(column):
        yield f"column {column.name!r} {describe_dates(column, form)}"


def guess_date(column: pd.Series) -> str | None:
    """Return the form of what was read as numbers but seems to be dates, which sort otherwise."""
    cells = column.dropna()
    if not len(cells) or cells.dtype.kind not in "iuf":
        return None
    cells = cells.astype("float64")  # a small type has no room for what follows
    is_month = (cells % 1 > 0).any()
    digits = (cells * 10_000 if is_month else cells).round()  # 7.2021 or 01072021
    months, years = digits // 10_000 % 100, digits % 10_000
    if not (months.between(1, 12) & years.between(1900, 2100)).all() or months.nunique() < 2:
        return None
    if is_month:  # 1.2 is no date, nor 1.19
        return "%m.%Y" if cells.max() < 13 and (years % 100 > 0).mean() > 0.5 else None
    return "%d%m%Y" if (digits // 1_000_000).between(1, 31).all() else None


def describe_dates(column: pd.Series, form: str) -> str:
    """Return what is to be said of a column of numbers that seem to be dates."""
    remedy = f"set parse_dates: [{column.name}] and date_format: '{form}' in prepare.read"
    return f"seems to have dates such as {column.dropna().iloc[0]}: {remedy}."

{% if cookiecutter.task == 'classification' %}
def find_bad_target(
    column: pd.Series, keys: np.ndarray, rows: int = 0, sizes: pd.Series | None = None
) -> Iterator[str]:
    """Yield why these classes cannot be learned; keys are equal where rows belong together.

    Where only some of so many rows are given, sizes says how many there are of each class.
    """
    name = f"column {column.name!r}"
    rows_of = pd.Series(keys, column.index).groupby(column)
    different, sizes = rows_of.nunique(), rows_of.size() if sizes is None else sizes
    if kind_of(column) == "number" and len(different) > max(20, max(rows, len(column)) / 10):
        other = "but the project predicts classes (make one with task=regression)"
        yield f"{name} has {len(different)} different numbers: this looks like regression, {other}."
    elif len(different) < 2:
        yield f"{name} must hold two classes or more, not {[*different.index]}."
    else:
        need = "two that differ are needed, one to learn and one to test"
        for rare in different.index[(different < 2) & (sizes <= max(rows, len(column)) / 10)]:
            found = f"class {str(rare)!r} has only {name_rows(column.index[column == rare])}"
            found += ", all alike" if sizes[rare] > 1 else ""
            yield f"{name}: {found}, where {need}: add some, or leave the class out."


def check_classes(learned: pd.Series, tested: pd.Series, params: Prepare) -> None:
    """Tell which classes the test lacks; DataError where it has one that cannot be learned."""
    train, test = set(learned.astype("str")), set(tested.astype("str"))
    if unknown := sorted(test - train):
        change = "group" if params.group else "time" if params.time else "seed or test_size"
        raise DataError(f"the classes {unknown} are in the test only: change prepare.{change}.")
    if untested := sorted(train - test):
        tell(f"no row of the classes {untested} is in the test: they are too rare.")

{% else %}
def find_bad_target(column: pd.Series, keys: np.ndarray, rows: int = 0) -> Iterator[str]:
    """Yield why these numbers cannot be predicted; keys are equal where rows belong together."""
    name = f"column {column.name!r}"
    numbers = column if kind_of(column) == "number" else convert(column.astype("str"), "number")
    text = column[numbers.isna()]
    if len(text):
        found = f"{name} is no number in {name_rows(text.index)}, such as {str(text.iloc[0])!r}"
        remedy = "if it holds numbers, leave out signs such as % and $, or set decimal, thousands or"
        remedy += " na_values in prepare.read"
        other = "but the project predicts numbers (make one with task=classification)"
        yield f"{found}: {remedy}; else this looks like classification, {other}."
    elif numbers.nunique() < 2:
        yield f"{name} is {numbers.iloc[0]} everywhere: there is nothing to predict."
    elif len(np.unique(keys)) < 10:
        count = max(rows, len(column))
        yield f"{count} rows are too few, or identical, for training and a test: add some."

{% endif %}
def find_warnings(table: pd.DataFrame, params: Prepare, whole: pd.DataFrame) -> Iterator[str]:
    """Yield what may make the results look better, or the model worse, than it is.

    Of the whole table some rows have no target.
    """
    target = table[params.target]
{%- if cookiecutter.task == 'classification' %}
    shares = target.value_counts(normalize=True)
    if shares.iloc[0] >= 0.9:
        found = f"{shares.iloc[0]:.1%} of the rows are of class {str(shares.index[0])!r}"
        yield f"{found}, so that accuracy misleads: look at balanced_accuracy."
    words = target[convert(target, "number").isna()] if kind_of(target) == "text" else target[:0]
    if not 0 < len(words) < len(target) / 2:
        words = target[target.isin(MISSING)]
    if len(words):
        found = f"the class {words.iloc[0]!r} in {name_rows(words.index)}"
        remedy = "if it means missing, list it in prepare.read.na_values"
        yield f"column {target.name!r} has {found}: {remedy}."
    if kind_of(target) == "text" and (spelling := describe_spelling(target)):
        yield f"column {target.name!r} {spelling}"
{%- else %}
    if target.nunique() == 2:
        other = "this looks like classification (make a project with task=classification)"
        yield f"column {target.name!r} has two different numbers: {other}."
{%- endif %}
    look = table.sample(min(SAMPLE, len(table)), random_state=0)
    different = len(look[look.columns.difference([target.name, params.id])].drop_duplicates())
    found = f"of {len(look)} rows {different} are different"
    if params.id and different < len(look) * 0.95:
        risk = "identical ones may be on both sides, so that the test looks easier than it is"
        remedy = "if so, set prepare.drop instead of prepare.id"
        yield f"{found} but for {params.id!r}; {risk}: {remedy}."
    elif different < len(look) / 5:
        yield f"{found}: those that are not stay on one side of the split, unless they are many."
    constant, others = [], []
    for name in table.columns.difference([target.name, params.id, params.group, params.time]):
        column, count = look[name].dropna(), look[name].nunique()
        is_text = kind_of(column) == "text"
        is_name = is_text or column.dtype.kind in "iu"
        words = ""
        is_whole = column.dtype.kind in "iuf" and (column % 1 == 0).all()
        if is_whole and column.abs().max() > 2**53:
            words = "has whole numbers beyond 2**53, of which models mix up some."
        elif count == 0 or (count == 1 and len(column) == len(look)):
            constant.append(name)
        elif form := guess_date(column):
            words = describe_dates(column, form)
        elif is_text and name not in given_types(params.read):
            words = describe_text(column, whole[name].dropna())
        if words or (is_text and column.str.len().mean() > 40):  # sentences
            pass
        elif is_name and 20 < count == len(look) and table[name].is_unique:
            words = "is different in each row: if it is an id, set prepare.id or prepare.drop."
        elif is_name and ID_NAME.search(name) and not table[name].is_unique and not params.group:
            words = "looks like an id of several rows: set prepare.group or prepare.drop."
        elif is_text and count > 100:
            groups = "prepare.group, if the rows of one belong together"
            words = f"has {count} categories: try train.text: target, or set {groups}."
        if count > 1 and gives_away(look[name], look[target.name]):
            yield f"column {name!r} tells {target.name!r} by itself: is it known beforehand?"
        if words:
            others.append(f"column {name!r} {words}")
    yield from others
    if constant:
        yield f"constant or empty columns: {', '.join(map(repr, constant))}."


def list_warnings(
    table: pd.DataFrame, params: Prepare, whole: pd.DataFrame | None = None
) -> list[str]:
    """Return the first of these warnings, and how many there are besides."""
    found = [*find_warnings(table, params, table if whole is None else whole)]
    more = [f"{len(found) - MOST} more such notes are left out."] if len(found) > MOST else []
    return found[:MOST] + more


def describe_text(column: pd.Series, whole: pd.Series) -> str:
    """Return what texts seem to be instead, such as numbers; whole has cells of further rows."""
    words = whole[convert(whole, "number").isna()]
    is_number, is_limit = convert(column, "number").notna(), column.str.fullmatch(CENSORED)
    # Of limits there are few, of ranges such as <50, 50-99 and >99 there is nothing else.
    has_limits = column[is_limit].nunique() < column[is_number].nunique()
    units = column.str.replace(r"[\W\d_]+", "", regex=True).replace("", np.nan)
    dates = column[column.str.fullmatch(DATE)]
    signed = column[column.str.contains(SIGNS)]
    points = column[column.str.contains(r"\.\d")]
    if len(dates) > len(column) / 2:
        cause = "some cells are none, or have day and month the other way"
        return f"is text, though it has dates such as {dates.iloc[0]}: {cause}."
    if column.str.fullmatch(TIME).all():
        return f"has times such as {column.iloc[0]} as text: write hours, or dates with the time."
    if column.str.fullmatch(MONTH).all() and not are_seasons(column):
        remedy = f"set prepare.read.parse_dates to [{column.name}]"
        return f"has months such as {column.iloc[0]} as text: {remedy}."
    if len(signed) and units.nunique() < 2 and column.str.fullmatch(NUMBER).all():
        remedy = "leave out signs and units such as %, $ and kg, or set thousands and decimal"
        return f"holds numbers such as {signed.iloc[0]!r} as text: {remedy} in prepare.read."
    if words.empty and points.str.fullmatch(r"[-+]?[1-9]\d{0,2}(\.\d{3})+").all() and len(points):
        remedy = "if it separates thousands, set prepare.read.thousands to '.'"
        return f"has a point in numbers such as {points.iloc[0]!r}, and so is text: {remedy}."
    if words.empty and len(points):
        cause = "other columns have another decimal mark, or its format has them so"
        return f"holds numbers such as {points.iloc[0]!r} as text: {cause}."
    if len(words) and (is_number | (is_limit & has_limits)).mean() > 0.5:
        cause = f"cells such as {words.iloc[0]!r} in {name_rows(words.index)}"
        remedy = "to make them missing, list them in prepare.read.na_values"
        if re.fullmatch(CENSORED, words.iloc[0]):
            remedy = "write a number for them, such as the limit"
        return f"is text because of {cause}: {remedy}."
    return describe_spelling(column)


def are_seasons(months: pd.Series) -> bool:
    """Tell whether all may be two years, such as 2009-10."""
    return bool(((months.str[2:4].astype(int) + 1) % 100 == months.str[5:7].astype(int)).all())


def describe_spelling(column: pd.Series) -> str:
    """Return which texts differ in capital letters only."""
    texts = column.drop_duplicates()
    lower = texts.str.lower()
    alike = texts[lower.duplicated(keep=False)]
    if alike.empty:
        return ""
    first, second, *_ = alike[lower[alike.index] == lower[alike.index[0]]]
    return f"has {first!r} and {second!r}: if they are the same, write them in one way."


def gives_away(feature: pd.Series, target: pd.Series) -> bool:
    """Tell whether a feature has the order of the numbers, or of the classes, to predict."""
{%- if cookiecutter.task == 'classification' %}
    if kind_of(feature) == "text":  # other words for the classes
        classes = target.groupby(feature).nunique()
        return bool(classes.max() == 1 and len(classes) <= 2 * target.nunique())
    ordered = target[feature.sort_values().index]
    return int((ordered != ordered.shift()).sum()) <= target.nunique()
{%- else %}
    is_text = kind_of(feature) == "text"
    return not is_text and bool(abs(feature.rank().corr(target.rank())) > 0.999)
{%- endif %}
