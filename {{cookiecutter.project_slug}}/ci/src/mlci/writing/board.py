"""The leaderboard, written: for the terminal, as Markdown, as a page, as JSON and CSV."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import chain
from typing import Any

from tabulate import tabulate

from mlci.history.ranking import CLOSEST, HERE, Board
from mlci.history.rules import lookup, spread
from mlci.history.values import is_better, is_number, target
from mlci.markup import code, table
from mlci.writing.measures import write_folds
from mlci.writing.remarks import hint_at_shallow
from mlci.writing.wording import EXACT, Style, write_value

MOST_METRICS = 4  # columns in a table to read; JSON and CSV have all
MOST_NAMES = 3
MOST_PARAMS = 6


def metric_names(board: Board) -> list[str]:
    """Return the metrics to show: the primary one, then others of the top level."""
    names: dict[str, None] = {board.rules.metric: None} if board.rules.metric else {}
    for one in board.experiments:
        for values in one.metrics.values():
            names |= {name: None for name in values if "." not in name and is_number(values[name])}
    return list(names)[:MOST_METRICS]


def cells(
    board: Board, style: Style, quote: Callable[[str], str], write: Callable[[Any, Style], str]
) -> tuple[list[str], list[list[str]]]:
    """Return the headers and the rows; `quote` writes a name, `write` a metric."""
    metrics = metric_names(board)
    has_cv = any(spread(one.metrics, board.rules.metric) is not None for one in board.experiments)
    headers = [
        "#",
        "Experiment",
        *map(quote, metrics[:1]),
        *(["cross-validation"] if has_cv else []),
    ]
    several = len({one.author for one in board.experiments if one.author}) > 1
    headers += ["Changed parameters", *(["Author"] if several else []), "Age"]
    headers += map(quote, metrics[1:])
    exact = Style(EXACT, style.rows)
    rows = []
    for rank, one in enumerate(board.experiments, start=1):
        if rank > style.rows and not set(board.pinned) & set(one.names):
            continue
        values = [write(lookup(one.metrics, name), style) for name in metrics]
        validation = [write_folds(one.metrics, board.rules.metric, style) or "–"] if has_cv else []
        changed = [
            quote(f"{name}={write_plain(value, exact)}")
            for name, value in board.changed(one).items()
        ]
        first = sorted(one.names, key=lambda name: name not in board.pinned)
        names = [f"**{HERE}**" if name == HERE else quote(name) for name in first]
        row = [f"{rank}\N{NO-BREAK SPACE}{board.mark(one)}".strip(), few(names, MOST_NAMES)]
        row += [*values[:1], *validation, few(changed, MOST_PARAMS)]
        row += [quote(one.author) if one.author else ""] if several else []
        rows.append([*row, one.age, *values[1:]])
    return headers, rows


def write_plain(value: Any, style: Style) -> str:
    """Write a value without the code marks that only Markdown has."""
    return write_value(value, style).strip("`")


def few(names: list[str], most: int) -> str:
    """Write a list, of a long one the first and how many follow."""
    more = [f"{len(names) - most:,} more"] if len(names) > most else []
    return ", ".join(names[:most] + more)


def legend(board: Board) -> str:
    """Say in Markdown what the table is sorted by and what its marks mean."""
    if not board.experiments:
        return "There is nothing yet: no branch, tag or experiment."
    way = ""
    if board.rules.direction:
        way = f", {'higher' if is_better(1, board.rules.direction) else 'lower'} is better"
    sentences = [f"Sorted by {code(board.rules.metric)}{way}." if board.rules.metric else ""]
    if board.best:
        compared = f" (of the {CLOSEST} next)" if len(board.close) == CLOSEST else ""
        within = f"; ≈ chance does not tell from it{compared}" if board.near else ""
        sentences.append(f"⭐ is the best{within}.")
    sentences.append(f"Parameters are those that differ from {code(board.baseline)}.")
    others = len(board.experiments) - len(board.comparable)
    elsewhere = len(board.on_other_rows)
    if elsewhere:
        sentences.append(f"≠ {elsewhere:,} not ranked: tested on other rows than this checkout.")
    others -= elsewhere
    if others:
        predicted = code(str(target(board.params)))
        sentences.append(f"{others:,} not ranked: another column than {predicted} is predicted.")
    stale = sum(not one.revision.is_current for one in board.experiments)
    if stale:
        sentences.append(
            f"{stale:,} changed after their last run: their metrics are still to come."
        )
    current = [one for one in board.experiments if one.revision.is_current]
    without = sum(not one.metrics for one in current)
    if without:
        sentences.append(
            f"{without:,} without metrics here: not run yet, or metrics lack `cache: false`."
        )
    return " ".join(filter(None, [*sentences, hint_at_shallow("other branches")]))


def markdown(board: Board, style: Style) -> str:
    """Write the board as a Markdown table."""
    headers, rows = cells(board, style, code, write_value)
    texts = ("#", "Experiment", "Changed parameters", "Author", "Age")
    numbers = tuple(column for column, name in enumerate(headers) if name not in texts)
    body = table(headers, rows, numbers) + "\n\n" if rows else ""
    left = len(board.experiments) - len(rows)
    more = f" {left:,} more: `uv run ci leaderboard`." if left > 0 else ""
    return f"{body}{legend(board)}{more}"


def terminal(board: Board, style: Style) -> str:
    """Write the board as a table of plain text."""
    headers, rows = cells(board, style, printable, write_plain)
    body = tabulate(rows, headers, disable_numparse=True) if rows else ""
    return f"{body}\n\n{legend(board).replace('`', '')}".strip()


def printable(name: str) -> str:
    """Return a name without characters that would steer the terminal."""
    return re.sub(r"[^\x20-\x7e\xa0-\U0010ffff]", "?", name)


def records(board: Board) -> list[dict[str, Any]]:
    """Return every experiment with all its numbers, for programs.

    A metric that several files of one experiment have is called `path:name`, as DVC does it.
    """
    best = {one.sha for one in board.best}
    shared = {
        name
        for one in board.experiments
        for name, files in Counter(chain.from_iterable(one.metrics.values())).items()
        if files > 1
    }
    return [
        {
            "rank": rank,
            "best": one.sha in best,
            "names": list(one.names),
            "kind": one.kind,
            "sha": one.sha,
            "author": one.author,
            "date": one.date,
            "metrics": {
                f"{path}:{name}" if name in shared else name: value
                for path, values in one.metrics.items()
                for name, value in values.items()
            },
            "changed_params": board.changed(one),
        }
        for rank, one in enumerate(board.experiments, start=1)
    ]


def to_csv(board: Board) -> str:
    """Write every experiment, a column for each of its metrics and changed parameters."""
    rows = []
    for record in records(board):
        metrics, params = record.pop("metrics"), record.pop("changed_params")
        record["names"] = " ".join(record["names"])
        rows.append(record | metrics | params)
    out = io.StringIO(newline="")
    fields = dict.fromkeys(chain.from_iterable(rows))
    writer = csv.DictWriter(out, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().rstrip("\n")


def to_page(board: Board, style: Style) -> str:
    """Write every experiment as one page."""
    from mlci.writing import page  # takes as long as the rest of a board

    return page.render("Leaderboard", [markdown(board, style)])


FORMATS: dict[str, Callable[[Board, Style], str]] = {
    "md": markdown,
    "html": to_page,
    "json": lambda board, _: json.dumps(records(board), indent=2, default=str),
    "csv": lambda board, _: to_csv(board),
}
