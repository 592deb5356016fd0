"""The experiments in their order, the best first, and what each is compared by."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlci.history.baseline import find_baseline
from mlci.history.comparison import Comparison, compare_values
from mlci.history.evidence import Side, left_by, weigh
from mlci.history.experiments import Experiment, collect, fold
from mlci.history.judgement import interval_of
from mlci.history.revision import CHECKOUT, Reader
from mlci.history.rules import Rules, lookup, primary, read_rules
from mlci.history.values import ABSENT, Values, is_nan, is_number, same_target

CLOSEST = 20  # experiments behind the best that are compared with it row by row
HERE = "this run"  # the row of what is checked out, in a report
TEST_ROWS = "data.test_hash"  # the metric that is the same for the same test rows


@dataclass(frozen=True)
class Board:
    """The experiments, best first, and what they are compared by."""

    experiments: list[Experiment]
    rules: Rules
    baseline: str  # the name of the revision that changed parameters are shown against
    baseline_params: Values
    params: Values  # of the checkout
    pinned: tuple[str, ...] = ()  # names whose rows are always shown
    test_rows: Any = ABSENT  # of the checkout: what identifies them

    @cached_property
    def comparable(self) -> list[Experiment]:
        """The experiments that predict what the checkout predicts, of the same test rows."""
        return [one for one in self.experiments if competes(one, self.params, self.test_rows)]

    @cached_property
    def on_other_rows(self) -> list[Experiment]:
        """The experiments with a score on other test rows than the checkout's."""
        scored = [one for one in self.experiments if score(one, self.rules) is not None]
        return [one for one in scored if not same_rows(one, self.test_rows)]

    @cached_property
    def scored(self) -> list[Experiment]:
        """The comparable experiments that have a score."""
        return [one for one in self.comparable if score(one, self.rules) is not None]

    @cached_property
    def best(self) -> list[Experiment]:
        """The experiments with the best value of the primary metric; several where they tie."""
        known = self.scored if self.rules.direction else []
        return [one for one in known if score(one, self.rules) == score(known[0], self.rules)]

    @cached_property
    def close(self) -> list[Experiment]:
        """The experiments right behind the best; further ones are not compared with it."""
        return [one for one in self.scored if one not in self.best][:CLOSEST] if self.best else []

    @cached_property
    def near(self) -> list[Experiment]:
        """The close experiments that chance does not tell from the best, as in a report."""
        best = side(self.best[0], self.rules) if self.close else Side({})
        found = []
        for one in self.close:
            other = side(one, self.rules)
            interval, _ = interval_of(self.rules.metric, other.metrics, weigh(best, other))
            if interval and not interval.sign:
                found.append(one)
        return found

    def mark(self, one: Experiment) -> str:
        """Return ⭐ for the best, ≈ for what may be as good, ≠ for what does not compare."""
        if one in self.best:
            return "⭐"
        if one in self.on_other_rows:
            return "≠"
        return "≈" if one in self.near else ""

    def changed(self, one: Experiment) -> dict[str, Any]:
        """Return the parameters that differ from the baseline's, named as `dvc exp run -S` does."""
        values = compare_values(self.baseline_params, one.params)
        return {
            v.name if v.path == "params.yaml" else f"{v.path}:{v.name}": v.new
            for v in values
            if v.changed and not v.name.startswith("report.")
        }


def side(one: Experiment, rules: Rules) -> Side:
    """Return what it left to compare the primary metric by."""
    needed = {
        path: {
            name: value
            for name, value in values.items()
            if name == rules.metric or name.startswith(("cv.", "data."))
        }
        for path, values in one.metrics.items()
    }
    return left_by(one.revision.results or one.sha, needed)


def same_rows(one: Experiment, test_rows: Any) -> bool:
    """Tell whether it was tested on these rows, as far as both say on which."""
    own = lookup(one.metrics, TEST_ROWS)
    return ABSENT in (own, test_rows) or own == test_rows


def competes(one: Experiment, params: Values, test_rows: Any) -> bool:
    """Tell whether its score compares with that of a checkout with these parameters and rows."""
    return same_target(one.params, params) and same_rows(one, test_rows)


def score(one: Experiment, rules: Rules) -> float | None:
    """Return the value of the primary metric, None where it is no number."""
    value = lookup(one.metrics, rules.metric)
    return value if is_number(value) and not is_nan(value) else None


def rank(
    experiments: list[Experiment], rules: Rules, params: Values, test_rows: Any
) -> list[Experiment]:
    """Sort by the primary metric, the best first; the older first in a tie.

    What has no score comes last, and before it what predicts another column than these parameters
    or was tested on other rows.
    """

    def place(one: Experiment) -> tuple[bool, bool, float, float]:
        value = score(one, rules)
        other = not competes(one, params, test_rows)
        order = value or 0
        if rules.direction >= 0:  # the highest first
            order = -order
        return value is None, other, order, one.time

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
        checkout = reader.read(CHECKOUT, "")
        here, test_rows = checkout.params, lookup(checkout.metrics, TEST_ROWS)
        params = reader.read(against.name, against.sha).params if against.sha else here
    if not rules.metric:
        some = next((one.metrics for one in experiments if one.metrics), {})
        rules = primary(some, rules)
    name = against.name or CHECKOUT
    ranked = rank(experiments, rules, here, test_rows)
    return Board(ranked, rules, name, params, here, test_rows=test_rows)


def with_checkout(reader: Reader, comparison: Comparison, rules: Rules) -> Board:
    """Return the board of a report: this checkout, with results not committed yet, is on it."""
    head, baseline = comparison.head, comparison.baseline
    here = Experiment((HERE,), "checkout", "", "", "", "now", head)
    test_rows = lookup(head.metrics, TEST_ROWS)
    experiments = rank(fold([*collect(reader), here]), rules, head.params, test_rows)
    name, params = (baseline.name, baseline.params) if baseline else (CHECKOUT, head.params)
    pinned = (HERE, *comparison.tags)
    return Board(experiments, rules, name, params, head.params, pinned, test_rows)
