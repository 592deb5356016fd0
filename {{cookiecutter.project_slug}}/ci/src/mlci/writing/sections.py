"""The report, section by section: the baseline against this checkout.

`report.md` is for comments, `report.html` the same with DVC's plots as one page to open offline,
and `report-pictures/` has each plot as PNG. Each section is a function to Markdown. Exit codes:
0 written, 2 a malformed flag, variable or `report` block in params.yaml or an unknown baseline,
5 the report could not be written, 6 written, but a metric fell by more than
`report.max_regression`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mlci.history.comparison import Comparison, compare
from mlci.history.evidence import Evidence, left_by, weigh
from mlci.history.metadata import Output
from mlci.history.outcome import Outcome
from mlci.history.ranking import Board, with_checkout
from mlci.history.revision import Reader, Revision
from mlci.history.rules import Rules, lookup, primary
from mlci.history.terms import Terms
from mlci.history.values import is_number
from mlci.markup import block, code, fold_away, table, text
from mlci.settings import VARIABLES, Settings
from mlci.writing import board, headline, measures, page, plots
from mlci.writing.fences import fenced
from mlci.writing.headline import Verdict
from mlci.writing.plots import Picture
from mlci.writing.remarks import link_to_this_run, remark
from mlci.writing.wording import BRIEF, EXACT, Style, size, write_value

T = TypeVar("T")
REPORT = Path("report.md")
PAGE = Path("report.html")
PICTURES = Path("report-pictures")
LONGEST = 65_000  # characters; GitHub refuses a comment of more than 65,536
ROW_LIMITS = (400, 200, 100, 50, 20, 5)  # tried in turn until the report is short enough
BOARD_ROWS = 10  # of the leaderboard
MOST_PLOTS = 6  # in the comment; the page has all
COUNTS = {
    "train_rows": "Rows to train on",
    "test_rows": "Rows to test with",
    "features": "Columns",
    "missing_cells": "Missing values",
}
VISIBLE_ROWS = 25  # the rest of a longer table is folded


@dataclass(frozen=True)
class Report:
    """All that a report says."""

    comparison: Comparison
    rules: Rules
    verdict: Verdict
    evidence: Evidence
    board: Board | None  # None where it cannot be made
    pictures: list[Picture]
    problems: list[str]  # a sentence for each part that is missing


def listed(headers: list[str], rows: list[list[str]], right: tuple[int, ...], summary: str) -> str:
    """Write a table, the rows beyond the first ones folded under the summary."""
    if len(rows) <= VISIBLE_ROWS:
        return table(headers, rows, right)
    rest = table(headers, rows[VISIBLE_ROWS:], right)
    first = table(headers, rows[:VISIBLE_ROWS], right)
    return f"{first}\n\n{fold_away(f'{len(rows) - VISIBLE_ROWS:,} more {summary}', rest)}"


def cut(rows: list[T], limit: int, what: str, command: str) -> tuple[list[T], str]:
    """Return at most `limit` rows, and the sentence that says what was left out."""
    if len(rows) <= limit:
        return rows, ""
    left = len(rows) - limit
    return rows[:limit], f"\n\n_{left:,} more {what} are left out; `{command}` lists them all._"


def name_of(revision: Revision) -> str:
    """Write a revision as its short sha and its name."""
    sha = f"`{revision.sha[:7]}`" if revision.sha else "no commit yet"
    same = revision.sha.startswith(revision.name)
    return sha if same else f"{sha} ({code(revision.name)})"


def heading(
    comparison: Comparison, judged: Verdict, evidence: Evidence, run: Outcome, problems: list[str]
) -> str:
    """Say the verdict, what is compared with what, and what to know before the numbers."""
    said = name_of(comparison.head)
    if comparison.results:
        said += ", with the results of this run,"
    if comparison.baseline:
        said += f" compared with {name_of(comparison.baseline)}"
    headline = judged.headline
    if run.failed_stage:
        headline = f"❌ Stage {code(run.failed_stage)} failed"
    lines = [f"## {headline}", judged.details, said.removesuffix(","), link_to_this_run()]
    notes = [remark(notice) for notice in comparison.notices] + run.notes
    notes += [text(problem) for problem in dict.fromkeys([*evidence.problems, *problems])]
    lines += [f"> ⚠️ {note}" for note in notes]
    return "\n\n".join(filter(None, lines))


def failure(run: Outcome) -> str:
    """Name the stage that failed, with the end of its log."""
    if not run.failed_stage:
        return ""
    kept = "Values below that this stage leads to are from before this run."
    return f"{block(run.log)}\n\n{kept}" if run.log else kept


def params(comparison: Comparison, style: Style) -> str:
    """List the parameters that changed."""
    if not comparison.baseline:
        return ""
    if not comparison.params:
        return "### Parameters\n\nNo parameter changed."
    command = f"uv run dvc params diff {comparison.baseline.sha[:7]}"
    values, left_out = cut(comparison.params, style.rows, "parameters", command)
    exact = Style(EXACT, style.rows)
    files = {value.path for value in comparison.params}
    rows = []
    for value in values:
        name = value.name if len(files) == 1 else f"{value.path}: {value.name}"
        rows.append([code(name), write_value(value.old, exact), write_value(value.new, exact)])
    body = listed(["Parameter", "Old", "New"], rows, (1, 2), "parameters")
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
    return [path, kind, *(" → ".join(dict.fromkeys(column)) for column in (files, sizes))]


def data(comparison: Comparison, style: Style) -> str:
    """List the data and models that changed, with the files in them where these are known."""
    parts = [balance(comparison, style)]
    if comparison.baseline:
        parts += changed_data(comparison, style)
    return "\n\n".join(["### Data and models", *filter(None, parts)]) if any(parts) else ""


def changed_data(comparison: Comparison, style: Style) -> list[str]:
    """Return the paragraphs about what changed in the data and models that DVC tracks."""
    assert comparison.baseline
    if not comparison.data:
        return ["Nothing that DVC tracks changed."]
    command = f"uv run dvc diff {comparison.baseline.sha[:7]}"
    outputs, left_out = cut(comparison.data, style.rows, "outputs", command)
    rows = [output_row(*pair) for pair in outputs]
    parts = [listed(["Path", "Change", "Files", "Size"], rows, (2, 3), "outputs") + left_out]
    kinds = [change.kind for change in comparison.files]
    counts = {kind: kinds.count(kind) for kind in ("added", "modified", "deleted", "renamed")}
    total = " · ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    if len(kinds) > len(comparison.data):
        files, left_out = cut(comparison.files, style.rows, "files", command)
        lines = [
            f"- {file.kind}: " + " → ".join(map(code, filter(None, [file.old_path, file.path])))
            for file in files
        ]
        parts += [fold_away(f"Files: {total}", "\n".join(lines) + left_out)]
    if comparison.unlisted:
        folders = ", ".join(code(path) for path in comparison.unlisted[:10])
        parts.append(
            f"_Which files changed in {folders} is not known here, since the data was not"
            " downloaded; it is known after `uv run dvc fetch`._"
        )
    return parts


def results(comparison: Comparison, chosen: Settings) -> str:
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


def balance(comparison: Comparison, style: Style) -> str:
    """Say how much data there is, and how its classes are balanced."""
    old, new = (side.metrics if side else {} for side in (comparison.baseline, comparison.head))
    rows = {what: lookup(new, f"data.{what}_rows") for what in ("train", "test")}
    if not all(map(is_number, rows.values())):
        return ""
    lines = [f"{rows['train']:,} rows to train on, {rows['test']:,} to test with."]
    for name, label in COUNTS.items():
        was, now = lookup(old, f"data.{name}"), lookup(new, f"data.{name}")
        if is_number(was) and is_number(now) and was != now:
            lines.append(f"{label}: {was:,} → {now:,}.")
    sizes, before = (rows_per_class(side) for side in (new, old))
    total = sum(sizes.values())
    if total > 0:
        least, most = (
            f"{code(name)} with {sizes[name]:,} ({sizes[name] / total:.1%})"
            for name in (min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__))
        )
        lines.append(f"Of {len(sizes):,} classes the smallest is {least}, the largest {most}.")
        body = []
        for name, count in [*sizes.items()][: style.rows]:
            was = f"{before.get(name, 0):,}" if before else "–"
            body.append([code(name), was, f"{count:,}", f"{count / total:.1%}"])
        named = table(["Class", "Old", "New", "Share"], body, (1, 2, 3))
        return f"{' '.join(lines)}\n\n{fold_away('Rows of each class', named)}"
    return " ".join(lines)


def rows_per_class(metrics: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Return how many rows each class has, from the metrics that `evaluate` writes."""
    prefix = "data.rows_per_class."
    return {
        name.removeprefix(prefix): count
        for values in metrics.values()
        for name, count in values.items()
        if name.startswith(prefix) and type(count) is int
    }


def drawn(found: list[Picture], most: int) -> str:
    """Put the first plots into the comment, the others' names."""
    if not found:
        return ""
    parts = [plots.markdown(picture) for picture in found[:most]]
    left = ", ".join(code(picture.name) for picture in found[most:][:20])
    parts += [f"In `report.html`: {left}."] if left else []
    return "### Plots\n\n" + "\n\n".join(parts)


def gather(comparison: Comparison) -> Evidence:
    """Return what both sides left of chance, where both were measured with what they are."""
    old, new = comparison.baseline, comparison.head
    if not old or not old.is_current or not new.is_current:
        return Evidence()
    before = left_by(old.results or old.sha, old.metrics)
    return weigh(before, left_by("", new.metrics))


def read(chosen: Settings, terms: Terms) -> Report:
    """Read everything that a report says, and draw its pictures.

    Raises:
        ValueError: this is no Git repository.
        DvcException: the checkout's dvc.yaml or dvc.lock cannot be read.
    """
    problems: list[str] = []
    with Reader() as reader:
        comparison = compare(reader, terms, chosen.tag_prefix)
        rules = primary(comparison.head.metrics, terms.rules)
        board = fenced(
            "The leaderboard", lambda: with_checkout(reader, comparison, rules), None, problems
        )
    style = glance(chosen, max(ROW_LIMITS))
    nothing: list[Picture] = []
    found = fenced("The plots", lambda: plots.read_plots(comparison), nothing, problems)
    if board:
        known = board.comparable
        found = found + fenced(
            "The latest experiments",
            lambda: plots.over_time(known, rules, style),
            nothing,
            problems,
        )
    evidence = fenced("What chance can do", lambda: gather(comparison), Evidence(), problems)
    unknown = Verdict("❌ No verdict: see below", "", 6 if rules.max_regression is not None else 0)
    judged = fenced(
        "The verdict",
        lambda: headline.judge(comparison, evidence, rules, style),
        unknown,
        problems,
    )
    found = page.write_images(found, PICTURES)
    return Report(comparison, rules, judged, evidence, board, found, problems)


def glance(chosen: Settings, rows: int) -> Style:
    """Return the style of what is compared at a glance: four decimals, if none were asked for."""
    default = VARIABLES["metrics_format"].default
    chose = chosen.metrics_format != default
    return Style(chosen.metrics_format if chose else BRIEF, rows)


def sections(report: Report, chosen: Settings, run: Outcome, rows: int) -> list[str]:
    """Write the sections before and after the plots, their tables at most so many rows long."""
    comparison, style = report.comparison, Style(chosen.metrics_format, rows)
    brief = glance(chosen, rows)
    problems = [*report.problems]

    def part(what: str, write: Callable[[], str]) -> str:
        return fenced(what, write, "", problems)

    def ranking() -> str:
        shown = glance(chosen, min(rows, BOARD_ROWS))
        return f"### Leaderboard\n\n{board.markdown(report.board, shown)}" if report.board else ""

    before = [
        failure(run),
        part(
            "The metrics",
            lambda: measures.table_of(comparison, report.evidence, report.rules, brief, rows),
        ),
        part("The parameters", lambda: params(comparison, style)),
    ]
    after = [
        part("The leaderboard", ranking),
        part("The data", lambda: data(comparison, style)),
        part("The results", lambda: results(comparison, chosen)),
    ]
    before.insert(0, heading(comparison, report.verdict, report.evidence, run, problems))
    return ["\n\n".join(filter(None, group)) for group in (before, after)]


def render(report: Report, chosen: Settings, run: Outcome) -> str:
    """Write the whole report, its tables and plots cut until it is short enough for a comment."""
    for rows in ROW_LIMITS:
        before, after = sections(report, chosen, run, rows)
        plots = drawn(report.pictures, min(MOST_PLOTS, rows // 10))
        written = "\n\n".join(filter(None, [before, plots, after])) + "\n"
        if len(written) <= LONGEST:
            break
    return written


def write(chosen: Settings, terms: Terms, run: Outcome) -> Verdict:
    """Write the report and return its verdict; a reader never sees half of it.

    Raises:
        ValueError: this is no Git repository.
        DvcException, OSError: the metadata cannot be read or the report not written.
    """
    report = read(chosen, terms)
    replace(REPORT, render(report, chosen, run))
    before, after = sections(report, chosen, run, max(ROW_LIMITS))
    title = f"Report: {report.comparison.head.name}"
    plots: list[str | list[Picture]] = ["### Plots", report.pictures] if report.pictures else []
    replace(PAGE, page.render(title, [before, *plots, after]))
    return report.verdict


def replace(path: Path, content: str) -> None:
    """Write a file at once."""
    unfinished = Path(".dvc/tmp", path.name)
    unfinished.write_text(content, encoding="utf-8")
    unfinished.replace(path)
