"""One rule for every dot and for the limit: what may be said of a change, given the evidence.

A change is good or bad only where its interval excludes 0. The limit `report.max_regression` fails
a run where the loss exceeds it *and* is no chance; where the data are too few to tell, that is said
and passes, unless `report.strict`. Where nothing is known of chance, the loss alone counts.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from mlci.history.evidence import Evidence
from mlci.history.rules import Rules, lookup
from mlci.history.statistics import Interval
from mlci.history.values import Values, direction, is_better, is_finite


class Kind(Enum):
    """What is said of the primary metric."""

    BETTER = "better"
    WORSE = "worse"
    TOO_MUCH = "worse than allowed"
    PERHAPS = "beyond the limit, but the data are too few to tell"
    EQUAL = "no difference to be seen"
    UNCHANGED = "the same"
    UNKNOWN = "changed, and nothing is known of chance"
    OTHER_ROWS = "not comparable: other test rows"


@dataclass(frozen=True)
class Finding:
    """What is said of one metric."""

    kind: Kind
    change: float  # in the metric's unit; of the rows or folds that both sides have
    interval: Interval | None = None
    by_folds: bool = False  # the interval is that of the folds, not of the test rows
    fails: bool = False  # the run ends with code 6


def interval_of(name: str, new: Values, evidence: Evidence) -> tuple[Interval | None, bool]:
    """Return the interval of a metric's change, and whether it is that of the folds."""
    if name in evidence.intervals:
        return evidence.intervals[name], False
    by_folds = lookup(new, "cv.metric") == name and evidence.folds is not None
    return (evidence.folds if by_folds else None), by_folds


def decide(old: Values, new: Values, evidence: Evidence, rules: Rules) -> Finding:
    """Judge the primary metric, which must be a finite number on both sides."""
    interval, by_folds = interval_of(rules.metric, new, evidence)
    change = float(lookup(new, rules.metric)) - float(lookup(old, rules.metric))
    if interval and (not by_folds or evidence.other_rows):
        change = interval.change
    if evidence.other_rows and not interval:
        return Finding(Kind.OTHER_ROWS, change, fails=rules.strict)
    kind = call(change, interval, rules)
    if kind is Kind.UNCHANGED and evidence.other_rows:
        kind = Kind.EQUAL
    fails = kind is Kind.TOO_MUCH or (kind is Kind.PERHAPS and rules.strict)
    return Finding(kind, change, interval, by_folds, fails)


def call(change: float, interval: Interval | None, rules: Rules) -> Kind:
    """Name what is to be said of a change."""
    worst, size = rules.max_regression, abs(change)
    beyond = worst is not None and size > worst and not math.isclose(size, worst, rel_tol=1e-9)
    if beyond and rules.direction and not is_better(change, rules.direction):
        is_sure = interval is None or is_loss(interval, rules.direction)
        return Kind.TOO_MUCH if is_sure else Kind.PERHAPS
    if interval and interval.sign and not rules.direction:
        return Kind.UNKNOWN  # nobody knows which way is better
    if interval and interval.sign:
        return Kind.WORSE if is_loss(interval, rules.direction) else Kind.BETTER
    if not change:
        return Kind.UNCHANGED
    return Kind.EQUAL if interval else Kind.UNKNOWN


def is_loss(interval: Interval, direction: int) -> bool:
    """Tell whether a metric is worse, and not by chance."""
    return bool(interval.sign and direction) and not is_better(interval.sign, direction)


def find_losses(new: Values, evidence: Evidence, rules: Rules) -> Iterator[tuple[str, Interval]]:
    """Return the other metrics that are worse, and not by chance, the clearest loss first."""
    found = [
        (name, interval)
        for name, interval in evidence.intervals.items()
        if name != rules.metric
        and is_loss(interval, direction(name))
        and is_finite(lookup(new, name))
    ]

    def clearness(named: tuple[str, Interval]) -> float:
        """Return how many times its own uncertainty the loss is."""
        return abs(named[1].change) / max(named[1].high - named[1].low, 1e-300)

    yield from sorted(found, key=clearness, reverse=True)
