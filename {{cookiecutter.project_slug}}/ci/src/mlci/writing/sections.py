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

from mlci.history.comparison import Comparison, compare
from mlci.history.evidence import Evidence, left_by, weigh
from mlci.history.outcome import Outcome
from mlci.history.ranking import Board, with_checkout
from mlci.history.revision import Reader, Revision
from mlci.history.rules import Rules, primary
from mlci.history.terms import Terms
from mlci.markup import block, code, text
from mlci.settings import VARIABLES, Settings
from mlci.writing import board, datasets, effort, headline, measures, page, plots, progress
from mlci.writing.fences import fence
from mlci.writing.folding import cut, write_rows
from mlci.writing.headline import Verdict
from mlci.writing.plots import Picture
from mlci.writing.remarks import link_to_this_run, remark
from mlci.writing.wording import BRIEF, EXACT, Style, write_value

REPORT = Path("report.md")
PAGE = Path("report.html")
PICTURES = Path("report-pictures")
LONGEST = 65_000  # characters; GitHub refuses a comment of more than 65,536
ROW_LIMITS = (400, 200, 100, 50, 20, 5)  # tried in turn until the report is short enough
BOARD_ROWS = 10  # of the leaderboard
MOST_PLOTS = 6  # in the comment; the page has all


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
        headline = f"❌ Stage {code(run.failed_stage)} failed{last_words(run.log)}"
    lines = [f"## {headline}", judged.details, said.removesuffix(","), link_to_this_run()]
    notes = [remark(notice) for notice in comparison.notices] + run.notes
    notes += [text(problem) for problem in dict.fromkeys([*evidence.problems, *problems])]
    lines += [f"> ⚠️ {note}" for note in notes]
    return "\n\n".join(filter(None, lines))


def last_words(log: str) -> str:
    """Return the last line of what a failed stage printed itself, for the headline."""
    of_dvc = ("Running stage '", "> ", "ERROR: failed to reproduce")
    lines = [line for line in log.splitlines() if not line.startswith(of_dvc)]
    return f": {code(lines[-1])}" if lines else ""


def failure(run: Outcome) -> str:
    """Name the stage that failed, with the end of its log."""
    if not run.failed_stage:
        return ""
    kept = "Values below that this stage leads to are from before this run."
    return f"{block(run.log)}\n\n{kept}" if run.log else kept


def params(comparison: Comparison, style: Style) -> str:
    """List the parameters that changed."""
    if not comparison.baseline or not comparison.params:
        return ""
    command = f"uv run dvc params diff {comparison.baseline.sha[:7]}"
    values, left_out = cut(comparison.params, style.rows, "parameters", command)
    exact = Style(EXACT, style.rows)
    files = {value.path for value in comparison.params}
    rows = []
    for value in values:
        name = value.name if len(files) == 1 else f"{value.path}: {value.name}"
        rows.append([code(name), write_value(value.old, exact), write_value(value.new, exact)])
    body = write_rows(["Parameter", "Old", "New"], rows, (1, 2), "parameters")
    return f"### Parameters\n\n{body}{left_out}"


def say_results(comparison: Comparison, chosen: Settings) -> str:
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
    add = f"git add {' '.join(map(quote, comparison.results[:10]))}"
    return f"{said} Add them to the next commit:\n\n{block(add)}"


def quote(path: str) -> str:
    """Quote a path so that both POSIX shells and Windows' take it as one word."""
    return f'"{path}"' if any(not (char.isalnum() or char in "./_-") for char in path) else path


def show_first(found: list[Picture], most: int) -> str:
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
        board = fence(
            "The leaderboard", lambda: with_checkout(reader, comparison, rules), None, problems
        )
    style = glance(chosen, max(ROW_LIMITS))
    nothing: list[Picture] = []
    found = fence("The plots", lambda: plots.read_plots(comparison), nothing, problems)
    if board:
        known = board.comparable
        found = found + fence(
            "The latest experiments",
            lambda: progress.over_time(known, rules, style),
            nothing,
            problems,
        )
    evidence = fence("What chance can do", lambda: gather(comparison), Evidence(), problems)
    unknown = Verdict("❌ No verdict: see below", "", 6 if rules.max_regression is not None else 0)
    judged = fence(
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


def write_sections(report: Report, chosen: Settings, run: Outcome, rows: int) -> list[str]:
    """Write the sections before and after the plots, their tables at most so many rows long."""
    comparison, style = report.comparison, Style(chosen.metrics_format, rows)
    brief = glance(chosen, rows)
    problems = [*report.problems]

    def part(what: str, write: Callable[[], str]) -> str:
        return fence(what, write, "", problems)

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
        part("The data", lambda: datasets.write(comparison, style)),
        part("The results", lambda: say_results(comparison, chosen)),
        part("The run", lambda: effort.write(comparison, run)),
    ]
    before.insert(0, heading(comparison, report.verdict, report.evidence, run, problems))
    return ["\n\n".join(filter(None, group)) for group in (before, after)]


def render(report: Report, chosen: Settings, run: Outcome) -> str:
    """Write the whole report, its tables and plots cut until it is short enough for a comment."""
    for rows in ROW_LIMITS:
        before, after = write_sections(report, chosen, run, rows)
        plots = show_first(report.pictures, min(MOST_PLOTS, rows // 10))
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
    before, after = write_sections(report, chosen, run, max(ROW_LIMITS))
    title = f"Report: {report.comparison.head.name}"
    plots: list[str | list[Picture]] = ["### Plots", report.pictures] if report.pictures else []
    replace(PAGE, page.render(title, [before, *plots, after]))
    return report.verdict


def replace(path: Path, content: str) -> None:
    """Write a file at once."""
    unfinished = Path(".dvc/tmp", path.name)
    unfinished.write_text(content, encoding="utf-8")
    unfinished.replace(path)
