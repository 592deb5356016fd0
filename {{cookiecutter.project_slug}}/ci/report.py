"""Write `report.md`: the baseline against this checkout, from Git and DVC metadata alone.

    python ci/report.py --baseline HEAD~1

Each section is a function from a `Comparison` to Markdown. Exit codes: 0 written, 2 a malformed
flag or variable or an unknown baseline, 5 the report could not be written.
"""

import argparse
import json
import math
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numeral
import settings
from comparison import (
    ABSENT,
    Comparison,
    Output,
    Snapshot,
    Value,
    compare,
    direction,
    is_number,
)
from dvc.exceptions import DvcException
from markup import block, code, folded, table

T = TypeVar("T")
REPORT = Path("report.md")
LONGEST = 65_000  # characters; GitHub refuses a comment of more than 65,536
ROW_LIMITS = (
    400,
    200,
    100,
    50,
    20,
    5,
)  # tried in turn until the report is short enough
VISIBLE_ROWS = 25  # a longer table is folded
VARIABLES = [
    "baseline",
    "metrics_diff_targets",
    "tag_prefix",
    "metrics_format",
    "apply_command",
]


@dataclass
class Run:
    """What `ci/run.py` adds to the report: what went wrong on the way, and what was left out."""

    notes: list[str] = field(default_factory=list)  # Markdown sentences
    failed_stage: str = ""
    log: str = ""  # the end of the failed stage's output


@dataclass(frozen=True)
class Style:
    """How a report is written: the pattern of its numbers and how many rows a table may have."""

    metrics_format: str
    rows: int


def shown(value: Any, style: Style) -> str:
    """Write a value; a small number that the pattern would make zero keeps two digits."""
    if value is ABSENT:
        return "–"
    if not is_number(value):
        return code(value if isinstance(value, str) else json.dumps(value, default=str))
    written = numeral.text(value, style.metrics_format)
    vanished = value and math.isfinite(value) and not re.search("[1-9]", written)
    return f"{value:.2g}" if vanished else written


def change(value: Value, style: Style) -> str:
    """Write what happened to a metric: by how much, which way, and whether that is good."""
    if value.old is ABSENT or value.new is ABSENT:
        return "new" if value.old is ABSENT else "removed"
    if not value.changed:
        return ""
    delta = value.delta
    if not delta or math.isnan(delta):
        return "changed"
    verdict = {1: " 🟢", -1: " 🔴", 0: ""}[direction(value.name) * (1 if delta > 0 else -1)]
    sign, arrow = ("+", "▲") if delta > 0 else ("-", "▼")
    return f"{sign}{shown(abs(delta), style).removeprefix('+')} {arrow}{verdict}"


def size(count: int | None) -> str:
    """Write a number of bytes in units of 1000."""
    if count is None:
        return "–"
    number = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.1f} TB"


def listed(headers: list[str], rows: list[list[str]], right: tuple[int, ...], summary: str) -> str:
    """Write a table, the rows beyond the first ones folded under the summary."""
    if len(rows) <= VISIBLE_ROWS:
        return table(headers, rows, right)
    rest = table(headers, rows[VISIBLE_ROWS:], right)
    first = table(headers, rows[:VISIBLE_ROWS], right)
    return f"{first}\n\n{folded(f'{len(rows) - VISIBLE_ROWS:,} more {summary}', rest)}"


def cut(rows: list[T], limit: int, what: str, command: str) -> tuple[list[T], str]:
    """Return at most `limit` rows, and the sentence that says what was left out."""
    if len(rows) <= limit:
        return rows, ""
    left = len(rows) - limit
    return rows[:limit], f"\n\n_{left:,} more {what} are left out; `{command}` lists them all._"


def name_of(snapshot: Snapshot) -> str:
    """Write a revision as its short sha and its name."""
    sha = f"`{snapshot.sha[:7]}`" if snapshot.sha else "no commit yet"
    same = snapshot.sha.startswith(snapshot.revision)
    return sha if same else f"{sha} ({code(snapshot.revision)})"


def heading(comparison: Comparison, run: Run) -> str:
    """Say what is compared with what, and what the reader must know before the numbers."""
    head, baseline = name_of(comparison.head), comparison.baseline
    against = f"{head} compared with {name_of(baseline)}" if baseline else head
    produced = " and the results of this run, not committed yet" if comparison.results else ""
    lines = [f"## Run report\n\n{against}{produced}"]
    lines += [f"> ⚠️ {note}" for note in comparison.warnings + run.notes]
    return "\n\n".join(lines)


def failure(run: Run) -> str:
    """Name the stage that failed, with the end of its log."""
    if not run.failed_stage:
        return ""
    stage = f"### ❌ Stage {code(run.failed_stage)} failed\n\n"
    kept = "Values below that this stage leads to are from before this run."
    return f"{stage}{block(run.log)}\n\n{kept}" if run.log else f"{stage}{kept}"


def metrics(comparison: Comparison, style: Style) -> str:
    """Compare the metrics; where they are many, unchanged ones are left out first."""
    values = comparison.metrics
    if not values:
        return "### Metrics\n\nThere are none: no stage of `dvc.yaml` has written `metrics:` yet."
    baseline = comparison.baseline.sha[:7] if comparison.baseline else ""
    if len(values) > style.rows:
        values = sorted(values, key=lambda value: not value.changed)
    command = f"dvc metrics diff --all {baseline}" if baseline else "dvc metrics show"
    values, left_out = cut(values, style.rows, "metrics", command)
    if not baseline:
        rows = [[code(v.path), code(v.name), shown(v.new, style)] for v in values]
        return (
            "### Metrics\n\n"
            + listed(["Path", "Metric", "Value"], rows, (2,), "metrics")
            + left_out
        )
    rows = [
        [
            code(v.path),
            code(v.name),
            shown(v.old, style),
            shown(v.new, style),
            change(v, style),
        ]
        for v in values
    ]
    body = listed(["Path", "Metric", "Old", "New", "Change"], rows, (2, 3, 4), "metrics")
    legend = "\n\n🟢 better · 🔴 worse" if any("🟢" in r[4] or "🔴" in r[4] for r in rows) else ""
    return f"### Metrics\n\n{body}{legend}{left_out}"


def params(comparison: Comparison, style: Style) -> str:
    """List the parameters that changed."""
    if not comparison.baseline:
        return ""
    if not comparison.params:
        return "### Parameters\n\nNo parameter changed."
    command = f"dvc params diff {comparison.baseline.sha[:7]}"
    values, left_out = cut(comparison.params, style.rows, "parameters", command)
    exact = Style("0[.][000000000000000]", style.rows)  # a parameter is shown as it was set
    rows = [[code(v.path), code(v.name), shown(v.old, exact), shown(v.new, exact)] for v in values]
    body = listed(["Path", "Parameter", "Old", "New"], rows, (2, 3), "parameters")
    return f"### Parameters\n\n{body}{left_out}"


def output_row(old: Output | None, new: Output | None) -> list[str]:
    """Write one changed output: where, what happened, files and bytes before and after."""
    kind = "added" if old is None else "deleted" if new is None else "modified"
    sides = [side for side in (old, new) if side]
    if old and new and old.path != new.path:
        kind = "renamed"
    path = " → ".join(dict.fromkeys(code(side.path) for side in sides))
    files = [f"{side.files or 1:,}" for side in sides]
    sizes = [size(side.size) for side in sides]
    return [
        path,
        kind,
        *(" → ".join(dict.fromkeys(column)) for column in (files, sizes)),
    ]


def data(comparison: Comparison, style: Style) -> str:
    """List the data and models that changed, with the files in them where these are known."""
    if not comparison.baseline:
        return ""
    if not comparison.data:
        return "### Data and models\n\nNothing that DVC tracks changed."
    command = f"dvc diff {comparison.baseline.sha[:7]}"
    outputs, left_out = cut(comparison.data, style.rows, "outputs", command)
    rows = [output_row(*pair) for pair in outputs]
    parts = [listed(["Path", "Change", "Files", "Size"], rows, (2, 3), "outputs") + left_out]
    kinds = [change.kind for change in comparison.files]
    counts = {kind: kinds.count(kind) for kind in ("added", "modified", "deleted", "renamed")}
    total = " · ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    if len(kinds) > len(comparison.data):
        files, left_out = cut(comparison.files, style.rows, "files", command)
        lines = [
            f"- {file.kind}: {f'{code(file.old_path)} → ' if file.old_path else ''}{code(file.path)}"
            for file in files
        ]
        parts += [folded(f"Files: {total}", "\n".join(lines) + left_out)]
    else:
        parts += [f"In all: {total}."]
    if comparison.unlisted:
        folders = ", ".join(code(path) for path in comparison.unlisted[:10])
        parts.append(
            f"_Which files changed in {folders} is not known here, since the data was not"
            f" downloaded; `dvc diff {comparison.baseline.sha[:7]}` tells after `dvc fetch`._"
        )
    return "### Data and models\n\n" + "\n\n".join(parts)


def experiments(comparison: Comparison, style: Style, tag_prefix: str) -> str:
    """List the latest tagged experiments, the best value of each metric in bold."""
    title = "### Experiments\n\n"
    if not tag_prefix:
        return f"{title}_Set `tag_prefix` (for example `exp-`) to tag runs and compare them here._"
    if not comparison.experiments:
        return f"{title}No tag {code(tag_prefix + '<sha>')} leads to this commit yet."
    names: dict[tuple[str, str], None] = {}
    for snapshot in comparison.experiments:
        for path, values in snapshot.metrics.items():
            names |= {(path, name): None for name, value in values.items() if is_number(value)}
    columns = list(names)[:6]
    rows = []
    for snapshot in comparison.experiments:
        row_values = [snapshot.metrics.get(path, {}).get(name, ABSENT) for path, name in columns]
        rows.append([code(snapshot.revision), *(shown(value, style) for value in row_values)])
    for column, (path, name) in enumerate(columns, start=1):
        tried = [snapshot.metrics.get(path, {}).get(name) for snapshot in comparison.experiments]
        for row in best(tried, direction(name)):
            rows[row][column] = f"**{rows[row][column]}** ⭐"
    headers = ["Experiment", *(code(name) for _, name in columns)]
    body = table(headers, rows, tuple(range(1, len(headers))))
    return f"{title}{body}\n\nThe latest first; ⭐ marks the best."


def best(values: list[Any], better: int) -> list[int]:
    """Return the positions of the best value, where one knows which way is better."""
    numbers = [value for value in values if is_number(value) and not math.isnan(value)]
    if not better or not numbers:
        return []
    goal = max(numbers) if better > 0 else min(numbers)
    return [row for row, value in enumerate(values) if is_number(value) and value == goal]


def results(comparison: Comparison, chosen: argparse.Namespace) -> str:
    """Say how what the run produced gets into the branch."""
    if not comparison.results:
        return ""
    changed = ", ".join(code(path) for path in comparison.results[:10])
    more = len(comparison.results) - 10
    said = f"### Results\n\nThis run changed {changed}{f' and {more:,} more' if more > 0 else ''}."
    if chosen.apply_command and chosen.commit_results:
        return f"{said} CI commits them to this branch."
    if chosen.apply_command:
        return f"{said} This command applies them:\n\n{block(chosen.apply_command)}"
    add = f"git add {' '.join(map(quoted, comparison.results[:10]))}"
    return f"{said} Add them to the next commit:\n\n{block(add)}"


def quoted(path: str) -> str:
    """Quote a path so that both POSIX shells and Windows' take it as one word."""
    return f'"{path}"' if any(not (char.isalnum() or char in "./_-") for char in path) else path


def render(comparison: Comparison, chosen: argparse.Namespace, run: Run) -> str:
    """Write the whole report, its tables cut until it is short enough for a comment."""
    for rows in ROW_LIMITS:
        style = Style(chosen.metrics_format, rows)
        sections = [
            heading(comparison, run),
            failure(run),
            metrics(comparison, style),
            params(comparison, style),
            data(comparison, style),
            experiments(comparison, style, chosen.tag_prefix),
            results(comparison, chosen),
        ]
        report = "\n\n".join(section for section in sections if section) + "\n"
        if len(report) <= LONGEST:
            break
    return report


def write(chosen: argparse.Namespace, run: Run) -> None:
    """Write the report; a reader never sees half of it.

    Raises:
        ValueError: an unknown baseline or metrics file, in one sentence.
        DvcException, OSError: the metadata cannot be read or the report not written.
    """
    comparison = compare(chosen.baseline, chosen.metrics_diff_targets, chosen.tag_prefix)
    unfinished = REPORT.with_suffix(".md.tmp")
    unfinished.write_text(render(comparison, chosen, run), encoding="utf-8")
    unfinished.replace(REPORT)


def main(arguments: list[str] | None = None) -> int:
    """Write the report of this checkout and return the exit code."""
    os.chdir(Path(__file__).resolve().parent.parent)
    chosen = settings.read("Write report.md from Git and DVC metadata.", VARIABLES, arguments)
    try:
        write(chosen, Run())
    except ValueError as error:
        print(f"report.py: {error}", file=sys.stderr)
        return 2
    except (DvcException, OSError) as error:
        reason = " ".join(str(error).split())
        print(f"report.py: the report could not be written: {reason}", file=sys.stderr)
        return 5
    print(f"Wrote {REPORT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
