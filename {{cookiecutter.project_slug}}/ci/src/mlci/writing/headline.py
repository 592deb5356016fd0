"""Better or worse? What a reviewer reads first."""

import math
import os
from dataclasses import dataclass, replace
from typing import Any

from mlci.history.comparison import Comparison
from mlci.history.evidence import Evidence
from mlci.history.judgement import Finding, Kind, decide, worsened
from mlci.history.rules import Rules, lookup, noise, primary, rules_at, spread
from mlci.history.values import ABSENT, Value, is_better, is_finite, is_nan, is_number, same_target
from mlci.markup import code, shorten, table
from mlci.writing.remarks import join, link_to_run, not_run
from mlci.writing.wording import Style, write_difference, write_value

# What is said where the test rows were compared one by one.
WORDS = {
    Kind.BETTER: "🟢 Better: {moved}",
    Kind.WORSE: "🔴 Worse: {moved}",
    Kind.TOO_MUCH: "❌ Worse than allowed: {moved}; allowed is a loss of {limit}",
    Kind.PERHAPS: "⚠️ Perhaps worse than allowed: {moved}; too few rows to tell",
    Kind.EQUAL: "⚪ No difference to be seen: {moved}",
    Kind.UNCHANGED: "⚪ Unchanged: {moved}",
    Kind.UNKNOWN: "🔵 Changed: {moved}",
}


@dataclass(frozen=True)
class Verdict:
    """The first line of a report, and what the exit code of the run depends on."""

    headline: str  # Markdown
    details: str  # Markdown
    exit_code: int = 0  # 6: too large a loss or no number, 8: nothing to compare with yet


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


def judge(comparison: Comparison, evidence: Evidence, rules: Rules, style: Style) -> Verdict:
    """Judge by the rules of this checkout, and where the baseline had another metric by its too."""
    verdict = judge_by(comparison, evidence, primary(comparison.head.metrics, rules), style)
    old = comparison.baseline
    if not old or verdict.exit_code or not same_target(old.params, comparison.head.params):
        return verdict
    before = rules_at(old.params)
    if before.metric and before.metric != rules.metric:
        other = judge_by(comparison, evidence, before, style)
        if other.exit_code:
            by = f"by {code(before.metric)}, the `report.primary_metric` of {code(old.name)}"
            return replace(other, headline=f"{other.headline} ({by})")
    return verdict


def judge_by(comparison: Comparison, evidence: Evidence, rules: Rules, style: Style) -> Verdict:
    """Compare the primary metric with the baseline's; a limit that cannot be checked is red."""
    in_ci = bool(os.environ.get("CI"))
    has_limit = rules.max_regression is not None
    if comparison.baseline and comparison.awaits_results:
        name = code(comparison.baseline.name)
        headline = f"❔ No verdict: the results of {name} are not there yet"
        headline += link_to_run(comparison.baseline.sha)
        return Verdict(headline, "", 8 if has_limit and in_ci else 0)
    if not comparison.head.is_current and comparison.head.metrics:
        headline = not_run(comparison.head.freshness)
        return Verdict(headline, "", 6 if has_limit and in_ci else 0)
    new, old = comparison.head.metrics, comparison.baseline and comparison.baseline.metrics
    value = Value("", rules.metric, lookup(old or {}, rules.metric), lookup(new, rules.metric))
    if not is_finite(value.new):
        mark = "❌" if has_limit else "❔"
        headline = f"{mark} No verdict: {missing(value, new)}"
        return Verdict(headline, "", 6 if has_limit else 0)
    name, now = code(rules.metric), write_value(value.new, style)
    details = numbers(comparison, value, style)
    delta = value.delta
    if delta is None or not is_finite(value.old):
        against = "first results" if value.old is ABSENT else "the baseline has no number"
        return Verdict(f"🆕 {name} {now} ({against})", details)
    reason = join(causes(comparison))
    after = f", after {reason} changed" if reason else ""
    if rules.metric in evidence.intervals:
        return judge_rows(comparison, evidence, rules, value, style)
    moved = f"{name} {write_value(value.old, style)} → {now} ({write_difference(delta, style)})"
    chance = noise(old or {}, new, rules.metric)
    lost = -delta * rules.direction
    worst = rules.max_regression
    if worst is not None and lost > worst and not math.isclose(lost, worst, rel_tol=1e-9):
        limit = f"allowed is a loss of {write_value(worst, style)}"
        return Verdict(f"❌ Worse than allowed: {moved}{after}; {limit}", details, 6)
    if not delta:
        return Verdict(f"⚪ Unchanged: {name} {now}{after}", details)
    if chance is not None and abs(delta) <= chance:
        return Verdict(f"⚪ Within noise: {moved}{after}", details)
    if not rules.direction:
        word = "🔵 Changed"
    else:
        word = "🟢 Better" if is_better(delta, rules.direction) else "🔴 Worse"
    return Verdict(f"{word}: {moved}{after}", details)


def judge_rows(
    comparison: Comparison, evidence: Evidence, rules: Rules, value: Value, style: Style
) -> Verdict:
    """Compare the primary metric on the test rows that both sides have."""
    old, new = comparison.baseline, comparison.head
    found = decide(old.metrics if old else {}, new.metrics, evidence, rules)
    sides = f"{write_value(value.old, style)} → {write_value(value.new, style)}"
    difference = write_difference(found.change, style)
    if found.interval:
        low, high = found.interval.low, found.interval.high
        bounds = f"{write_difference(low, style)} … {write_difference(high, style)}"
        difference += f", 95 % interval {bounds}"
    reason = join(causes(comparison))
    after = f", after {reason} changed" if reason else ""
    said = WORDS[found.kind].format(
        moved=f"{code(rules.metric)} {sides} ({difference}){after}",
        limit=write_value(rules.max_regression, style),
    )
    for name, _ in list(worsened(new.metrics, evidence, rules))[:1]:
        said += f" · {code(name)} is worse 🔴"
    details = (
        f"{numbers(comparison, value, style, by_rows=True)}\n\n{explain(found, evidence, style)}"
    )
    return Verdict(said, details, 6 if found.fails else 0)


def explain(found: Finding, evidence: Evidence, style: Style) -> str:
    """Say which test rows the verdict rests on, and what these could have shown."""
    rows = f"{evidence.common:,} test rows"
    if evidence.common < max(evidence.now, evidence.before):
        rows = f"the {rows} that both have (of {evidence.before:,} and {evidence.now:,})"
    smallest = write_value(found.interval.smallest, style) if found.interval else "–"
    return f"_Judged row by row on {rows}, which show changes from {smallest} up._"


def missing(value: Value, metrics: dict[str, dict[str, Any]]) -> str:
    """Say why there is no number to judge by."""
    known = [name for values in metrics.values() for name in values if is_number(values[name])]
    if not value.name or (not known and value.new is ABSENT):
        return "there is no metric yet"
    holders = [code(path) for path, values in metrics.items() if value.name in values]
    if len(holders) > 1:
        return f"which {code(value.name)} counts? It is in {join(holders)}"
    if value.new is ABSENT:
        return f"no metrics file has {code(value.name)} (`report.primary_metric`)"
    is_infinite = is_number(value.new) and not is_nan(value.new)
    what = "not finite" if is_infinite else "no number"
    return f"{code(value.name)} is {what}: {code(shorten(str(value.new), 40))}"


def numbers(comparison: Comparison, value: Value, style: Style, *, by_rows: bool = False) -> str:
    """Put the test score and the cross-validated one, with its spread, side by side."""
    old, new = comparison.baseline, comparison.head
    sides = [old.metrics, new.metrics] if old else [new.metrics]
    rows = [["test data", *(write_value(lookup(side, value.name), style) for side in sides)]]
    if spread(new.metrics, value.name) is not None:
        folds = lookup(new.metrics, "cv.folds")
        means = [write_folds(side, value.name, style) for side in sides]
        rows.append([f"cross-validation, {folds} folds", *means])
    if old:
        rows[0].append(write_difference(value.delta, style) if value.delta is not None else "")
        means = [lookup(side, "cv.mean") for side in sides]
        cv = Value("", "cv.mean", *means).delta if len(rows) > 1 else None
        rows[1:] = [[*row, "" if cv is None else write_difference(cv, style)] for row in rows[1:]]
        chance = noise(old.metrics, new.metrics, value.name)
        if chance is not None and not by_rows:
            rows.append(["noise", "", "", f"± {write_value(chance, style)}"])
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


def write_folds(metrics: dict[str, dict[str, Any]], metric: str, style: Style) -> str:
    """Write the mean score over the folds with its standard deviation."""
    std = spread(metrics, metric)
    if std is None:
        return "–"
    mean = lookup(metrics, "cv.mean")
    return (
        f"{write_value(mean, style)}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{write_value(std, style)}"
    )
