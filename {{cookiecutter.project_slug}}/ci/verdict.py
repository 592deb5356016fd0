"""Better or worse? What a reviewer reads first, by the block `report` of params.yaml.

The noise of a difference. A test score is one draw: other test rows would have given another one.
By how much it varies, the cross-validation of `train` shows: it measured the score on k folds, each
about as large as the test data, and `cv.std` is the standard deviation of these k scores. Of the
difference of two independent scores the standard deviation is

    noise = √(std_baseline² + std_now²)

and a difference that is not larger is called "within noise". Both models are tested on the same
rows, so their scores rise and fall together and the true spread is smaller: the rule may call a
small real improvement noise, but seldom noise an improvement. See Nadeau and Bengio, Inference for
the Generalization Error, Machine Learning 52 (2003), https://doi.org/10.1023/A:1024068626366, on
why the standard error over folds (std / √k) would be far too small.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comparison import ABSENT, Comparison, Value, direction, is_number
from dvc.exceptions import DvcException
from dvc.utils.serialize import load_yaml
from markup import code, table
from values import Style, is_finite, is_nan, shown, signed

DIRECTIONS = {"maximize": 1, "minimize": -1}
KEYS = ["primary_metric", "direction", "max_regression"]
NAMED_CAUSES = 3


@dataclass(frozen=True)
class Rules:
    """What counts: the metric, whether more (1) or less (-1) of it is better, the worst loss."""

    metric: str = ""
    direction: int = 0
    max_regression: float | None = None  # in the metric's own unit


@dataclass(frozen=True)
class Verdict:
    """The first line of a report, and what the exit code of the run depends on."""

    headline: str  # Markdown
    details: str  # Markdown
    regressed: bool = False  # by more than `report.max_regression`


def read_rules(path: Path = Path("params.yaml")) -> Rules:
    """Read the block `report` of params.yaml; a project without one has rules that say nothing.

    Raises:
        ValueError: a value that cannot be, in one sentence.
    """
    try:
        params = load_yaml(path)
    except (OSError, ValueError, DvcException):
        return Rules()  # DVC says what is wrong with the file
    block = params.get("report") if isinstance(params, dict) else None
    if block is None:
        return Rules()
    if not isinstance(block, dict) or set(block) - set(KEYS) or not block.get("primary_metric"):
        raise ValueError(
            f"{path}: report takes the keys {', '.join(KEYS)}, the first one is required; for"
            " example `primary_metric: accuracy`"
        )
    metric, limit = str(block["primary_metric"]), block.get("max_regression")
    if block.get("direction", "maximize") not in DIRECTIONS:
        raise ValueError(f"{path}: report.direction must be 'maximize' or 'minimize'")
    if limit is not None and not (is_finite(limit) and limit >= 0):
        raise ValueError(
            f"{path}: report.max_regression must be a number from 0 up, in the unit of {metric!r},"
            " for example 0.02; or null, so that no loss fails the run"
        )
    better = DIRECTIONS[block["direction"]] if "direction" in block else direction(metric)
    return Rules(metric, better, limit)


def lookup(metrics: dict[str, dict[str, Any]], name: str) -> Any:
    """Return a metric, whichever file it is in; ABSENT where no file or more than one has it."""
    found = [values[name] for values in metrics.values() if name in values]
    return found[0] if len(found) == 1 else ABSENT


def primary(metrics: dict[str, dict[str, Any]], rules: Rules) -> Rules:
    """Return the rules; where none were set, for the first number among the metrics."""
    if rules.metric:
        return rules
    numbers = (name for values in metrics.values() for name in values if is_number(values[name]))
    metric = next(numbers, "")
    return Rules(metric, direction(metric), None)


def spread(metrics: dict[str, dict[str, Any]], metric: str) -> float | None:
    """Return the metric's standard deviation over the folds, None where it was not measured."""
    std = lookup(metrics, "cv.std")
    measured = lookup(metrics, "cv.metric") == metric and is_finite(std)
    return float(std) if measured else None


def noise(
    old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]], metric: str
) -> float | None:
    """Return the noise of the difference of a metric (see above), None where it is not known."""
    before, after = spread(old, metric), spread(new, metric)
    return None if before is None or after is None else math.hypot(before, after)


def causes(comparison: Comparison) -> list[str]:
    """Name in Markdown what was changed by hand: parameters, and the code and data stages read."""
    old, new = comparison.baseline, comparison.head
    if not old:
        return []
    params = [code(v.name) for v in comparison.params if not v.name.startswith("report.")]
    inputs = new.inputs | old.inputs
    changed = [code(name) for name in inputs if old.inputs.get(name) != new.inputs.get(name)]
    return params + changed


def together(names: list[str]) -> str:
    """Write a list in words: `a`, `b` and `c`; of a long one the first and how many follow."""
    if len(names) > NAMED_CAUSES:
        names = [*names[: NAMED_CAUSES - 1], f"{len(names) - NAMED_CAUSES + 1:,} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def judge(comparison: Comparison, rules: Rules, style: Style) -> Verdict:
    """Compare the primary metric with the baseline's."""
    new, old = comparison.head.metrics, comparison.baseline and comparison.baseline.metrics
    rules = primary(new, rules)
    value = Value("", rules.metric, lookup(old or {}, rules.metric), lookup(new, rules.metric))
    if not is_number(value.new) or is_nan(value.new):
        return Verdict(f"❔ No verdict: {missing(value, new)}", "")
    name, now = code(rules.metric), shown(value.new, style)
    details = numbers(comparison, value, style)
    delta = value.delta
    if delta is None or is_nan(delta):
        against = "first results" if value.old is ABSENT else "the baseline has no number"
        return Verdict(f"🆕 {name} {now} ({against})", details)
    reason = together(causes(comparison))
    after = f", after {reason} changed" if reason else ""
    moved = f"{name} {shown(value.old, style)} → {now} ({signed(delta, style)})"
    chance = noise(old or {}, new, rules.metric)
    lost = -delta * rules.direction
    worst = rules.max_regression
    if worst is not None and lost > worst and not math.isclose(lost, worst, rel_tol=1e-9):
        limit = f"allowed is a loss of {shown(worst, style)}"
        return Verdict(f"❌ Worse than allowed: {moved}{after}; {limit}", details, regressed=True)
    if not delta:
        return Verdict(f"⚪ Unchanged: {name} {now}{after}", details)
    if chance is not None and abs(delta) <= chance:
        return Verdict(f"⚪ Within noise: {moved}{after}", details)
    word = {1: "🟢 Better", -1: "🔴 Worse", 0: "🔵 Changed"}[
        rules.direction * (1 if delta > 0 else -1)
    ]
    return Verdict(f"{word}: {moved}{after}", details)


def not_run(comparison: Comparison) -> Verdict:
    """Give no verdict on a checkout whose code or parameters are newer than its metrics."""
    reason = together(causes(comparison))
    after = f" since {reason} changed" if reason else " since its code or parameters changed"
    return Verdict(f"❔ Not run{after}: the metrics are those of before", "")


def missing(value: Value, metrics: dict[str, dict[str, Any]]) -> str:
    """Say why there is no number to judge by."""
    known = [name for values in metrics.values() for name in values if is_number(values[name])]
    if not value.name or not known:
        return "there is no metric yet"
    holders = [code(path) for path, values in metrics.items() if value.name in values]
    if len(holders) > 1:
        return f"which {code(value.name)} counts? It is in {together(holders)}"
    if value.new is ABSENT:
        return f"no metrics file has {code(value.name)} (`report.primary_metric`)"
    return f"{code(value.name)} is no number: {code(str(value.new))}"


def numbers(comparison: Comparison, value: Value, style: Style) -> str:
    """Put the test score and the cross-validated one, with its spread, side by side."""
    old, new = comparison.baseline, comparison.head
    sides = [old.metrics, new.metrics] if old else [new.metrics]
    rows = [["test data", *(shown(lookup(side, value.name), style) for side in sides)]]
    if spread(new.metrics, value.name) is not None:
        folds = lookup(new.metrics, "cv.folds")
        means = [validated(side, value.name, style) for side in sides]
        rows.append([f"cross-validation, {folds} folds", *means])
    if old:
        rows[0].append(signed(value.delta, style) if value.delta is not None else "")
        means = [lookup(side, "cv.mean") for side in sides]
        cv = Value("", "cv.mean", *means).delta if len(rows) > 1 else None
        rows[1:] = [[*row, "" if cv is None else signed(cv, style)] for row in rows[1:]]
        chance = noise(old.metrics, new.metrics, value.name)
        if chance is not None:
            rows.append(["noise", "", "", f"± {shown(chance, style)}"])
    headers = [code(value.name), *([code(old.revision)] if old else []), "now"]
    headers += ["Change"] if old else []
    body = table(headers, rows, tuple(range(1, len(headers))))
    measured = lookup(new.metrics, "cv.metric")
    if measured in (ABSENT, value.name):
        return body
    return (
        f"{body}\n\n_How large noise is, is not known: the folds measured {code(str(measured))}"
        " (`METRIC` in `train.py`)._"
    )


def validated(metrics: dict[str, dict[str, Any]], metric: str, style: Style) -> str:
    """Write the mean score over the folds with its standard deviation."""
    std = spread(metrics, metric)
    if std is None:
        return "–"
    mean = lookup(metrics, "cv.mean")
    return f"{shown(mean, style)}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{shown(std, style)}"
