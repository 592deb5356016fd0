"""Markdown that GitHub, GitLab and Bitbucket all render the same, whatever the names in it are."""

import os
import re

from tabulate import tabulate

LONGEST = 120  # characters of one name or value; more would make a table unreadable
INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
SPECIAL = re.compile(r"[\\`*_{}\[\]<>()#+\-.!|~&@:$/%^=\"']")


def shorten(value: str, longest: int = LONGEST) -> str:
    """Return the text on one line, its middle left out where it is too long."""
    line = INVISIBLE.sub(" ", value)
    if len(line) <= longest:
        return line
    return f"{line[: longest * 2 // 3]}…{line[-(longest // 3) :]}"


def text(value: str) -> str:
    """Return foreign text that is shown as it is: no formatting, HTML, mention or link comes of it.

    A character reference alone does not stop `@name`, `#1` or `!1` (the references are resolved
    before mentions are looked for), so an invisible word joiner follows it.
    """
    escaped = SPECIAL.sub(lambda match: f"&#{ord(match[0])};", shorten(value))
    return re.sub(r"&#(64|35|33|58|46|37|36);(?=\S)", r"&#\1;&#8288;", escaped)


def code(value: str) -> str:
    """Return a name as code, in which nothing is formatted; with a pipe or backtick, as text.

    Those two end a table's cell or the code itself, and the providers differ in how to escape them.
    """
    line = shorten(value).strip()
    return text(line) if not line or "|" in line or "`" in line else f"`{line}`"


def block(lines: str) -> str:
    """Return several lines as they are, in a fence that nothing inside them can close."""
    longest = max(map(len, re.findall("`+", lines)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{lines}\n{fence}"


def table(headers: list[str], rows: list[list[str]], right: tuple[int, ...]) -> str:
    """Return a pipe table whose cells are Markdown; the columns in `right` hold numbers."""
    align = ["right" if column in right else "left" for column in range(len(headers))]
    return str(tabulate(rows, headers, tablefmt="pipe", colalign=align, disable_numparse=True))


def is_bitbucket() -> bool:
    """Tell whether Bitbucket shows what is written: it draws no Mermaid and folds nothing."""
    return bool(os.environ.get("BITBUCKET_BUILD_NUMBER"))


def fold_away(summary: str, body: str) -> str:
    """Return a part that opens on a click; Bitbucket shows HTML as text, so there it is open."""
    if is_bitbucket():
        return f"**{summary}**\n\n{body}"
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"
