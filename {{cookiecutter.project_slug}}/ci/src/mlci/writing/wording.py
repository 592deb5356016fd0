"""How numbers, sizes and changes are written in a report."""

import json
import math
import re
import sys
from dataclasses import dataclass
from typing import Any

from mlci import numerals
from mlci.history.statistics import Interval
from mlci.history.values import ABSENT, is_number
from mlci.markup import code

BRIEF = "0[.][0000]"  # where a reader compares at a glance
EXACT = "0[.][000000000000000]"  # for parameters, which are shown as they were set


LONGEST_NUMBER = 30  # characters; a longer one is written with an exponent


@dataclass(frozen=True)
class Style:
    """How a report is written: the pattern of its numbers and how many rows a table may have."""

    metrics_format: str
    rows: int


def write_value(value: Any, style: Style) -> str:
    """Write a value; a small number that the pattern would make zero keeps two digits."""
    if value is ABSENT:
        return "–"
    if not is_number(value):
        return code(value if isinstance(value, str) else json.dumps(value, default=str))
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        return code(str(value))
    written = numerals.text(value, style.metrics_format)
    if math.isfinite(value) and len(written) > LONGEST_NUMBER:
        return f"{value:.6g}"
    vanished = value and math.isfinite(value) and not re.search("[1-9]", written)
    return f"{value:.2g}" if vanished else written


def write_difference(delta: float, style: Style) -> str:
    """Write a difference with its sign."""
    return f"{'+' if delta >= 0 else '-'}{write_value(abs(delta), style).removeprefix('+')}"


def bounds(interval: Interval, style: Style) -> str:
    """Write the bounds of an interval, with their signs, as what no line break parts."""
    return f"{write_difference(interval.low, style)}\u00a0…\u00a0{write_difference(interval.high, style)}"


def duration(seconds: float) -> str:
    """Write a time as a person would say it."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


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
