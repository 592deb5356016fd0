"""The plots of `dvc.yaml`, baseline against now, for every place that a report is read in.

All of them come from what `dvc plots diff` draws, so a plot that is added to `dvc.yaml` appears
here without code. On GitHub and GitLab a curve is a Mermaid chart, a confusion matrix a table of
coloured squares, and each chart has its numbers below it; `report.html` shows DVC's own Vega plots.
"""

import math
import mimetypes
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from dvc.render.match import RendererWithErrors, match_defs_renderers
from dvc.repo import Repo

from mlci.history.comparison import Comparison
from mlci.history.values import below, same_target
from mlci.markup import code, fold_away, is_bitbucket, table, text
from mlci.writing.fences import fence
from mlci.writing.mermaid import (
    BINS,
    COLOURS,
    POINTS,
    Axis,
    Point,
    at,
    average_parts,
    evenly,
    extent,
    line_chart,
)
from mlci.writing.wording import BRIEF, Style, write_value

NOW = "now"
TABLE_POINTS = 6
MOST_CLASSES = 12
MOST_LETTERS = 100  # of a table's row: wider ones a comment cuts off
MOST_DRAWABLE = 1e100  # what is larger is in no chart: differences of it are infinite
MOST_DRAWN = 20_000  # points of one plot in the page
SPACE = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Picture:
    """One plot: Markdown for comments, Vega-Lite for the page. Empty is what it does not have."""

    name: str
    title: str
    mermaid: str = ""
    table: str = ""
    spec: dict[str, Any] = field(default_factory=dict)
    images: tuple[tuple[str, str], ...] = ()  # (revision, `data:` address)
    notes: tuple[str, ...] = ()  # Markdown sentences


@dataclass(frozen=True)
class Plot:
    """What DVC knows of a plot: its properties and one row per point with its revision `rev`."""

    properties: dict[str, Any]
    rows: list[dict[str, Any]]

    @property
    def template(self) -> str:
        """The name of its Vega template; DVC's default is `linear`."""
        return str(self.properties.get("template") or "linear")

    def series(self) -> dict[str, list[dict[str, Any]]]:
        """Group the rows by revision and, where there are several, by field; the baseline first."""
        several = len({(row.get("filename"), row.get("field")) for row in self.rows}) > 1
        groups: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows:
            name = f"{row['rev']} {row.get('field', '')}".strip() if several else str(row["rev"])
            groups.setdefault(name, []).append(row)
        return groups


def read_plots(comparison: Comparison) -> list[Picture]:
    """Draw every plot of `dvc.yaml`; one that cannot be read says why and spoils no other."""
    baseline, head = comparison.baseline, comparison.head
    if baseline and not same_target(baseline.params, head.params):
        baseline = None
    shown_at = (baseline.results or baseline.sha) if baseline else ""
    revisions = [shown_at] if baseline else []
    labels = {"workspace": NOW} | ({shown_at: baseline.name} if baseline else {})
    with Repo() as repo:
        data = repo.plots.show(revs=[*revisions, "workspace"])
        folder = repo.plots.templates_dir
    pictures = []
    for name, title, part in each_plot(data):
        problems: list[str] = []

        def draw_part(part: dict[str, Any] = part, title: str = title) -> list[Picture]:
            found = match_defs_renderers(part, templates_dir=folder)
            pictures = [draw(one.renderer, why_not(one), labels) for one in found]
            # DVC forgets the title of a plot that has no points.
            return [one if one.images else replace(one, title=title) for one in pictures]

        nothing: list[Picture] = []
        found = fence(f"The plot {name}", draw_part, nothing, problems)
        pictures += found or [Picture(name, title, notes=tuple(map(text, problems)))]
    return pictures


def each_plot(data: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each plot's name and title, and what DVC found of it alone at all revisions."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for revision, content in data.items():
        for file, declared in content.get("definitions", {}).get("data", {}).items():
            for name, properties in declared.get("data", {}).items():
                alone = {"data": {file: {"data": {name: properties}}}}
                part = found.setdefault((file, name), {})
                part[revision] = content | {"definitions": alone}
    for (file, name), part in found.items():
        whole = name if file in ("", "dvc.yaml") else f"{file}::{name}"
        *_, content = part.values()
        properties = content["definitions"]["data"][file]["data"][name]
        yield whole, str((properties or {}).get("title") or name), part


def why_not(found: RendererWithErrors) -> dict[str, dict[str, Any]]:
    """Return, by revision, the files that cannot be read and the columns that are not there."""
    errors: dict[str, dict[str, Any]] = {**found.source_errors}
    for revision, error in found.definition_errors.items():
        errors[revision] = errors.get(revision, {}) or {str(error): error}
    return errors


def draw(renderer: Any, errors: dict[str, Any], labels: dict[str, str]) -> Picture:
    """Turn what DVC would draw into a picture."""
    name = str(renderer.name).removeprefix("dvc.yaml::")
    notes = [
        f"{code(source)} cannot be read at {code(labels.get(revision, revision))}."
        for revision, sources in errors.items()
        for source in sources
    ]
    rows = [dict(row, rev=labels.get(row["rev"], row["rev"])) for row in renderer.datapoints]
    rows.sort(key=lambda row: row["rev"] == NOW)  # stable: the baseline first
    title = str(renderer.properties.get("title") or name)
    if renderer.TYPE == "image":
        kind = mimetypes.guess_type(name)[0] or "image/png"
        sources = [str(row["src"]).replace("data:image;", f"data:{kind};", 1) for row in rows]
        images = tuple((str(row["rev"]), source) for row, source in zip(rows, sources, strict=True))
        return Picture(name, title, images=images, notes=tuple(notes))
    if not rows:
        notes = notes or ["There are no points to draw."]
        return Picture(name, title, notes=tuple(notes))
    plot = Plot(renderer.properties, rows)
    step = math.ceil(len(rows) / MOST_DRAWN)
    if step > 1:
        notes.append(f"Of {len(rows):,} points, one in {step:,} is drawn.")
    renderer.datapoints = [dict(row) for row in rows[::step]]
    # In this order DVC gives them their colours.
    revisions = [NOW, *(label for label in labels.values() if label != NOW)]
    renderer.properties["revs_with_datapoints"] = [
        revision for revision in revisions if any(row["rev"] == revision for row in rows)
    ]
    chart, numbers = describe(plot)
    return Picture(
        name, title, chart, numbers, polish(renderer.get_filled_template()), (), tuple(notes)
    )


def polish(spec: Any) -> Any:
    """Show the numbers in DVC's confusion matrix, and leave out what its templates leave empty."""
    if isinstance(spec, list):
        return [polish(part) for part in spec]
    if isinstance(spec, float) and not math.isfinite(spec):
        return None  # a page's JSON has neither NaN nor Infinity
    if not isinstance(spec, dict):
        return spec
    if spec.get("name") == "showValues":
        return {"name": "showValues", "value": True}
    if spec.get("field") == "rev" and ("sort" in spec or "scale" in spec):
        return spec | {"title": None}  # above the columns of a facet, and above a legend
    if spec.get("mark") == {"type": "bar"} and below(spec, ["encoding", "y", "type"]) == "nominal":
        spec = spec | {"height": {"step": 18, "for": "position"}}  # each name gets its line
    # Without "$schema" Vega does not tell readers that it is newer than the template.
    return {key: polish(part) for key, part in spec.items() if part != {} and key != "$schema"}


def describe(plot: Plot) -> tuple[str, str]:
    """Return the Mermaid chart and the table of a plot; the chart is empty where none fits."""
    x, y = str(plot.properties.get("x")), str(plot.properties.get("y"))
    if plot.template.startswith("confusion"):
        return "", confusion(plot, x, y)
    curves = {name: numeric(rows, x, y) for name, rows in plot.series().items()}
    curves = {name: points for name, points in curves.items() if points}
    if not curves:
        return "", categories(plot, x, y)
    lows, highs = zip(
        *(extent([px for px, _ in points]) for points in curves.values()), strict=True
    )
    across = Axis(str(plot.properties.get("x_label") or x), min(lows), max(highs))
    up = str(plot.properties.get("y_label") or y)
    if plot.template.startswith("scatter"):
        grid = evenly(across, BINS, centred=True)
        drawn = {name: average_parts(points, across) for name, points in curves.items()}
        up = f"mean {up}"
        across = Axis(f"{across.title} ({BINS} equal parts)", grid[0], grid[-1])
    else:
        grid = evenly(across, POINTS)
        drawn = {name: [at(points, value) for value in grid] for name, points in curves.items()}
    chart = line_chart(across, up, drawn) if len(drawn) <= len(COLOURS) else ""
    style = Style(BRIEF, 0)
    step = max(1, (len(grid) - 1) // (TABLE_POINTS - 1)) if len(grid) == POINTS else 1
    rows = [
        [write_value(value, style), *(shown_or_none(line[i], style) for line in drawn.values())]
        for i, value in enumerate(grid)
        if i % step == 0
    ]
    names = [code(f"{up}: {name}") for name in drawn]
    return chart, table([code(across.title), *names], rows, tuple(range(len(names) + 1)))


def shown_or_none(value: float | None, style: Style) -> str:
    """Write a number, a dash where there is none."""
    return "–" if value is None else write_value(value, style)


def numeric(rows: list[dict[str, Any]], x: str, y: str) -> list[Point]:
    """Return the points sorted by x, those of the same x as their mean; empty where one is text."""
    sums: dict[float, list[float]] = {}
    try:
        for row in rows:
            point = float(row[x]), float(row[y])
            if all(abs(value) < MOST_DRAWABLE for value in point):  # which NaN is not
                sums.setdefault(point[0], []).append(point[1])
    except (KeyError, TypeError, ValueError, OverflowError):
        return []
    return [(value, sum(found) / len(found)) for value, found in sorted(sums.items())]


def confusion(plot: Plot, x: str, y: str) -> str:
    """Count what was predicted (columns) for each actual class (rows), and the change to before."""
    counts = {
        name: Counter((str(row.get(y)), str(row.get(x))) for row in rows)
        for name, rows in plot.series().items()
    }
    now = counts.pop(NOW, Counter())
    before = next(iter(counts.values()), None)
    classes = sorted({name for pair in now for name in pair}, key=natural)
    if len(classes) > MOST_CLASSES:
        return mistakes(now, before)
    rows: list[list[str]] = []
    for actual in classes:
        total = sum(now[actual, predicted] for predicted in classes)
        row = [square(now, before, actual, predicted, total) for predicted in classes]
        rows.append([f"**{code(actual)}**", *row])
    headers = [f"actual{SPACE}↓ predicted{SPACE}→", *map(code, classes)]
    if letters([headers, *rows]) > MOST_LETTERS:
        return mistakes(now, before)
    body = table(headers, rows, tuple(range(1, len(headers))))
    change = "; in parentheses the change to the baseline" if before is not None else ""
    return (
        f"{body}\n\n🟩 right, 🟨 🟧 🟥 wrong in under 5 %, under 15 %, and more of the rows of a class"
        f"{change}."
    )


def letters(rows: list[list[str]]) -> int:
    """Return how many letters wide a table is; the room between two cells is that of three."""
    columns = zip(*rows, strict=True)
    return sum(3 + max(len(cell.strip("*`")) for cell in column) for column in columns)


def square(
    now: Counter[tuple[str, str]],
    before: Counter[tuple[str, str]] | None,
    actual: str,
    predicted: str,
    total: int,
) -> str:
    """Write one cell of a confusion matrix."""
    count = now[actual, predicted]
    moved = count - before[actual, predicted] if before is not None else 0
    change = f"{SPACE}({moved:+d})" if moved else ""
    if not count:
        return f"0{change}" if moved else "·"
    share = count / total
    wrong = "🟥" if share >= 0.15 else "🟧" if share >= 0.05 else "🟨"
    return f"{'🟩' if actual == predicted else wrong}{SPACE}{count}{change}"


def mistakes(now: Counter[tuple[str, str]], before: Counter[tuple[str, str]] | None) -> str:
    """List the most frequent mistakes of either side, where a matrix would be too wide."""
    was = before or Counter()
    wrong = [pair for pair in now | was if pair[0] != pair[1]]
    wrong.sort(key=lambda pair: (-max(now[pair], was[pair]), pair))
    headers = ["Actual", "Predicted", *(["Before"] if before is not None else []), "Now"]
    rows = [
        [code(a), code(p), *([f"{was[a, p]:,}"] if before is not None else []), f"{now[a, p]:,}"]
        for a, p in wrong[:MOST_CLASSES]
    ]
    total, earlier = (sum(side[pair] for pair in wrong) for side in (now, was))
    said = f"{total:,} of {now.total():,} rows are wrong"
    said += f", before {earlier:,} of {was.total():,}" if before is not None else ""
    body = table(headers, rows, tuple(range(2, len(headers))))
    return f"{said}; the most frequent mistakes:\n\n{body}"


def categories(plot: Plot, x: str, y: str) -> str:
    """Put the values of a plot with names on one axis, such as bars, into a table."""
    sides = plot.series()
    first = next(iter(sides.values()))
    name, value = (y, x) if numeric(first, x, x) else (x, y)
    found = {
        side: {str(row.get(name)): row.get(value) for row in rows} for side, rows in sides.items()
    }
    names = list(dict.fromkeys(key for values in found.values() for key in values))
    rows = [
        [code(key), *(brief(values[key]) if key in values else "–" for values in found.values())]
        for key in names[: 2 * MOST_CLASSES]
    ]
    headers = [code(name), *(code(f"{value}: {side}") for side in sides)]
    more = len(names) - len(rows)
    left = f"\n\n_{more:,} more in `uv run dvc plots diff`._" if more > 0 else ""
    return table(headers, rows, tuple(range(1, len(headers)))) + left


def brief(value: Any) -> str:
    """Write a number at a glance, anything else as code; DVC reads the numbers of a CSV as text."""
    try:
        return write_value(float(value), Style(BRIEF, 0))
    except (TypeError, ValueError, OverflowError):
        return code(str(value))


def natural(name: str) -> tuple[float, str]:
    """Return a key that sorts numbers by their value and before text."""
    try:
        return float(name), name
    except (ValueError, OverflowError):
        return math.inf, name


def markdown(picture: Picture) -> str:
    """Write a picture for a comment: its chart, its table folded below it."""
    chart = "" if is_bitbucket() else picture.mermaid
    title = f"**{text(picture.title)}**"
    numbers = fold_away("The numbers", picture.table) if chart and picture.table else picture.table
    shown_elsewhere = "The images are in `report.html`." if picture.images else ""
    return "\n\n".join(filter(None, [title, chart, numbers, shown_elsewhere, *picture.notes]))
