"""Numbers by a pattern of numeral.js, the subset that reports need (http://numeraljs.com/#format).

| pattern          | 1234.5      | -0.25  |
|------------------|-------------|--------|
| `0`              | 1235        | 0      |
| `0.00`           | 1234.50     | -0.25  |
| `0[.]00`         | 1234.50     | -0.25  | (no decimals at all where all are zero)
| `0.0[000]`       | 1234.5      | -0.25  | (the bracketed zeros only where needed)
| `0[.][0000000]`  | 1234.5      | -0.25  |
| `0,0.0`          | 1,234.5     | -0.2   |
| `+0.00`          | +1234.50    | -0.25  |
| `(0.00)`         | 1234.50     | (0.25) |
| `0.0%`, `0.0 %`  | 123450.0%   | -25.0% |

Halves are rounded up, as JavaScript does, but decimally: 1.005 by `0.00` is 1.01, -0.5 by `0` is 0.
"""

import math
import re
from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal, localcontext
from typing import NamedTuple

PATTERN = re.compile(
    r"(?P<open>\()?(?P<sign>[+-])?(?P<whole>0+|0,0)"
    r"(?:(?P<point>\[\.\]|\.)(?P<fixed>0*)(?:\[(?P<optional>0+)\])?)?"
    r"(?P<percent> ?%)?(?P<close>\))?"
)


class Format(NamedTuple):
    """What a pattern asks for."""

    digits: int  # least number of digits before the point
    thousands: bool
    fixed: int  # decimals that are always written
    optional: int  # further decimals, written where they are not zero
    drop_zeros: bool  # no decimals at all where all are zero
    percent: str  # "", "%" or " %"
    plus: bool
    parentheses: bool  # instead of a minus


def parse(pattern: str) -> Format:
    """Read a pattern.

    Raises:
        ValueError: it is not of the subset above.
    """
    match = PATTERN.fullmatch(pattern)
    decimals = match and (match["fixed"] or match["optional"] or not match["point"])
    if not match or not decimals or bool(match["open"]) != bool(match["close"]):
        raise ValueError(
            f"{pattern!r} is not a numeral.js pattern such as '0[.][0000000]', '0.000', '0,0.0',"
            " '+0.00' or '0.0%'"
        )
    return Format(
        digits=1 if "," in match["whole"] else len(match["whole"]),
        thousands="," in match["whole"],
        fixed=len(match["fixed"] or ""),
        optional=len(match["optional"] or ""),
        drop_zeros=match["point"] == "[.]",
        percent=match["percent"] or "",
        plus=match["sign"] == "+",
        parentheses=bool(match["open"]),
    )


def text(value: float, pattern: str) -> str:
    """Write a number by a pattern; NaN and infinities, which have no digits, as words.

    Raises:
        ValueError: the pattern is malformed.
    """
    form = parse(pattern)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    with localcontext(prec=400):  # a float has at most 309 digits before its point
        number = Decimal(repr(value)) * (100 if form.percent else 1)
        step = Decimal(1).scaleb(-form.fixed - form.optional)
        number = number.quantize(step, ROUND_HALF_DOWN if number < 0 else ROUND_HALF_UP)
    whole, _, decimals = f"{abs(number):f}".partition(".")
    decimals = decimals[: form.fixed] + decimals[form.fixed :].rstrip("0")
    if form.drop_zeros and not decimals.strip("0"):
        decimals = ""
    whole = f"{int(whole):,}" if form.thousands else whole.zfill(form.digits)
    digits = (f"{whole}.{decimals}" if decimals else whole) + form.percent
    if number < 0:
        return f"({digits})" if form.parentheses else f"-{digits}"
    return f"+{digits}" if form.plus else digits
