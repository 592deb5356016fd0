"""Promise: what has to stand in two places says the same in both."""

import re
from typing import Any

import histories
import yaml
from answers import CHOICES, QUESTIONS
from conftest import TEMPLATE
from loading import load
from mlci.settings import VARIABLES
from mlci.storage.remote import NAME
from mlci.writing import sections
from test_lint import FILES

SET_BY_CI = "apply_command"
# A file of its own, which imports nothing of the package.
publish = load(histories.CI / "publish.py")


def page(name: str) -> str:
    """Return one of the template's documents."""
    return (TEMPLATE / name).read_text(encoding="utf-8")


def test_how_large_a_report_and_its_results_may_be() -> None:
    assert sections.LONGEST == publish.MAX_COMMENT
    assert f"at most {sections.LONGEST:,} characters" in page("docs/report.md")
    room = f"at most {publish.MAX_FILES} of {publish.MAX_BYTES // 10**6} MB together"
    assert room in page("docs/ci.md")


def test_the_variables_of_a_run() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| (.*?) \|", page("docs/run.md"), re.MULTILINE)
    described = dict(rows)
    assert described.keys() == VARIABLES.keys()
    for name, variable in VARIABLES.items():
        if variable.default:
            assert described[name] == f"`{variable.default}`"


def form(ci: str, file: dict[Any, Any]) -> set[str]:
    """Return the variables that a run by hand is asked for."""
    if ci == "github":
        # YAML 1.1 takes the key `on` for true.
        return set(file[True]["workflow_dispatch"]["inputs"]) - {"only_these"}
    if ci == "gitlab":
        return {name for name, value in file["variables"].items() if isinstance(value, dict)}
    first, *_ = file["pipelines"]["custom"]["run"]
    return {variable["name"] for variable in first["variables"]}


def test_the_variables_in_the_files_of_ci(render) -> None:
    """Each has the same fields; docs/ci.md names those without one."""
    (without,) = re.findall(r"and (`time_limit`.*?), which have no field", page("docs/ci.md"))
    fields = VARIABLES.keys() - {SET_BY_CI} - set(re.findall(r"`(\w+)`", without))
    for ci in CHOICES["ci"]:
        file = yaml.safe_load(render(ci=ci).read(FILES[ci]))
        assert form(ci, file) == fields, ci
        if ci == "github":
            ours = file["env"].keys() - QUESTIONS["_ci_environment"].keys()
            assert ours == VARIABLES.keys() - {SET_BY_CI}


def test_the_name_of_the_remote() -> None:
    hook = page("hooks/post_gen_project.py")
    assert f'"    remote = {NAME}"' in hook
    assert f"['remote \\\"{NAME}\\\"']" in hook
    files = (TEMPLATE / "templates").rglob("*.md")
    texts = [hook, page("cookiecutter.json"), *(path.read_text(encoding="utf-8") for path in files)]
    command = r"remote (?:add|modify)(?: --\w+)* (\w+)"
    named = [name for text in texts for name in re.findall(command, text)]
    assert len(named) > 10
    assert set(named) == {NAME}


def test_the_titles_of_remotes_and_providers() -> None:
    for question, table in (("remote", "_remotes"), ("ci", "_ci")):
        prompts = QUESTIONS["__prompts__"][question]
        for name in CHOICES[question]:
            shown, _, said = prompts[name].partition(" - ")
            assert shown.strip() == name
            assert said.startswith(QUESTIONS[table][name]["title"])
