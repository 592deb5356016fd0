"""The answers a user can give, read from cookiecutter.json: a value added there is tested."""

import json
from itertools import combinations, product
from pathlib import Path

import pytest
from allpairspy import AllPairs

TEMPLATE = Path(__file__).parents[1]
V0_1_0 = "9c38e2d4dc2ac43ff3234b8baf3ae786e1ae97aa"  # the release 0.1.0: tags may not travel
QUESTIONS = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
CHOICES: dict[str, list[str]] = {
    name: values
    for name, values in QUESTIONS.items()
    if isinstance(values, list) and name[0] != "_"
}
REMOTES = {name: QUESTIONS["_remotes"][name] for name in CHOICES["remote"]}
# What a test takes for granted where it says nothing, whatever an organisation puts first.
GIVEN = {
    "task": "classification", "ci": "github", "remote": "local", "compute": "local", "license": "MIT"
}  # fmt: skip
KEYLESS = {name: spec["oidc"] for name, spec in REMOTES.items() if spec["oidc"]}
# Answers that go together, where this organisation has them.
CAN_BE_KEYLESS = bool(KEYLESS) and "oidc" in CHOICES["credentials"]
OIDC = {"remote": next(iter(KEYLESS), ""), "credentials": "oidc"} if CAN_BE_KEYLESS else {}


def settle(answers: dict[str, str]) -> dict[str, str]:
    """Complete a test's answers; skip it where it is about one that this organisation took out."""
    given = {name: v if v in CHOICES[name] else CHOICES[name][0] for name, v in GIVEN.items()}
    for name, value in answers.items():
        explained = QUESTIONS["__prompts__"].get(name)
        if name in CHOICES and value not in CHOICES[name] and value in explained:
            pytest.skip(f"{name}={value} cannot be chosen here")
    return given | answers


def possible(answers: dict[str, str]) -> bool:
    """Tell whether the answers given so far go together (tests/test_refusals.py has the others)."""
    oidc = answers.get("credentials") == "oidc"
    return not oidc or (
        answers.get("ci") != "bitbucket" and answers.get("remote", OIDC.get("remote")) in KEYLESS
    )


def each_value(*names: str) -> list[dict[str, str]]:
    """Return a few combinations that hold every value of these answers, or of all, at least once."""
    count = max(len(CHOICES[name]) for name in names or CHOICES)
    cases = [{name: v[i % len(v)] for name, v in CHOICES.items()} for i in range(count)]
    oidc = {name: v[0] for name, v in CHOICES.items()} | OIDC
    cases = [case if possible(case) else case | {"credentials": "secrets"} for case in cases]
    return [*cases, *([oidc] if possible(oidc) else [])]


def each_pair() -> list[dict[str, str]]:
    """Return combinations in which every two values that go together meet at least once."""
    single = {name: values[0] for name, values in CHOICES.items() if len(values) == 1}
    several = {name: values for name, values in CHOICES.items() if len(values) > 1}

    def meets(row: list[str]) -> bool:
        return possible(single | dict(zip(several, row, strict=False)))

    rows = AllPairs(several.values(), filter_func=meets)
    cases = [dict(zip(several, row, strict=True)) for row in rows]
    default = single | {name: values[0] for name, values in several.items()}
    for names in combinations(
        several, 2
    ):  # what AllPairs gave up on, since some do not go together
        for pair in product(*(several[name] for name in names)):
            met = dict(zip(names, pair, strict=True))
            if possible(single | met) and not any(met.items() <= case.items() for case in cases):
                cases.append(next(c for c in (default | met, default | OIDC | met) if possible(c)))
    return [single | case for case in cases]


def pairs_of(answers: dict[str, str]) -> set[tuple[tuple[str, str], ...]]:
    """Return every two of the answers, in the order of their names."""
    return set(combinations(sorted(answers.items()), 2))


def name_of(answers: dict[str, str]) -> str:
    """Return a name for a test case."""
    return "-".join(answers.values())
