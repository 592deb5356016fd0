"""The answers a user can give, read from cookiecutter.json: a value added there is tested."""

import json
from itertools import combinations

from allpairspy import AllPairs
from conftest import TEMPLATE

QUESTIONS = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
REMOTES = QUESTIONS["_remotes"]
CHOICES: dict[str, list[str]] = {
    name: values
    for name, values in QUESTIONS.items()
    if isinstance(values, list) and name[0] != "_"
}


def each_value() -> list[dict[str, str]]:
    """Return as few combinations as hold every value of every answer at least once."""
    count = max(map(len, CHOICES.values()))
    return [{name: v[i % len(v)] for name, v in CHOICES.items()} for i in range(count)]


def each_pair() -> list[dict[str, str]]:
    """Return combinations in which every two values of two answers meet at least once."""
    several = {name: values for name, values in CHOICES.items() if len(values) > 1}
    return [dict(zip(several, values, strict=True)) for values in AllPairs(several.values())]


def pairs_of(answers: dict[str, str]) -> set[tuple[tuple[str, str], ...]]:
    """Return every two of the answers, in the order of their names."""
    return set(combinations(sorted(answers.items()), 2))


def name_of(answers: dict[str, str]) -> str:
    """Return a name for a test case."""
    return "-".join(answers.values())
