"""Better or worse? What a reviewer reads first."""

import math
from dataclasses import dataclass
from typing import Any

from mlci.history.comparison import Comparison
from mlci.history.rules import Rules, lookup, noise, primary, spread
from mlci.history.values import ABSENT, Value, is_better, is_nan, is_number
from mlci.markup import code, table
from mlci.writing.remarks import join, not_run
from mlci.writing.wording import Style, shown, signed


@dataclass(frozen=True)
class Verdict:
    """The first line of a report, and what the exit code of the run depends on."""

    headline: str  # Markdown
    details: str  # Markdown
    regressed: bool = False  # by more than `report.max_regression`


def causes(comparison: Comparison) -> list[str]:
    """Name in Markdown what was changed by hand: parameters, and the code and data stages read."""
    old, new = comparison.baseline, comparison.head
    if not old:
        return []
    params = [code(v.name) for v in comparison.params if not v.name.startswith("report.")]
    commands = differ(old.commands, new.commands)
    return params + commands + differ(old.inputs, new.inputs)


def differ(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Name in Markdown what is not the same on both sides."""
    return [code(name) for name in new | old if old.get(name) != new.get(name)]


def judge(comparison: Comparison, rules: Rules, style: Style) -> Verdict:
    """Compare the primary metric with the baseline's, where both are what they seem."""
    if not comparison.head.is_current and comparison.head.metrics:
        return Verdict(not_run(comparison.head.freshness), "")
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
    reason = join(causes(comparison))
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
    if not rules.direction:
        word = "🔵 Changed"
    else:
        word = "🟢 Better" if is_better(delta, rules.direction) else "🔴 Worse"
    return Verdict(f"{word}: {moved}{after}", details)


def missing(value: Value, metrics: dict[str, dict[str, Any]]) -> str:
    """Say why there is no number to judge by."""
    known = [name for values in metrics.values() for name in values if is_number(values[name])]
    if not value.name or not known:
        return "there is no metric yet"
    holders = [code(path) for path, values in metrics.items() if value.name in values]
    if len(holders) > 1:
        return f"which {code(value.name)} counts? It is in {join(holders)}"
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
    headers = [code(value.name), *([code(old.name)] if old else []), "now"]
    headers += ["Change"] if old else []
    body = table(headers, rows, tuple(range(1, len(headers))))
    measured = lookup(new.metrics, "cv.metric")
    if measured in (ABSENT, value.name):
        return body
    return (
        f"{body}\n\n_The noise is unknown: the folds measured {code(str(measured))}"
        " (`METRIC` in `train.py`)._"
    )


def validated(metrics: dict[str, dict[str, Any]], metric: str, style: Style) -> str:
    """Write the mean score over the folds with its standard deviation."""
    std = spread(metrics, metric)
    if std is None:
        return "–"
    mean = lookup(metrics, "cv.mean")
    return f"{shown(mean, style)}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{shown(std, style)}"
