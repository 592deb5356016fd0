"""Promise: whatever a user answers, the files are whole, valid and carry the answers."""

import ast
import json
import re
import tomllib
from collections.abc import Callable
from itertools import combinations, product

import pytest
import yaml
from answers import CHOICES, QUESTIONS, each_pair, each_value, name_of, pairs_of, possible
from conftest import TEMPLATE, BakedProject, run
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HOSTILE = {
    "quotes": """It's "quoted" `name`""",
    "triple quotes": '"""\'\'\'"""',
    "backslashes": r"C:\new\table\u0041 \\",
    "braces": "{a} {{ '{{ b }}' }} {{ '{% if %}' }} ${c}",
    "unicode": "Ünïcødé 学習 Ω",
    "emoji": "🚀 rocket 👩‍🔬",
    "yaml and markdown": "# - a: [b] | *c* <d> &e %f @g !h",
    "200 characters": "x" * 200,
}
PAGES = ("README.md", "AGENTS.md", "RECIPES.md", "SECRETS.md", "ci/README.md")
SUFFIX = r"\.(?:py|md|ya?ml|json|toml|lock|csv|parquet|joblib|html|txt|ipynb|sh|dvc)"
# A path in a text: a file by how it ends, a folder by its slash; no address and no place at home.
NAMED = rf"(?:[.\w-]+/)*[.\w-]*\w{SUFFIX}|(?:[.\w-]+/)+"
PATH = re.compile(rf"(?<![\w./:<>*~$-])(?!\.\./)({NAMED})(?![\w/<*${{])")
MADE = {  # by the hook, the stages, `ci run`, or a command beside which it is named
    ".cruft.json", "uv.lock", "dvc.lock", "metrics.json", "plots/", "plots/test_rows.csv",
    "models/model.joblib", "models/model.json", "data/source/", "data/source.dvc", "data/schema.yaml",
    "report.md", "report.html", "report-pictures/", "requirements.txt", "predictions.csv",
}  # fmt: skip
BROUGHT = {"my-data.csv", "new.csv", "notebooks/", "data/source/images.parquet"}  # by the reader
PARSERS: dict[str, Callable[[str], object]] = {
    ".json": json.loads,
    ".py": ast.parse,
    ".toml": tomllib.loads,
    ".yaml": yaml.safe_load,
    ".yml": yaml.safe_load,
}


def assert_whole(project: BakedProject, typed: str = "") -> None:
    """Check that every file parses, and that no Jinja is left but for what the user typed."""
    files = [path for path in project.path.rglob("*") if path.is_file()]
    assert {"README.md", "LICENSE", "pyproject.toml", "dvc.yaml"} <= {path.name for path in files}
    for path in files:
        assert "cookiecutter" not in path.name
        assert "{%" not in path.name
        text = path.read_text(encoding="utf-8")
        ours = text.replace(typed, "") if typed else text
        assert not re.search(r"\{[%#]-? |cookiecutter\.", ours), path
        PARSERS.get(path.suffix, str)(text)
        assert text.endswith("\n") or not text, f"{path} does not end with a newline"


def assert_names_what_is_there(project: BakedProject) -> None:
    """Check that the pages name only files that the project has, or that somebody makes."""
    known = {path.name for path in project.path.rglob("*")}
    for page in PAGES:
        text = re.sub(r"\w+://\S+", "", project.read(page))
        listings = re.findall(r"^# (\S+)$|--outs (\S+)", text, re.MULTILINE)
        fine = MADE | BROUGHT | {name for pair in listings for name in pair}
        folders = (project.path, (project.path / page).parent)
        for name in {*PATH.findall(text), *re.findall(r"\]\(([\w./-]+)\)", text)} - fine:
            is_there = any((folder / name).exists() for folder in folders)
            assert is_there or name in known, f"{page} names {name}"


@pytest.mark.parametrize("answers", each_value() + each_pair(), ids=name_of)
def test_every_combination_is_whole(render, answers: dict[str, str]) -> None:
    project = render(**answers)
    assert_whole(project)
    assert_names_what_is_there(project)
    pyproject = tomllib.loads(project.read("pyproject.toml"))
    assert pyproject["project"]["license"].removeprefix("LicenseRef-") == answers["license"]
    assert project.read(".python-version").strip() == answers["python_version"]
    assert pyproject["dependency-groups"]["ci"] == [f"mlci[{answers['remote']}]"]
    package = tomllib.loads(project.read("ci/pyproject.toml"))["project"]
    assert answers["remote"] in package["optional-dependencies"]


def test_the_cases_hold_every_value_and_every_pair() -> None:
    """An answer or a value that is added to cookiecutter.json is baked from that day on."""
    several = [name for name in CHOICES if len(CHOICES[name]) > 1]
    single = {name: values[0] for name, values in CHOICES.items() if name not in several}
    values = {
        (name, value)
        for name in CHOICES
        for value in CHOICES[name]
        if possible(single | {name: value})
    }
    assert {item for answers in each_value() for item in answers.items()} == values
    pairs = {  # those that go together
        tuple(sorted(zip(names, pair, strict=True)))
        for names in combinations(several, 2)
        for pair in product(*(CHOICES[name] for name in names))
        if possible(single | dict(zip(names, pair, strict=True)))
    }
    cases = [{name: case[name] for name in several} for case in each_pair()]
    assert set.union(*map(pairs_of, cases)) == pairs


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_free_text_arrives_as_it_was_typed(render, text: str) -> None:
    project = render(project_name=text, description=text, author_name=text, project_slug="safe")
    typed = text.replace("{{ '", "").replace("' }}", "")  # cookiecutter renders every answer
    assert_whole(project, typed)
    metadata = tomllib.loads(project.read("pyproject.toml"))["project"]
    assert metadata["description"] == typed
    assert metadata["authors"] == [{"name": typed}]
    assert typed in project.read("LICENSE")
    assert project.read("README.md").startswith(f"# {typed}\n")


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_name_gives_a_usable_slug(render, name: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]{1,50}", render(project_name=name).path.name)


def test_no_key_of_the_questions_is_written_twice() -> None:
    """Of two keys of one name JSON takes the last, and says nothing."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len(pairs) == len(dict(pairs)), [name for name, _ in pairs]
        return dict(pairs)

    text = (TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8")
    json.loads(text, object_pairs_hook=once)


def test_every_question_has_a_prompt_and_every_choice_an_explanation() -> None:
    prompts = QUESTIONS["__prompts__"]
    assert set(prompts) == {name for name in QUESTIONS if name[0] != "_"}
    for name, values in CHOICES.items():
        assert set(prompts[name]) >= {"__prompt__", *values}


def canonical(requirement: str) -> str:
    """Return the name in a requirement as package registries compare it."""
    return canonicalize_name(Requirement(requirement).name)


def test_no_dependency_can_be_the_name_of_a_project(render) -> None:
    """The reserved names are exactly the direct dependencies, over all remotes and machines."""
    groups = []
    for project in [render(compute=compute) for compute in CHOICES["compute"]]:
        pyproject = tomllib.loads(project.read("pyproject.toml"))
        package = tomllib.loads(project.read("ci/pyproject.toml"))["project"]
        groups += [pyproject["project"]["dependencies"], *pyproject["dependency-groups"].values()]
        groups += [package["dependencies"], *package["optional-dependencies"].values()]
    names = {canonical(entry) for group in groups for entry in group}
    own = {canonical(entry) for entry in QUESTIONS["_dependencies"]}
    assert names | own == set(QUESTIONS["_reserved_slugs"]) | own


def test_each_remote_has_the_packages_that_dvc_needs_for_it(render) -> None:
    package = tomllib.loads(render().read("ci/pyproject.toml"))["project"]
    assert set(package["optional-dependencies"]) >= set(CHOICES["remote"])


def test_the_templates_of_jinja_are_few_and_flat() -> None:
    """What a person cannot read is not copied: one conditional in 25 lines, never deeper than two."""
    folders = [TEMPLATE / "{{cookiecutter.project_slug}}", TEMPLATE / "templates"]
    tracked = run("git", "ls-files", "-z", *folders, cwd=TEMPLATE).stdout.split("\0")[:-1]
    lines = conditionals = 0
    for name in tracked:
        text = (TEMPLATE / name).read_text(encoding="utf-8")
        lines += text.count("\n")
        depth = 0
        for end in re.findall(r"\{%-? *(end)?(?:if|elif|for)\b", text):
            depth += -1 if end else 1
            conditionals += 0 if end else 1
            assert depth <= 2, name
    assert conditionals * 25 <= lines
