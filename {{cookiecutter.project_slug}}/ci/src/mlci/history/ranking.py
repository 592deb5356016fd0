"""The experiments in their order, the best first, and what each is compared by."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlci.history.comparison import Comparison, compare_values
from mlci.history.experiments import Experiment, collect, fold
from mlci.history.repository import find_baseline
from mlci.history.revision import CHECKOUT, Reader
from mlci.history.rules import Rules, lookup, noise, primary, read_rules
from mlci.history.values import Values, is_nan, is_number, same_target

HERE = "this run"  # the row of what is checked out, in a report


@dataclass(frozen=True)
class Board:
    """The experiments, best first, and what they are compared by."""

    experiments: list[Experiment]
    rules: Rules
    baseline: str  # the name of the revision that changed parameters are shown against
    baseline_params: Values
    params: Values  # of the checkout
    pinned: tuple[str, ...] = ()  # names whose rows are always shown

    @cached_property
    def comparable(self) -> list[Experiment]:
        """The experiments that predict what the checkout predicts."""
        return [one for one in self.experiments if same_target(one.params, self.params)]

    @cached_property
    def best(self) -> list[Experiment]:
        """The experiments with the best value of the primary metric; several where they tie."""
        scored = [one for one in self.comparable if score(one, self.rules) is not None]
        known = scored if self.rules.direction else []
        return [one for one in known if score(one, self.rules) == score(known[0], self.rules)]

    def mark(self, one: Experiment) -> str:
        """Return ⭐ for the best and ≈ for what the noise does not tell from it."""
        best = self.best
        if one in best:
            return "⭐"
        if not same_target(one.params, self.params):
            return ""
        mine = score(one, self.rules)
        chance = noise(best[0].metrics, one.metrics, self.rules.metric) if best else None
        if chance is None or mine is None:
            return ""
        return "≈" if abs(mine - (score(best[0], self.rules) or 0)) <= chance else ""

    def changed(self, one: Experiment) -> dict[str, Any]:
        """Return the parameters that differ from the baseline's, named as `dvc exp run -S` does."""
        values = compare_values(self.baseline_params, one.params)
        return {
            v.name if v.path == "params.yaml" else f"{v.path}:{v.name}": v.new
            for v in values
            if v.changed and not v.name.startswith("report.")
        }


def score(one: Experiment, rules: Rules) -> float | None:
    """Return the value of the primary metric, None where it is no number."""
    value = lookup(one.metrics, rules.metric)
    return value if is_number(value) and not is_nan(value) else None


def rank(experiments: list[Experiment], rules: Rules, params: Values) -> list[Experiment]:
    """Sort by the primary metric, the best first; the older first in a tie.

    What has no score comes last, and before it what predicts another column than these parameters.
    """

    def place(one: Experiment) -> tuple[bool, bool, float, float]:
        value = score(one, rules)
        other = not same_target(one.params, params)
        return value is None, other, -(value or 0) * (rules.direction or 1), one.time

    return sorted(experiments, key=place)


def make(baseline: str) -> Board:
    """Read the whole repository.

    Raises:
        ValueError: an unknown baseline, malformed rules or no repository, in one sentence.
    """
    with Reader() as reader:
        against = find_baseline(baseline)
        rules = read_rules()
        experiments = fold(collect(reader))
        here = reader.read(CHECKOUT, "").params
        params = reader.read(against.name, against.sha).params if against.sha else here
    if not rules.metric:
        some = next((one.metrics for one in experiments if one.metrics), {})
        rules = primary(some, rules)
    name = against.name or CHECKOUT
    return Board(rank(experiments, rules, here), rules, name, params, here)


def with_checkout(reader: Reader, comparison: Comparison, rules: Rules) -> Board:
    """Return the board of a report: this checkout, with results not committed yet, is on it."""
    head, baseline = comparison.head, comparison.baseline
    here = Experiment((HERE,), "checkout", "", "", "", "now", head)
    experiments = rank(fold([*collect(reader), here]), rules, head.params)
    name, params = (baseline.name, baseline.params) if baseline else (CHECKOUT, head.params)
    pinned = (HERE, *comparison.tags)
    return Board(experiments, rules, name, params, head.params, pinned)
