"""Tables that may be long: the first rows are visible, the rest is folded or left out."""

from typing import TypeVar

from mlci.markup import fold_away, table

T = TypeVar("T")
VISIBLE_ROWS = 25  # the rest of a longer table is folded


def write_rows(
    headers: list[str], rows: list[list[str]], right: tuple[int, ...], summary: str
) -> str:
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
    return rows[:limit], "\n\n" + left_out(len(rows) - limit, what, command)


def left_out(count: int, what: str, command: str) -> str:
    """Say how much is not shown, and what shows it."""
    return f"_{count:,} more {what} are left out; `{command}` lists them all._"
