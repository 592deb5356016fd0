"""Everything that was tried, the best first: branches, tags and `dvc exp` experiments.

    python ci/leaderboard.py                     a table in the terminal
    python ci/leaderboard.py --md                the same as --html, --json or --csv, to stdout
    python ci/leaderboard.py promote NAME BRANCH makes one of them a branch

It reads Git and DVC metadata only. Remote branches and tags count as well, after `git fetch`; the
experiments of others come by `dvc exp pull origin`. What has the same metrics and parameters is
one row. Parameters are those that differ from the baseline. Exit codes: 0 done, 2 a malformed flag,
an unknown baseline, experiment or branch name, or no repository.
"""

import csv
import difflib
import io
import json
import os
import re
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import page
import settings
from comparison import (
    Comparison,
    compare_values,
    find_baseline,
    git,
    how_to_fetch,
    is_number,
    same_target,
    target,
)
from experiments import Experiment, Values, at_commit, collect, fold
from markup import code, table
from tabulate import tabulate
from values import BRIEF, EXACT, Style, is_nan, shown
from verdict import Rules, lookup, noise, primary, read_rules, spread, validated

MOST_METRICS = 4  # columns in a table to read; JSON and CSV have all
MOST_NAMES = 3
MOST_PARAMS = 6
CHECKOUT = "this checkout"  # the baseline where there is no other
HERE = "this run"  # the row of what is checked out, in a report


@dataclass(frozen=True)
class Board:
    """The experiments, best first, and what they are compared by."""

    experiments: list[Experiment]
    rules: Rules
    baseline: str  # the name of the revision that changed parameters are shown against
    baseline_params: Values
    params: Values  # of the checkout

    @cached_property
    def comparable(self) -> list[Experiment]:
        """The experiments that predict what the checkout predicts."""
        return [one for one in self.experiments if same_target(one.params, self.params)]

    @cached_property
    def best(self) -> list[Experiment]:
        """The experiments with the best value of the primary metric; several where they tie."""
        scored = [one for one in self.comparable if score(one, self.rules) is not None]
        known = scored if self.rules.direction else []
        return [one for one in known if score(one, self.rules) == score(known[0], self.rules)]

    def mark(self, one: Experiment) -> str:
        """Return ⭐ for the best and ≈ for what the noise does not tell from it."""
        best = self.best
        if one in best:
            return "⭐"
        if not same_target(one.params, self.params):
            return ""
        mine = score(one, self.rules)
        chance = noise(best[0].metrics, one.metrics, self.rules.metric) if best else None
        if chance is None or mine is None:
            return ""
        return "≈" if abs(mine - (score(best[0], self.rules) or 0)) <= chance else ""

    def changed(self, one: Experiment) -> dict[str, Any]:
        """Return the parameters that differ from the baseline's, named as `dvc exp run -S` does."""
        values = compare_values(self.baseline_params, one.params)
        return {
            v.name if v.path == "params.yaml" else f"{v.path}:{v.name}": v.new
            for v in values
            if v.changed and not v.name.startswith("report.")
        }


def score(one: Experiment, rules: Rules) -> float | None:
    """Return the value of the primary metric, None where it is no number."""
    value = lookup(one.metrics, rules.metric)
    return value if is_number(value) and not is_nan(value) else None


def ranked(experiments: list[Experiment], rules: Rules, params: Values) -> list[Experiment]:
    """Sort by the primary metric, the best first; the older first in a tie.

    What has no score comes last, and before it what predicts another column than these parameters.
    """

    def rank(one: Experiment) -> tuple[bool, bool, float, float]:
        value = score(one, rules)
        other = not same_target(one.params, params)
        return value is None, other, -(value or 0) * (rules.direction or 1), one.time

    return sorted(experiments, key=rank)


def make(baseline: str) -> Board:
    """Read the whole repository.

    Raises:
        ValueError: an unknown baseline or malformed rules, in one sentence.
    """
    name, sha = find_baseline(baseline)
    experiments = fold(collect())
    rules = read_rules()
    if not rules.metric:
        some = next((one.metrics for one in experiments if one.metrics), {})
        rules = primary(some, rules)
    here = at_commit("")[1]
    params = at_commit(sha)[1] if sha else here
    return Board(ranked(experiments, rules, here), rules, name or CHECKOUT, params, here)


def metric_names(board: Board) -> list[str]:
    """Return the metrics to show: the primary one, then others of the top level."""
    names: dict[str, None] = {board.rules.metric: None} if board.rules.metric else {}
    for one in board.experiments:
        for values in one.metrics.values():
            names |= {name: None for name in values if "." not in name and is_number(values[name])}
    return list(names)[:MOST_METRICS]


def cells(
    board: Board, style: Style, quote: Callable[[str], str]
) -> tuple[list[str], list[list[str]]]:
    """Return the headers and the rows; `quote` writes a name."""
    metrics = metric_names(board)
    has_cv = any(spread(one.metrics, board.rules.metric) is not None for one in board.experiments)
    headers = [
        "#",
        "Experiment",
        *map(quote, metrics[:1]),
        *(["cross-validation"] if has_cv else []),
    ]
    headers += ["Changed parameters", "Author", "Age", *map(quote, metrics[1:])]
    exact = Style(EXACT, style.rows)
    rows = []
    for rank, one in enumerate(board.experiments, start=1):
        if rank > style.rows and HERE not in one.names:
            continue
        values = [plain(shown(lookup(one.metrics, name), style), quote) for name in metrics]
        validation = [validated(one.metrics, board.rules.metric, style)] if has_cv else []
        changed = [
            quote(f"{name}={plain(shown(value, exact), str)}")
            for name, value in board.changed(one).items()
        ]
        names = [f"**{HERE}**" if name == HERE else quote(name) for name in one.names]
        row = [f"{rank}\N{NO-BREAK SPACE}{board.mark(one)}".strip(), few(names, MOST_NAMES)]
        row += [*values[:1], *validation, few(changed, MOST_PARAMS)]
        rows.append([*row, quote(one.author) if one.author else "", one.age, *values[1:]])
    return headers, rows


def plain(text: str, quote: Callable[[str], str]) -> str:
    """Return a written value without the code marks that only Markdown has."""
    return text if quote is code else text.strip("`")


def few(names: list[str], most: int) -> str:
    """Write a list, of a long one the first and how many follow."""
    more = [f"{len(names) - most:,} more"] if len(names) > most else []
    return ", ".join(names[:most] + more)


def legend(board: Board) -> str:
    """Say in Markdown what the table is sorted by and what its marks mean."""
    if not board.experiments:
        return "There is nothing yet: no branch, tag or experiment."
    way = {1: ", higher is better", -1: ", lower is better", 0: ""}[board.rules.direction]
    sentences = [f"Sorted by {code(board.rules.metric)}{way}." if board.rules.metric else ""]
    if board.best:
        near = any(board.mark(one) == "≈" for one in board.experiments)
        within = "; ≈ cannot be told from it, the difference is within noise" if near else ""
        sentences.append(f"⭐ is the best{within}.")
    sentences.append(f"Parameters are those that differ from {code(board.baseline)}.")
    others = len(board.experiments) - len(board.comparable)
    if others:
        predicted = code(str(target(board.params)))
        sentences.append(
            f"{others:,} out of competition: another column than {predicted} is predicted."
        )
    stale = sum(one.stale for one in board.experiments)
    if stale:
        sentences.append(
            f"{stale:,} changed since the last run, so the metrics in Git are not theirs."
        )
    without = sum(not one.metrics and not one.stale for one in board.experiments)
    if without:
        sentences.append(
            f"{without:,} without metrics in Git: not run yet, or metrics lack `cache: false`."
        )
    return " ".join(filter(None, [*sentences, how_to_fetch("other branches")]))


def markdown(board: Board, style: Style) -> str:
    """Write the board as a Markdown table."""
    headers, rows = cells(board, style, code)
    texts = ("#", "Experiment", "Changed parameters", "Author", "Age")
    numbers = tuple(column for column, name in enumerate(headers) if name not in texts)
    body = table(headers, rows, numbers) + "\n\n" if rows else ""
    left = len(board.experiments) - len(rows)
    more = f" {left:,} more: `uv run python ci/leaderboard.py`." if left > 0 else ""
    return f"{body}{legend(board)}{more}"


def terminal(board: Board, style: Style) -> str:
    """Write the board as a table of plain text."""
    headers, rows = cells(board, style, printable)
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


def with_checkout(comparison: Comparison, rules: Rules, stale: bool) -> Board:
    """Return the board of a report: this checkout, with results not committed yet, is on it."""
    head, baseline = comparison.head, comparison.baseline
    metrics = {} if stale else head.metrics
    here = Experiment((HERE,), "checkout", "", "", "", "now", metrics, head.params, stale)
    experiments = ranked(fold([*collect(), here]), rules, head.params)
    name, params = (baseline.revision, baseline.params) if baseline else (CHECKOUT, head.params)
    return Board(experiments, rules, name, params, head.params)


FORMATS: dict[str, Callable[[Board, Style], str]] = {
    "md": markdown,
    "html": lambda board, style: page.render("Leaderboard", [markdown(board, style)]),
    "json": lambda board, _: json.dumps(records(board), indent=2, default=str),
    "csv": lambda board, _: to_csv(board),
}


def promote(name: str, branch: str) -> str:
    """Make a branch of an experiment, a tag or another branch; return its commit.

    Raises:
        ValueError: there is no such experiment or there is such a branch, in one sentence.
    """
    tips = collect()
    found = {
        one.sha for one in tips if name in one.names or (one.sha.startswith(name) and name[6:])
    }
    if not found:
        known = [known for one in tips for known in one.names]
        near = difflib.get_close_matches(name, known, 1, 0) or ["HEAD"]
        raise ValueError(
            f"{name!r} is no branch, tag, experiment or sha; did you mean {near[0]!r}?"
        )
    if len(found) > 1:
        shas = ", ".join(sorted(sha[:10] for sha in found))
        raise ValueError(f"{name!r} is the name of several commits; choose one by its sha: {shas}")
    if not git("check-ref-format", "--branch", branch):
        raise ValueError(
            f"{branch!r} cannot be the name of a branch; allowed is for example 'best'"
        )
    if git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}"):
        raise ValueError(f"the branch {branch!r} exists already; choose another name")
    sha = found.pop()
    print(f"$ git branch {branch} {sha[:10]}")
    git("branch", "--no-track", branch, sha)
    return sha


def read_arguments(arguments: list[str] | None) -> Namespace:
    """Read the command line."""
    parser = settings.Parser(
        prog="leaderboard.py", description="Everything that was tried, the best first."
    )
    parser.add_argument("--baseline", default="", help="whose parameters are not shown; see run.py")
    parser.add_argument(
        "--metrics-format", default=BRIEF, type=settings.pattern, help="numeral.js pattern"
    )
    parser.add_argument("--limit", type=int, default=1000, help="rows of a table; default: 1000")
    group = parser.add_mutually_exclusive_group()
    for name in FORMATS:
        group.add_argument(f"--{name}", dest="form", action="store_const", const=name)
    commands = parser.add_subparsers(dest="command", metavar="promote NAME BRANCH")
    command = commands.add_parser("promote", help="make an experiment a branch")
    command.add_argument("name", help="an experiment, branch, tag or sha of the table")
    command.add_argument("branch", help="the branch to make")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Print the board or promote an experiment; return the exit code."""
    os.chdir(Path(__file__).resolve().parent.parent)
    settings.print_utf8()
    chosen = read_arguments(arguments)
    try:
        if not git("rev-parse", "--git-dir"):
            raise ValueError("this folder is no Git repository; `git init` makes it one")
        if chosen.command:
            promote(chosen.name, chosen.branch)
            print(f"Next: git switch {chosen.branch}, uv run dvc checkout, uv run dvc push")
            return 0
        write = FORMATS.get(chosen.form, terminal)
        print(write(make(chosen.baseline), Style(chosen.metrics_format, chosen.limit)))
    except ValueError as error:
        print(f"leaderboard.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
