"""How numbers, sizes and changes are written in a report."""

import json
import math
import re
import sys
from dataclasses import dataclass
from typing import Any

from mlci import numerals
from mlci.history.values import ABSENT, Value, is_better, is_nan, is_number
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


def change(value: Value, style: Style, better: int) -> str:
    """Write what happened to a metric: by how much, which way, and whether that is good.

    `better` is 1 where a higher value is better, -1 where a lower one is, 0 where nobody knows.
    """
    if value.old is ABSENT or value.new is ABSENT:
        return "new" if value.old is ABSENT else "removed"
    if not value.changed:
        return ""
    delta = value.delta
    if not delta or is_nan(delta):
        return "changed"
    arrow = "▲" if delta > 0 else "▼"
    dot = ""
    if better:
        dot = " 🟢" if is_better(delta, better) else " 🔴"
    return f"{write_difference(delta, style)} {arrow}{dot}"


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
