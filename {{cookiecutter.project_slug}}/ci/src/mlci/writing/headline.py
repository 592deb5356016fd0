"""Better or worse? What a reviewer reads first."""

import math
from dataclasses import dataclass
from typing import Any

from mlci.history.comparison import Comparison
from mlci.history.evidence import Evidence
from mlci.history.judgement import Finding, Kind, decide, worsened
from mlci.history.rules import Rules, lookup, primary
from mlci.history.values import ABSENT, Value, is_finite, is_number
from mlci.markup import code
from mlci.writing.remarks import join, not_run
from mlci.writing.wording import Style, bounds, shown, signed

WORDS = {
    Kind.BETTER: "🟢 Better: {moved}",
    Kind.WORSE: "🔴 Worse: {moved}",
    Kind.TOO_MUCH: "❌ Worse than allowed: {moved}; allowed is a loss of {limit}",
    Kind.PERHAPS: "⚠️ Perhaps worse than allowed: {moved}; too few rows to tell",
    Kind.EQUAL: "⚪ No difference to be seen: {moved}",
    Kind.UNCHANGED: "⚪ Unchanged: {name} {now}",
    Kind.UNKNOWN: "🔵 Changed: {moved}; the noise is unknown",
    Kind.OTHER_ROWS: "◻️ Not comparable: {name} {now}, on other test rows",
}


@dataclass(frozen=True)
class Verdict:
    """The first line of a report, why, and what the exit code of the run depends on."""

    headline: str  # Markdown
    details: str  # Markdown, a line or two; may be empty
    regressed: bool = False  # the run fails with code 6


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
    """Judge the primary metric against the baseline's.

    Where there is a limit, a number that is none fails: nothing is green that was not judged.
    """
    if not comparison.head.is_current and comparison.head.metrics:
        return Verdict(not_run(comparison.head.freshness), "")
    new = comparison.head.metrics
    old = comparison.baseline.metrics if comparison.baseline else {}
    rules = primary(new, rules)
    value = Value("", rules.metric, lookup(old, rules.metric), lookup(new, rules.metric))
    limited = rules.max_regression is not None
    if not is_finite(value.new):
        was_judged = limited and bool(old) and bool(new)
        return Verdict(f"❔ No verdict: {missing(value, new)}", "", regressed=was_judged)
    name, now = code(rules.metric), shown(value.new, style)
    if not is_finite(value.old):
        against = "first results" if value.old is ABSENT else "the baseline has no number"
        return Verdict(f"🆕 {name} {now} ({against})", "")
    found = decide(old, new, evidence, rules)
    numbers = signed(found.change, style)
    if evidence.other_rows:
        numbers += " over the folds, since the test rows are others"
    if found.interval:
        numbers += f", 95 % interval {bounds(found.interval, style)}"
    if found.kind is Kind.UNCHANGED and not any(one.changed for one in comparison.metrics):
        return Verdict(f"⚪ Nothing that is measured changed: {name} {now}", after(comparison))
    said = WORDS[found.kind].format(
        name=name,
        now=now,
        moved=f"{name} {shown(value.old, style)} → {now} ({numbers})",
        limit=shown(rules.max_regression, style),
    )
    for name, _ in list(worsened(new, evidence, rules))[:1]:
        said += f" · {code(name)} is worse 🔴"
    parts = [after(comparison), because(found, evidence, rules, style)]
    return Verdict(said, " ".join(filter(None, parts)), found.fails)


def after(comparison: Comparison) -> str:
    """Say what was changed by hand; empty where nothing was."""
    reason = join(causes(comparison))
    return f"After {reason} changed." if reason else ""


def because(found: Finding, evidence: Evidence, rules: Rules, style: Style) -> str:
    """Say what the verdict rests on: which rows or folds, and what these could have shown."""
    limit = f"allowed is a loss of {shown(rules.max_regression, style)}"
    if found.kind is Kind.OTHER_ROWS:
        return (
            f"Of {evidence.now:,} test rows {evidence.common:,} are among the {evidence.before:,}"
            " of the baseline: its score is of other rows."
        )
    if not found.interval:
        return "How much of it is chance is not known: there are no predictions row by row."
    tested = f"{evidence.common:,} test rows"
    if evidence.common < max(evidence.now, evidence.before):
        tested = (
            f"the {evidence.common:,} test rows that both have"
            f" (of {evidence.before:,} and {evidence.now:,})"
        )
    if found.by_folds:
        tested = "the folds of the cross-validation, which both share,"
    smallest = shown(found.interval.smallest, style)
    if found.kind is Kind.PERHAPS:
        return f"{limit.capitalize()}, but {tested} show only changes from {smallest} up."
    if found.kind in (Kind.EQUAL, Kind.UNCHANGED):
        return f"{tested[0].upper()}{tested[1:]} show changes from {smallest} up."
    return f"Judged on {tested.rstrip(',')}."


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
    number = value.new
    said = "NaN" if isinstance(number, float) and math.isnan(number) else str(number)
    return f"{code(value.name)} is no number: {code(said)}"
