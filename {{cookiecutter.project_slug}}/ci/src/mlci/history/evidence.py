"""What can be known of chance in the changes of metrics: from common rows, resamples, or folds.

`evaluate` leaves two tables beside the plots, both in Git, so that a report downloads nothing:

| file                  | what is in it                                                           |
|-----------------------|-------------------------------------------------------------------------|
| `plots/test_rows.csv` | row_key, actual, predicted; likelihood (the probability of the actual    |
|                       | class) and, of two classes, `score CLASS` (the higher, the likelier)     |
| `plots/resamples.csv` | a metric per column: its values on resamples whose weights the keys give |

A pipeline that writes neither is judged by the folds of its cross-validation, where metrics.json
has them (`cv.metric`, `cv.scores`), and else not by anything.
"""

import csv
import io
import math
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mlci.history import scores, statistics
from mlci.history.rules import lookup
from mlci.history.scores import Floats, Metric, Predictions
from mlci.history.statistics import Interval
from mlci.history.values import ABSENT, Values, is_finite

TEST_ROWS = "plots/test_rows.csv"
RESAMPLES = "plots/resamples.csv"
ENOUGH = 0.5  # of the smaller side's test rows; fewer in common are "other test rows"
LONGEST = 1_000_000  # characters of one cell


@dataclass(frozen=True)
class Side:
    """What one revision left to compare by."""

    metrics: Values
    test_rows: bytes = b""  # of the file; empty where there is none
    resamples: bytes = b""


@dataclass(frozen=True)
class Evidence:
    """The intervals that could be computed, and which rows they are about."""

    intervals: Mapping[str, Interval] = field(default_factory=dict)  # by the metric's name
    folds: Interval | None = None  # of the metric of the folds, over the same folds
    before: int = 0  # test rows on either side; 0 where they are not known
    now: int = 0
    common: int = 0
    problems: tuple[str, ...] = ()  # sentences

    @property
    def other_rows(self) -> bool:
        """Tell whether the two sides were tested on rows that are not the same."""
        smaller = min(self.before, self.now)
        return smaller > 0 and self.common < ENOUGH * smaller


def left_by(sha: str, metrics: Values) -> Side:
    """Read what a commit, or with an empty sha the checkout, has in Git to compare by."""
    return Side(metrics, read_file(sha, TEST_ROWS), read_file(sha, RESAMPLES))


def read_file(sha: str, path: str) -> bytes:
    """Return the content of a file, empty where there is none."""
    if not sha:
        return Path(path).read_bytes() if Path(path).is_file() else b""
    command = ["git", "cat-file", "blob", f"{sha}:./{path}"]
    done = subprocess.run(command, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else b""


def columns(content: bytes) -> dict[str, list[str]]:
    """Read a table of text by its header; cells that a row lacks are empty.

    Raises:
        ValueError: it is no CSV in UTF-8.
    """
    csv.field_size_limit(LONGEST)
    try:
        header, *rows = csv.reader(io.StringIO(content.decode()))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if any(len(row) != len(header) for row in rows):
        raise ValueError("its rows have more or fewer cells than its header")
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def read_predictions(content: bytes) -> Predictions:
    """Read `plots/test_rows.csv`; the second of two rows with one key counts as another row.

    Raises:
        ValueError: it is no such table, in one sentence.
    """
    table = columns(content)
    missing = {"row_key", "actual", "predicted"} - set(table)
    if missing or not table["row_key"]:
        raise ValueError(f"it has no {', '.join(sorted(missing)) or 'rows'}")
    keys = np.array([int(key) for key in table["row_key"]], dtype=np.uint64)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    _, first, copies = np.unique(keys, return_index=True, return_counts=True)
    keys = keys + (np.arange(len(keys)) - np.repeat(first, copies)).astype(np.uint64)
    likelihood = table.get("likelihood")
    scored = next((name for name in table if name.startswith("score ")), "")
    return Predictions(
        keys,
        np.array(table["actual"])[order],
        np.array(table["predicted"])[order],
        None if likelihood is None else np.array(likelihood, dtype=np.float64)[order],
        np.array(table[scored], dtype=np.float64)[order] if scored else None,
        scored.removeprefix("score "),
    )


def common_rows(before: Predictions, now: Predictions) -> tuple[Predictions, Predictions]:
    """Return both sides' predictions for the rows that both have, with the same actual value."""
    _, left, right = np.intersect1d(before.keys, now.keys, return_indices=True)
    same = before.actual[left] == now.actual[right]
    return before.at(left[same]), now.at(right[same])


def value(metric: Metric, one: Predictions) -> float:
    """Return a metric of all rows."""
    return float(metric(one, np.ones((1, len(one.keys))))[0])


def is_complete(one: Predictions, metrics: Values) -> bool:
    """Tell whether the file has every test row; of very many it has a sample."""
    return lookup(metrics, "data.test_rows") in (len(one.keys), ABSENT)


def recognise(
    name: str, before: Predictions, now: Predictions, old: Values, new: Values
) -> Metric | None:
    """Return the metric that gives on the rows of both sides what both metrics files say.

    A user's own metric may have a well-known name; then nothing is known of it. Of a sample of the
    rows only the name can be trusted.
    """
    sides = [(before, old), (now, new)]
    for metric in scores.candidates(name, now):
        try:
            computed = [value(metric, one) for one, _ in sides]
        except (ValueError, AssertionError):  # classes where numbers are needed, or no likelihood
            continue
        said = [lookup(metrics, name) for _, metrics in sides]
        if not all(map(is_finite, said)):
            return None
        if not all(is_complete(*side) for side in sides):
            return metric if name in scores.NAMED else None
        if all(agrees(*pair) for pair in zip(computed, said, strict=True)):
            return metric
    return None


def agrees(computed: float, said: float) -> bool:
    """Tell whether a value computed from the rows is the one in the metrics, but for rounding."""
    return math.isclose(computed, said, rel_tol=1e-3, abs_tol=1e-4)


def compare_rows(
    before: Predictions, now: Predictions, old: Values, new: Values
) -> dict[str, Interval]:
    """Return the interval of every metric that can be computed from the rows both sides have."""
    names = [name for values in new.values() for name in values]
    found = {name: recognise(name, before, now, old, new) for name in names}
    metrics = {name: metric for name, metric in found.items() if metric}
    left, right = common_rows(before, now)
    judged_by_test = metrics.pop("accuracy", None)
    intervals = bootstrap(left, right, metrics)
    if judged_by_test:
        was, is_right = left.actual == left.predicted, right.actual == right.predicted
        gained, lost = int((is_right & ~was).sum()), int((was & ~is_right).sum())
        intervals["accuracy"] = statistics.accuracy_change(gained, lost, len(was))
    whole = len(left.keys) == len(before.keys) == len(now.keys)
    if whole and all(is_complete(*side) for side in ((before, old), (now, new))):
        for name in intervals:  # the metrics files have the digits that the rows were cut to
            change = lookup(new, name) - lookup(old, name)
            intervals[name] = replace(intervals[name], change=change)
    return intervals


def bootstrap(
    before: Predictions, now: Predictions, metrics: dict[str, Metric]
) -> dict[str, Interval]:
    """Resample the rows, the same ones for both sides and all metrics."""
    rows = len(before.keys)
    drawn: dict[str, list[Floats]] = {name: [] for name in metrics}
    for weights in statistics.resamples(rows) if metrics else ():
        for name, metric in metrics.items():
            drawn[name].append(metric(now, weights) - metric(before, weights))
    return {
        name: statistics.percentile_change(
            value(metric, now) - value(metric, before), np.concatenate(drawn[name]), rows
        )
        for name, metric in metrics.items()
    }


def compare_resamples(old: Side, new: Side) -> dict[str, Interval]:
    """Return the intervals of the metrics that both sides left on the same resamples.

    Raises:
        ValueError: one of the tables cannot be read, in one sentence.
    """
    before, now = columns(old.resamples), columns(new.resamples)
    intervals = {}
    for name in now.keys() & before.keys():
        values = lookup(old.metrics, name), lookup(new.metrics, name)
        if not all(map(is_finite, values)) or len(before[name]) != len(now[name]):
            continue
        drawn = np.array([before[name], now[name]])
        # An empty cell is a resample on which the metric is not defined.
        numbers = np.where(drawn == "", "nan", drawn).astype(np.float64)
        numbers = numbers[:, np.isfinite(numbers).all(axis=0)]
        if numbers.shape[1] > max(1, ENOUGH * drawn.shape[1]):
            intervals[name] = statistics.resampled_change(values[1] - values[0], *numbers)
    return intervals


def compare_folds(old: Values, new: Values) -> Interval | None:
    """Return the change over the folds, None where they are not the same ones of one metric."""
    same = ("cv.metric", "cv.folds", "cv.rows")
    said = [[lookup(metrics, name) for name in same] for metrics in (old, new)]
    lists = [lookup(metrics, "cv.scores") for metrics in (old, new)]
    if ABSENT in said[0] or said[0] != said[1]:
        return None
    if not all(isinstance(each, list) and all(map(is_finite, each)) for each in lists):
        return None
    before, now = (np.array(each, dtype=np.float64) for each in lists)
    return statistics.folds_change(before, now) if len(before) == len(now) > 1 else None


def is_known(interval: Interval | None) -> bool:
    """Tell whether an interval has bounds; of values near 1e308 it has none."""
    return interval is not None and all(map(math.isfinite, (interval.low, interval.high)))


@np.errstate(over="ignore", invalid="ignore")
def weigh(old: Side, new: Side) -> Evidence:
    """Return what can be known of chance in the changes from one revision to the other."""
    folds, problems = compare_folds(old.metrics, new.metrics), []
    folds = folds if is_known(folds) else None
    read: list[Predictions] = []
    for side, name in (old, "the baseline"), (new, "now"):
        try:
            read += [read_predictions(side.test_rows)] if side.test_rows else []
        except (ValueError, OverflowError) as error:
            problems.append(f"{TEST_ROWS} of {name} cannot be read: {error}")
    if len(read) < 2:
        return Evidence(folds=folds, problems=tuple(problems))
    before, now = read
    common = len(common_rows(before, now)[0].keys)
    sizes = Evidence({}, folds, len(before.keys), len(now.keys), common, tuple(problems))
    if sizes.other_rows:
        return sizes
    intervals: dict[str, Interval] = {}
    if common == len(before.keys) == len(now.keys) and old.resamples and new.resamples:
        try:
            intervals |= compare_resamples(old, new)
        except (ValueError, OverflowError) as error:
            problems.append(f"{RESAMPLES} cannot be read: {error}")
    intervals |= compare_rows(before, now, old.metrics, new.metrics)
    intervals = {name: one for name, one in intervals.items() if is_known(one)}
    return replace(sizes, intervals=intervals, problems=tuple(problems))
