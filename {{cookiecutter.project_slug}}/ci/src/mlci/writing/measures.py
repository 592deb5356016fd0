"""The one table of a report's numbers: what each metric is, how it changed, and if by chance."""

from collections import Counter
from typing import Any

from mlci.history.comparison import Comparison
from mlci.history.evidence import Evidence
from mlci.history.judgement import interval_of
from mlci.history.rules import Rules, lookup, spread
from mlci.history.statistics import Interval
from mlci.history.values import ABSENT, Value, direction, is_better, is_nan, is_number
from mlci.markup import code, fold_away, table
from mlci.writing.folding import left_out, write_rows
from mlci.writing.wording import Style, bounds, write_difference, write_value

BETTER, EQUAL, WORSE = "🟢", "⚪", "🔴"
SPACE = "\N{NO-BREAK SPACE}"
# What a project of this template says elsewhere: as the column "cross-validation", and of its data.
ELSEWHERE = {"cv.": "cv.metric", "data.": "data.test_rows"}


def select_metrics(comparison: Comparison) -> list[Value]:
    """Return the metrics, without those that another part of the report tells."""
    known = {
        prefix
        for prefix, key in ELSEWHERE.items()
        if lookup(comparison.head.metrics, key) is not ABSENT
    }
    return [v for v in comparison.metrics if not any(v.name.startswith(prefix) for prefix in known)]


def table_of(
    comparison: Comparison, evidence: Evidence, rules: Rules, style: Style, most: int
) -> str:
    """Write the metrics, the primary one first, the unchanged ones folded."""
    values = select_metrics(comparison)
    if not values:
        return "There are no metrics: no stage of `dvc.yaml` has written `metrics:` yet."
    values.sort(key=lambda value: value.name != rules.metric)
    names = Counter(value.name for value in values)
    baseline = comparison.baseline
    first, rest = values, []
    if baseline:
        first = [v for v in values if v.changed or v.name == rules.metric]
        rest = [v for v in values if v not in first]
    rest = rest[: max(0, most - len(first))]
    first = first[:most]
    rows = []
    for value in first:
        label = value.name if names[value.name] == 1 else f"{value.path}: {value.name}"
        rows.append(row(label, value, comparison, evidence, rules, style))
    headers = ["metric", "", "now", "change (95 %)", code(baseline.name) if baseline else ""]
    headers, rows = drop_empty([*headers, "cross-validation"], rows)
    right = tuple(place for place, name in enumerate(headers) if place and name)
    parts = [write_rows(headers, rows, right, "metrics")]
    if rest:
        cells = [[code(v.name), write_value(v.new, style)] for v in rest]
        parts.append(
            fold_away(f"{len(rest):,} unchanged metrics", table(["metric", "now"], cells, (1,)))
        )
    left = len(values) - len(first) - len(rest)
    if left:
        command = "uv run dvc metrics show"
        if baseline:
            command = f"uv run dvc metrics diff --all {baseline.sha[:7]}"
        parts.append(left_out(left, "metrics", command))
    if any(cells[1] for cells in rows):
        parts.append(f"_{BETTER} better · {WORSE} worse · {EQUAL} chance may have done it_")
    return "\n\n".join(parts)


def row(
    label: str,
    value: Value,
    comparison: Comparison,
    evidence: Evidence,
    rules: Rules,
    style: Style,
) -> list[str]:
    """Write one metric: its name, the dot, now, the change with its interval, before, the folds."""
    is_primary = value.name == rules.metric
    better = rules.direction if is_primary else direction(value.name)
    interval, by_folds = interval_of(value.name, comparison.head.metrics, evidence)
    interval = None if by_folds else interval
    cells = [
        code(label),
        dot(interval, better),
        write_value(value.new, style),
        change(value, interval, evidence, style) if comparison.baseline else "",
        write_value(value.old, style) if comparison.baseline else "",
        write_folds(comparison.head.metrics, value.name, style),
    ]
    if is_primary:
        cells[0], cells[2] = f"**{cells[0]}**", f"**{cells[2]}**"
    return cells


def change(value: Value, interval: Interval | None, evidence: Evidence, style: Style) -> str:
    """Write by how much a metric changed, with its interval where that is known."""
    if value.old is ABSENT or value.new is ABSENT:
        return "new" if value.old is ABSENT else "removed"
    if interval:
        return f"{write_difference(interval.change, style)} ({bounds(interval, style)})"
    if not value.changed:
        return ""
    if evidence.other_rows:
        return "other rows"
    if not value.delta or is_nan(value.delta):
        return "changed"
    return write_difference(value.delta, style)


def dot(interval: Interval | None, better: int) -> str:
    """Return the dot: good or bad only where the interval excludes 0; none where nobody knows."""
    if not interval or not better:
        return ""
    if not interval.sign:
        return EQUAL
    return BETTER if is_better(interval.sign, better) else WORSE


def write_folds(metrics: dict[str, dict[str, Any]], metric: str, style: Style) -> str:
    """Write the mean score over the folds with its standard deviation; empty without folds."""
    std = spread(metrics, metric)
    if std is None:
        return ""
    mean = lookup(metrics, "cv.mean")
    return (
        f"{write_value(mean, style)}{SPACE}±{SPACE}{write_value(std, style)}"
        if is_number(mean)
        else ""
    )


def drop_empty(headers: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Return a table without its empty columns."""
    kept = [place for place in range(len(headers)) if any(cells[place] for cells in rows)]
    return [headers[place] for place in kept], [[cells[place] for place in kept] for cells in rows]
