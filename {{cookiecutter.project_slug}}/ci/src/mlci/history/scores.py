"""The metrics of test rows, on all of them and on resamples of them.

A metric is a function of the predictions for n rows and of weights, float64, (resamples, n), that
say how often each row counts: it returns a value per resample, float64, (resamples,). The
definitions are scikit-learn's: https://scikit-learn.org/stable/modules/model_evaluation.html
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], list[str]]
AVERAGES = ("macro", "weighted", "binary")


@dataclass(frozen=True)
class Predictions:
    """What a model said about n test rows; every array has n entries, in the order of the keys."""

    keys: npt.NDArray[np.uint64]  # unique, ascending: the same row has the same key in each commit
    actual: npt.NDArray[np.str_]  # the class or the number, as it is written in the file
    predicted: npt.NDArray[np.str_]
    likelihood: Floats | None = None  # the probability that was given to the actual class
    score: Floats | None = None  # of two classes: the higher, the likelier is `positive`
    positive: str = ""

    def at(self, rows: npt.NDArray[Any]) -> "Predictions":
        """Return the predictions for some of the rows."""
        return Predictions(
            self.keys[rows],
            self.actual[rows],
            self.predicted[rows],
            None if self.likelihood is None else self.likelihood[rows],
            None if self.score is None else self.score[rows],
            self.positive,
        )

    @cached_property
    def classes(self) -> Codes:
        """The numbers of the actual classes, those of the predicted ones, the names."""
        both = np.concatenate([self.actual, self.predicted])
        names, codes = np.unique(both, return_inverse=True)
        rows = len(self.actual)
        return codes[:rows], codes[rows:], [str(name) for name in names]

    @cached_property
    def numbers(self) -> Floats:
        """The actual values.

        Raises:
            ValueError: they are no numbers.
        """
        return self.actual.astype(np.float64)

    @cached_property
    def errors(self) -> Floats:
        """Actual minus predicted, in the unit of the target.

        Raises:
            ValueError: they are no numbers.
        """
        return self.numbers - self.predicted.astype(np.float64)


Metric = Callable[[Predictions, Floats], Floats]


def accuracy(one: Predictions, weights: Floats) -> Floats:
    """Return the share of rows whose class was predicted."""
    actual, predicted, _ = one.classes
    right = (actual == predicted).astype(np.float64)
    return np.asarray(weights @ right / weights.sum(axis=1))


def totals(weights: Floats, codes: npt.NDArray[np.intp], classes: int) -> Floats:
    """Return the weight of the rows of each class, (resamples, classes)."""
    sums = np.zeros((len(weights), classes))
    order = np.argsort(codes, kind="stable")
    present, starts = np.unique(codes[order], return_index=True)
    if len(order):
        sums[:, present] = np.add.reduceat(weights[:, order], starts, axis=1)
    return sums


def confusion(one: Predictions, weights: Floats) -> tuple[Floats, Floats, Floats, list[str]]:
    """Return the weights of rows that are, are said to be, and rightly so, of each class."""
    actual, predicted, names = one.classes
    right = actual == predicted
    return (
        totals(weights, actual, len(names)),
        totals(weights, predicted, len(names)),
        totals(weights[:, right], actual[right], len(names)),
        names,
    )


def ratio(part: Floats, whole: Floats) -> Floats:
    """Divide; 0 where there is nothing to divide by."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def average_classes(kind: str, average: str) -> Metric:
    """Return f1, precision or recall: the mean of the classes, by rows, or of the positive one."""

    def metric(one: Predictions, weights: Floats) -> Floats:
        actual, predicted, right, names = confusion(one, weights)
        of = {"precision": predicted, "recall": actual, "f1": (actual + predicted) / 2}
        values = ratio(right, of[kind])
        if average == "binary":
            return values[:, names.index(one.positive)]
        # A class that no resampled row has or is said to have is not one of that resample.
        counts = actual if average == "weighted" else (actual + predicted > 0).astype(np.float64)
        return np.asarray((values * counts).sum(axis=1) / counts.sum(axis=1))

    return metric


def balanced_accuracy(one: Predictions, weights: Floats) -> Floats:
    """Return the mean of the classes' recalls."""
    actual, _, right, _ = confusion(one, weights)
    return np.asarray(ratio(right, actual).sum(axis=1) / (actual > 0).sum(axis=1))


def log_loss(one: Predictions, weights: Floats) -> Floats:
    """Return the mean of -ln of the probability that the actual class was given."""
    assert one.likelihood is not None
    smallest = np.finfo(np.float64).eps  # as scikit-learn does, so that no row is infinitely wrong
    surprise = -np.log(np.clip(one.likelihood, smallest, 1))
    return np.asarray(weights @ surprise / weights.sum(axis=1))


def roc_auc(one: Predictions, weights: Floats) -> Floats:
    """Return how often a positive row has a higher score than a negative one; a tie is half.

    0.5 for a resample without one of the two.
    """
    assert one.score is not None
    order = np.argsort(one.score, kind="stable")
    _, starts = np.unique(one.score[order], return_index=True)
    positive = (one.actual[order] == one.positive).astype(np.float64)
    ups = np.add.reduceat(weights[:, order] * positive, starts, axis=1)
    downs = np.add.reduceat(weights[:, order] * (1 - positive), starts, axis=1)
    below = np.cumsum(downs, axis=1) - downs / 2
    pairs = ups.sum(axis=1) * downs.sum(axis=1)
    won = (ups * below).sum(axis=1)
    return np.asarray(np.divide(won, pairs, out=np.full_like(won, 0.5), where=pairs > 0))


def mae(one: Predictions, weights: Floats) -> Floats:
    """Return the mean absolute error, in the unit of the target."""
    return np.asarray(weights @ np.abs(one.errors) / weights.sum(axis=1))


def mse(one: Predictions, weights: Floats) -> Floats:
    """Return the mean squared error, in the square of the target's unit."""
    return np.asarray(weights @ one.errors**2 / weights.sum(axis=1))


def rmse(one: Predictions, weights: Floats) -> Floats:
    """Return the root of the mean squared error, in the unit of the target."""
    return np.sqrt(mse(one, weights))


def r2(one: Predictions, weights: Floats) -> Floats:
    """Return the share of the target's variance that is explained; 0 where there is no variance."""
    actual = one.numbers - one.numbers.mean()  # so that few digits are lost below
    total = weights.sum(axis=1)
    variance = weights @ actual**2 / total - (weights @ actual / total) ** 2
    return np.asarray(np.where(variance > 0, 1 - ratio(mse(one, weights), variance), 0.0))


NAMED: dict[str, Metric] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "log_loss": log_loss,
    "mae": mae,
    "mse": mse,
    "r2": r2,
    "rmse": rmse,
    "roc_auc": roc_auc,
}


def candidates(name: str, one: Predictions) -> list[Metric]:
    """Return what a metric of this name may be, as far as the predictions can tell it.

    Several where the name leaves open how the classes are averaged; none where it is not known.
    """
    lacking = {"log_loss": one.likelihood is None, "roc_auc": one.score is None}
    if name in NAMED:
        return [] if lacking.get(name) else [NAMED[name]]
    kind, _, average = name.partition("_")
    if kind not in ("f1", "precision", "recall") or average not in ("", *AVERAGES):
        return []
    averages = [average] if average else [*AVERAGES]
    binary = one.positive in one.classes[2]
    return [average_classes(kind, which) for which in averages if which != "binary" or binary]
