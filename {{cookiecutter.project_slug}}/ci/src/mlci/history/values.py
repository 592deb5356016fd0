"""Metrics and parameters as values: numbers or not, absent or there, the same or changed."""

import math
import re
import sys
from dataclasses import dataclass
from typing import Any

ABSENT = object()  # a value that one side does not have; None is a value (null)

TARGET = "prepare.target"  # in params.yaml: the column that is predicted

HIGHER_IS_BETTER = {"accuracy", "auc", "f1", "precision", "r2", "recall", "score"}

LOWER_IS_BETTER = {"error", "loss", "mae", "mape", "mse", "rmse"}


@dataclass(frozen=True)
class Value:
    """One metric or parameter on both sides; ABSENT on the side that does not have it."""

    path: str
    name: str
    old: Any
    new: Any

    @property
    def changed(self) -> bool:
        """Tell whether the two differ; 1 equals 1.0, NaN equals NaN, and True is not 1."""
        if is_number(self.old) and is_number(self.new) and self.old == self.new:
            return False
        return self.old is not self.new and repr(self.old) != repr(self.new)

    @property
    def delta(self) -> float | None:
        """Return new - old, or None where one is not a number."""
        if not (is_number(self.old) and is_number(self.new)):
            return None
        try:
            difference: float = self.new - self.old
        except OverflowError:  # an integer too large for a float
            return None
        return difference


def is_number(value: Any) -> bool:
    """Tell whether one can subtract it; True and False are answers, not numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def direction(name: str) -> int:
    """Return 1 where a higher value of this metric is better, -1 where a lower one is, else 0."""
    words = set(re.split(r"[^a-z0-9]+", name.rpartition(".")[2].lower()))
    is_higher_better = bool(words & HIGHER_IS_BETTER)
    is_lower_better = bool(words & LOWER_IS_BETTER)
    if is_higher_better == is_lower_better:
        return 0
    return 1 if is_higher_better else -1


def target(params: dict[str, dict[str, Any]]) -> Any:
    """Return the column that is predicted by these parameters, ABSENT where they name none."""
    return params.get("params.yaml", {}).get(TARGET, ABSENT)


def same_target(one: dict[str, dict[str, Any]], other: dict[str, dict[str, Any]]) -> bool:
    """Tell whether both predict the same column; scores on different ones do not compare."""
    targets = target(one), target(other)
    return ABSENT in targets or targets[0] == targets[1]


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Flatten nested mappings: {'cv': {'mean': 1}} becomes {'cv.mean': 1}."""
    if not isinstance(value, dict) or not value:
        return {name: value}
    flattened: dict[str, Any] = {}
    for key, inner in value.items():
        flattened |= flat(inner, f"{name}.{key}" if name else str(key))
    return flattened


def is_better(delta: float, direction: int) -> bool:
    """Tell whether a difference is an improvement; `direction` is 1 where more is better, else -1."""
    return delta > 0 if direction > 0 else delta < 0


def is_nan(value: object) -> bool:
    """Tell whether it is NaN; an integer, which may be too large for a float, never is."""
    return isinstance(value, float) and math.isnan(value)


def is_finite(value: Any) -> bool:
    """Tell whether it is a number that a float can hold and that one can draw."""
    return is_number(value) and abs(value) <= sys.float_info.max  # which NaN is not


Values = dict[str, dict[str, Any]]  # {file: {dotted name: value}}


def below(value: Any, keys: list[str]) -> Any:
    """Return what is under these keys, one below the other; None where there is nothing.

    A key may hold dots itself, and of a list it is a position.
    """
    for position, key in enumerate(keys):
        if isinstance(value, list):
            is_there = key.isdecimal() and int(key) < len(value)
            value = value[int(key)] if is_there else None
            continue
        if not isinstance(value, dict):
            return None
        whole = ".".join(keys[position:])
        if whole in value:
            return value[whole]
        value = value.get(key)
    return value
