"""Charts that GitHub and GitLab draw: Mermaid, its axes and lines."""

import json
import math
import re
from bisect import bisect_left
from typing import NamedTuple

from mlci.markup import shorten

NOW_COLOUR = "#945dd6"  # that of DVC's plots

BASELINE_COLOUR = "#13adc7"

COLOURS = {"teal": BASELINE_COLOUR, "violet": NOW_COLOUR, "orange": "#f46737", "blue": "#3b82f6"}

POINTS = 101  # of a curve in Mermaid, evenly spaced

BINS = 10  # of a scatter plot

Point = tuple[float, float]


class Axis(NamedTuple):
    """One axis of a chart: what it says, and from where to where it goes."""

    title: str
    low: float
    high: float


def extent(values: list[float]) -> tuple[float, float]:
    """Return the least and the greatest of some numbers."""
    return min(values), max(values)


def evenly(axis: Axis, count: int, *, centred: bool = False) -> list[float]:
    """Return evenly spaced numbers along an axis, or the centres of as many equal parts."""
    span = axis.high - axis.low
    if centred:
        return [axis.low + span * (part + 0.5) / count for part in range(count)]
    return [axis.low + span * step / (count - 1) for step in range(count)]


def at(points: list[Point], x: float) -> float | None:
    """Return y at x on the line through the points; None beyond its ends."""
    tolerance = 1e-9 * max(1.0, abs(x))
    if x < points[0][0] - tolerance or x > points[-1][0] + tolerance:
        return None
    right = min(bisect_left(points, (x, -math.inf)), len(points) - 1)
    left = max(right - 1, 0)
    (x0, y0), (x1, y1) = points[left], points[right]
    share = min(max((x - x0) / (x1 - x0), 0), 1) if x1 > x0 else 1.0
    return y0 + (y1 - y0) * share


def average_parts(points: list[Point], axis: Axis) -> list[float | None]:
    """Return the mean of y in each of the equal parts of an axis; None where there is no point."""
    parts: list[list[float]] = [[] for _ in range(BINS)]
    for x, y in points:
        share = (x - axis.low) / (axis.high - axis.low) if axis.high > axis.low else 0.0
        parts[min(int(share * BINS), BINS - 1)].append(y)
    return [sum(part) / len(part) if part else None for part in parts]


def fill_gaps(line: list[float | None]) -> list[float]:
    """Fill the gaps of a line, which Mermaid cannot leave open, with the last value before them."""
    known = [value for value in line if value is not None]
    last, whole = known[0], []
    for value in line:
        last = last if value is None else value
        whole.append(last)
    return whole


def line_chart(across: Axis, up: str, lines: dict[str, list[float | None]]) -> str:
    """Return a Mermaid chart; it has no legend, so its title names the lines' colours."""
    drawn = {name: fill_gaps(line) for name, line in lines.items() if set(line) != {None}}
    if across.high <= across.low:
        return ""
    colours = dict(zip(colours_of([*drawn]), drawn, strict=True))
    legend = ", ".join(f"{name} {colour}" for colour, name in colours.items())
    return write_chart(
        legend,
        f"x-axis {written_axis(across)[0]}",
        up,
        list(drawn.values()),
        [COLOURS[colour] for colour in colours],
    )


def written_axis(axis: Axis) -> tuple[str, float, int]:
    """Write an axis for Mermaid; return also what to divide its numbers by, and their decimals.

    Long numbers are in thousands or more, since Mermaid writes long ticks over one another.
    """
    title, unit = axis.title, 1.0
    for size, name in (1e3, "thousands"), (1e6, "millions"), (1e9, "billions"), (1e12, "trillions"):
        if max(abs(axis.low), abs(axis.high)) >= 10 * size:
            title, unit = f"{axis.title}, {name}", size
    decimals = decimals_of((axis.high - axis.low) / unit)
    low, high = (write_number(end / unit, decimals) for end in (axis.low, axis.high))
    return f'"{label(title)}" {low} --> {high}', unit, decimals


def colours_of(names: list[str]) -> list[str]:
    """Return one colour's name per line; what is now has DVC's first colour wherever it stands."""
    if len(names) == 1:
        return ["violet"]
    return [*COLOURS][: len(names)]


def write_chart(
    title: str, x_axis: str, up: str, lines: list[list[float]], colours: list[str]
) -> str:
    """Write a chart in Mermaid's language, its y axis as high as the lines need."""
    low, high = extent([value for line in lines for value in line])
    if low >= 0 and high <= 1 and high - low > 0.5:
        low, high = 0.0, 1.0
    else:
        margin = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
        low, high = low - margin, high + margin
    axis, unit, decimals = written_axis(Axis(up, low, high))
    setup = {
        "xyChart": {"width": 720, "height": 360},
        "themeVariables": {"xyChart": {"plotColorPalette": ", ".join(colours)}},
    }
    body = [
        "%%{init: " + json.dumps(setup) + "}%%",
        "xychart-beta",
        f'    title "{label(title)}"',
        f"    {x_axis}",
        f"    y-axis {axis}",
        *(
            f"    line [{', '.join(write_number(value / unit, decimals) for value in line)}]"
            for line in lines
        ),
    ]
    return "\n".join(["```mermaid", *body, "```"])


def label(name: str) -> str:
    """Return a text that can stand between quotes in Mermaid."""
    return re.sub(r"[\"`<>{}|;#%\\]", " ", shorten(name, 100)).strip() or "-"


def decimals_of(span: float) -> int:
    """Return how many decimals tell apart what a chart of this height shows."""
    return min(max(0, 3 - math.floor(math.log10(span))), 12)


def write_number(value: float, decimals: int) -> str:
    """Write a number for Mermaid, which knows no exponents."""
    number = f"{value:.{decimals}f}"
    return number.rstrip("0").rstrip(".") if "." in number else number
