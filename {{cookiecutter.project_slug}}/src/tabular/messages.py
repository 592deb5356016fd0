"""How what is wrong with data is said, and where."""

import sys
{%- if cookiecutter.compute == 'dask' %}
import threading
{%- endif %}
from collections.abc import Sequence

import pandas as pd
{%- if cookiecutter.compute == 'dask' %}

notes = threading.local()
{%- endif %}


class DataError(Exception):
    """Data that cannot be used; each argument is a sentence that says where and what to do."""


def list_problems(place: str, problems: Sequence[str]) -> str:
    """Return the sentence that says what is wrong, or their number and twenty lines of them."""
    if len(problems) == 1:
        return f"{place}: {problems[0]}"
    return "\n- ".join([f"{place}: {len(problems)} problems", *problems[:20]])


def tell(sentence: str) -> None:
    """Print what a reader should know."""
{%- if cookiecutter.compute == 'dask' %}
    if hasattr(notes, "kept"):
        notes.kept.append(sentence)
        return
{%- endif %}
    print(f"note: {sentence}", file=sys.stderr)
{%- if cookiecutter.compute == 'dask' %}


def keep_notes() -> list[str]:
    """Return a list that gets what this thread would tell; a worker has no reader."""
    notes.kept = []
    return notes.kept
{%- endif %}


def name_rows(rows: pd.Index) -> str:
    """Return how many rows these are and the numbers of the first five."""
    labels = [" ".join(map(str, row)) if isinstance(row, tuple) else str(row) for row in rows[:5]]
    if len(rows) == 1:
        return f"row {labels[0]}"
    return f"{len(rows)} rows ({', '.join(labels)}{', …' if len(rows) > 5 else ''})"


def one_line(error: object) -> str:
    """Return a message without its line breaks."""
    return " ".join(str(error).split())
