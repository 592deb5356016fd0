"""Better or worse? What a reviewer reads first."""

import os
from dataclasses import dataclass, replace
from typing import Any

from mlci.history.comparison import Comparison
from mlci.history.evidence import Evidence
from mlci.history.judgement import Finding, Kind, decide, find_losses
from mlci.history.rules import Rules, lookup, primary, rules_at
from mlci.history.values import ABSENT, Value, is_finite, is_nan, is_number, same_target
from mlci.markup import code, shorten
from mlci.writing.remarks import join, link_to_run, not_run
from mlci.writing.wording import Style, bounds, write_difference, write_value

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
    exit_code: int = 0  # 6: too large a loss or no number, 8: nothing to compare with yet


def name_causes(comparison: Comparison) -> list[str]:
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
    """Judge the primary metric against the baseline's; a limit that cannot be checked is red."""
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
    new = comparison.head.metrics
    old = comparison.baseline.metrics if comparison.baseline else {}
    value = Value("", rules.metric, lookup(old, rules.metric), lookup(new, rules.metric))
    if not is_finite(value.new):
        mark = "❌" if has_limit else "❔"
        headline = f"{mark} No verdict: {missing(value, new)}"
        return Verdict(headline, "", 6 if has_limit else 0)
    name, now = code(rules.metric), write_value(value.new, style)
    if not is_finite(value.old):
        against = "first results" if value.old is ABSENT else "the baseline has no number"
        return Verdict(f"🆕 {name} {now} ({against})", "")
    found = decide(old, new, evidence, rules)
    numbers = write_difference(found.change, style)
    if evidence.other_rows:
        numbers += " over the folds, since the test rows are others"
    if found.interval:
        numbers += f", 95 % interval {bounds(found.interval, style)}"
    if found.kind is Kind.UNCHANGED and not any(one.changed for one in comparison.metrics):
        return Verdict(f"⚪ Nothing that is measured changed: {name} {now}", after(comparison))
    said = WORDS[found.kind].format(
        name=name,
        now=now,
        moved=f"{name} {write_value(value.old, style)} → {now} ({numbers})",
        limit=write_value(rules.max_regression, style),
    )
    for name, _ in list(find_losses(new, evidence, rules))[:1]:
        said += f" · {code(name)} is worse 🔴"
    parts = [after(comparison), because(found, evidence, rules, style)]
    return Verdict(said, " ".join(filter(None, parts)), 6 if found.fails else 0)


def after(comparison: Comparison) -> str:
    """Say what was changed by hand; empty where nothing was."""
    reason = join(name_causes(comparison))
    return f"After {reason} changed." if reason else ""


def because(found: Finding, evidence: Evidence, rules: Rules, style: Style) -> str:
    """Say what the verdict rests on: which rows or folds, and what these could have shown."""
    limit = f"allowed is a loss of {write_value(rules.max_regression, style)}"
    if found.kind is Kind.OTHER_ROWS:
        return (
            f"Of {evidence.now:,} test rows {evidence.common:,} are among the {evidence.before:,}"
            " of the baseline: its score is of other rows. Its code and parameters, run on these"
            " data, would give one to compare with."
        )
    if not found.interval:
        return "How much of it is chance is unknown: there are no predictions row by row."
    tested = f"{evidence.common:,} test rows"
    if evidence.common < max(evidence.now, evidence.before):
        tested = (
            f"the {evidence.common:,} test rows that both have"
            f" (of {evidence.before:,} and {evidence.now:,})"
        )
    if found.by_folds:
        tested = "the folds of the cross-validation, which both share,"
    smallest = write_value(found.interval.smallest, style)
    if found.kind is Kind.PERHAPS:
        return f"{limit.capitalize()}, but {tested} show only changes from {smallest} up."
    if found.kind in (Kind.EQUAL, Kind.UNCHANGED):
        chance = "Chance may have done it: " if found.kind is Kind.EQUAL else ""
        said = f"{chance}{tested} show changes from {smallest} up."
        return said[0].upper() + said[1:]
    if found.kind is Kind.WORSE and rules.max_regression is not None:
        return f"Judged on {tested.rstrip(',')}; {limit}."
    return f"Judged on {tested.rstrip(',')}."


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
