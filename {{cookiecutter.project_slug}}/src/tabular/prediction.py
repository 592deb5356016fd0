"""What a trained model predicts for the rows of a table."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from tabular.cells import LARGEST, choose_order, convert, date_orders, find_short_date
from tabular.features import features
from tabular.files import read_chunks
from tabular.messages import DataError, name_rows, tell
from tabular.settings import TARGET, as_text, given_types

CHUNK = 50_000  # rows in memory at a time


def predict(model: Pipeline, table: pd.DataFrame, dayfirst: bool | None = None) -> pd.DataFrame:
    """Return a prediction per row; DataError where a column is missing or not of its kind.

    Whether dates have the day first counts where the model's own data did not tell.
    """
    kinds, X = model.info["columns"], pd.DataFrame(index=table.index)
    known = model.info["read"].get("dayfirst")
    dayfirst = dayfirst if known is None else known
    problems = [f"there is no column {name!r}." for name in kinds if name not in table]
    if table.empty:
        problems.append("it has no rows.")
    for name in table.columns.intersection([*kinds]):
        X[name] = convert(table[name], kinds[name], dayfirst)
        bad = X[name].isna() & table[name].notna()
        bad[bad] = table[name][bad].astype("str").str.strip() != ""
        if kinds[name] == "number":
            bad |= X[name].abs() > LARGEST
        if bad.any():
            rows = table.index[bad]
            example = f"{name_rows(rows)}, such as {str(table[name][rows[0]])!r}"
            kind = describe_kind(kinds[name], dayfirst)
            problems.append(f"column {name!r} is no {kind} in {example}.")
    if problems:
        raise DataError(*problems)
    numbers = model[:-1].transform(features(X, kinds))
    found = pd.DataFrame({"prediction": model[-1].predict(numbers)}, table.index)
    if hasattr(model, "predict_proba"):
        names = [f"probability_{name}" for name in model.classes_]
        found[names] = model[-1].predict_proba(numbers)
    if model.info["id"] in found:
        raise DataError(f"the id {model.info['id']!r} is called like a column of the predictions.")
    if model.info["id"] in table:
        found.insert(0, model.info["id"], table[model.info["id"]])
    return found


def describe_kind(kind: str, dayfirst: bool | None) -> str:
    """Return the name of a kind, and what its cells may be where that is not known by itself."""
    if kind == "boolean":
        return "boolean (true or false)"
    if kind == "date" and dayfirst is not None:
        return f"date ({'the day' if dayfirst else 'the month'} first)"
    return kind


def predict_file(model: Pipeline, source: Path) -> Iterator[pd.DataFrame]:
    """Yield the predictions for a file, by chunks, so that one of any length fits into memory.

    Raises DataError with all that is wrong with it.
    """
    try:
        yield from predict_chunks(model, source)
    except DataError as error:
        sentences = []
        for sentence in error.args:
            is_option = "set prepare.read" in sentence  # the model has them as they were
            again = f"{sentence.removesuffix('.')} and train again, or change this file."
            sentences.append(again if is_option else sentence)
        raise DataError(*sentences) from error


def predict_chunks(model: Pipeline, source: Path) -> Iterator[pd.DataFrame]:
    """Yield the predictions for a file, read as the model's own data were."""
    info = model.info
    texts = [name for name, kind in info["columns"].items() if kind == "text"]
    dates = [name for name, kind in info["columns"].items() if kind == "date"]
    read = info["read"] | {TARGET: info["target"]}
    if info["id"] and not isinstance(read.get("dtype"), str):
        read["dtype"] = {info["id"]: "str"} | given_types(read)  # as it is written
    options, dayfirst = as_text(read, texts), None
    for number, chunk in enumerate(read_chunks(source, options, rows=CHUNK)):
        ignored = [name for name in chunk if name not in [*info["columns"], info["id"]]]
        if ignored and number == 0:
            tell(f"the model takes no notice of {', '.join(ignored)}.")
        if number == 0 and info["read"].get("dayfirst") is None:
            there = chunk[chunk.columns.intersection(dates)]
            orders = {name: date_orders(there[name]) for name in there}
            examples = {name: find_short_date(there[name]) for name in there}
            dayfirst = choose_order(orders, examples, None)
        if chunk.empty and number > 0:
            continue  # the empty rows at the end of what a spreadsheet wrote
        with threadpool_limits(info["threads"]):
            yield predict(model, chunk, dayfirst)
