"""Which rows are for training, for the test and for each fold: told by the rows themselves.

Each row has a hash, and its place in the order of the hashes decides. So nearly all rows stay on
their side when others come or go, and identical rows are together, unless they are very many.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tabular.cells import convert, kind_of
from tabular.settings import Prepare, Train

ALIKE = 10  # rows with the same features that always stay together
MANY = 1000  # identical rows in a part of a table: nobody has copied one so often


def row_keys(table: pd.DataFrame) -> np.ndarray:
    """Return a hash (uint64) per row; the order of the columns does not matter, nor 1 or 1.0."""
    keys = np.zeros(len(table), np.uint64)
    for name in sorted(table.columns):
        keys = keys * np.uint64(1_000_003) + hash_cells(table[name])
    return keys


def hash_cells(column: pd.Series) -> np.ndarray:
    """Return a hash (uint64) per cell; all missing ones have the same, whatever the others are."""
    is_missing, nothing = column.isna().to_numpy(), np.array([""], dtype=object)
    if kind_of(column) == "date":
        cells = column.astype("datetime64[us]").astype("int64").to_numpy()
    elif kind_of(column) == "text" or exceeds_float(column):
        cells = convert(column, "text").to_numpy(dtype=object, na_value="")
    else:
        cells = column.to_numpy(dtype="float64", na_value=np.nan)
    return np.where(is_missing, pd.util.hash_array(nothing), pd.util.hash_array(cells))


def hash_names(column: pd.Series) -> np.ndarray:
    """Return a hash (uint64) per cell that names a row or a group; 12, 12.0 and "12" are the same.

    It depends on the cell alone, since with compute=dask the others are elsewhere.
    """
    if kind_of(column) == "date":
        return hash_cells(column)
    if pd.api.types.is_float_dtype(column):
        column = column.astype("str").str.removesuffix(".0")
    return hash_cells(convert(column, "text"))


def exceeds_float(column: pd.Series) -> bool:
    """Tell whether it holds whole numbers that float64, which models work with, mixes up."""
    return column.dtype.kind in "iu" and max(-int(column.min()), int(column.max())) > 2**53


def fingerprint(cells: pd.DataFrame | pd.Series) -> str:
    """Return what is the same for the same cells of the same rows (by their keys), in any order."""
    return f"{int(pd.util.hash_pandas_object(cells).sum()):016x}"


def keep_together(
    table: pd.DataFrame, params: Prepare, salt: int = 0, total: int | None = None
) -> np.ndarray:
    """Return a key (uint64) per row; rows with the same one stay on one side.

    It is that of the group, of the id (the table's index), or of the features: rows that differ in
    the target only are together, else one would give away the other. But features that many rows
    have, with different targets or as a tenth of the table, are no accident: beyond the first of
    them each row has a key of its own, from the salt and its number among the identical ones.
    Of a part of a table of so many rows in total, a tenth must be many rows as well.
    """
    if params.group:
        return hash_names(table[params.group])
    rows = table.index.to_numpy()
    if params.id:
        return rows
    keys = row_keys(table.drop(columns=params.target))
    _, place, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    is_alike = (sizes > ALIKE)[place]
    alike = pd.DataFrame({"row": rows, "place": place, "size": sizes[place]})[is_alike]
    number = alike.groupby("row").cumcount().to_numpy(dtype="uint64") + np.uint64(salt)
    alike["own"] = pd.util.hash_array(pd.util.hash_array(alike["row"].to_numpy()) + number)
    alike = alike.sort_values("own")
    same_features = alike.groupby("place")["row"]
    tenth = max(len(table) / 10, min((total or len(table)) / 10, MANY))
    is_frequent = (same_features.transform("nunique") > 1) | (alike["size"] > tenth)
    own = alike["own"][is_frequent & (same_features.cumcount() >= ALIKE)]
    keys[own.index] = own
    return keys


def orders(table: pd.DataFrame, params: Prepare, seed: int) -> Iterator[pd.Series]:
    """Yield, for the rows of each class, what they are sorted by: the time or a hash."""
    if params.time:
        yield table[params.time].reset_index(drop=True)
        return
    order = pd.Series(pd.util.hash_array(keep_together(table, params) + np.uint64(seed)))
{%- if cookiecutter.task == 'classification' %}
    classes = pd.Series(pd.factorize(table[params.target], sort=True)[0])
    if not params.group:
        yield from (rows for _, rows in order.groupby(classes.groupby(order).transform("min")))
        return
{%- endif %}
    yield order


def split(table: pd.DataFrame, params: Prepare) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows to train on and those to test with; in time the test is the latest part."""
    is_test = np.zeros(len(table), bool)
    for order in orders(table, params, params.seed):
        room = params.test_size * len(order)
        _, place, sizes = np.unique(order, return_inverse=True, return_counts=True)
        if params.time:
            taken = np.cumsum(sizes) - sizes / 2 > len(order) - room
        else:  # the first in the order, without identical ones that alone are too many
            taken = sizes <= room
            taken &= np.cumsum(sizes * taken) - sizes / 2 <= room
        if not taken.any():  # the places are in the order of the times
            taken[-1 if params.time else sizes.argmin()] = True
        if taken.all():
            taken[0] = False
        is_test[order.index] = taken[place]
    return table[~is_test].sort_index(kind="stable"), table[is_test].sort_index(kind="stable")


def folds(
    table: pd.DataFrame, params: Prepare, settings: Train
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return which rows to learn from and which to score; in time, the past and what followed.

    Folds with nothing to learn are left out; ValueError where that leaves fewer than two.
    """
    found = []
    part, first = np.zeros(len(table), int), 1 if params.time else 0
    for order in orders(table, params, settings.seed):
        place = (order.rank(method="average") - 0.5) / len(order)  # from 0 to 1
        part[order.index] = (place * (settings.folds + first)).astype(int)
    for number in range(first, settings.folds + first):
        fold = part == number
        rest = part < number if params.time else ~fold
        if fold.any() and table[params.target][rest].nunique() > 1:
            found.append((rest, fold))
    if len(found) < 2 or settings.folds > len(table) / 2:
        few = f"{len(table)} rows, or for the groups or classes in them"
        remedy = f"set train.folds to {max(2, min(settings.folds - 1, len(table) // 2))}, or add rows"
        raise ValueError(f"{settings.folds} folds are too many for {few}: {remedy}.")
    return found
