"""Promise: a project takes what its template learned, and loses nothing of its own."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from conftest import TEMPLATE, BakedProject, run


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """Return a copy of this template as a repository of its own, so that it can be changed."""
    copy = tmp_path / "template"
    tracked = run(
        "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=TEMPLATE
    )
    for name in filter(None, tracked.stdout.split("\0")):
        if (TEMPLATE / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TEMPLATE / name, copy / name)
    run("git", "init", "--quiet", "--initial-branch", "main", cwd=copy)
    commit(copy, "The template")
    return copy


def commit(repository: Path, message: str) -> None:
    """Commit all that is there."""
    run("git", "add", "--all", cwd=repository)
    run("git", "commit", "--quiet", "-m", message, cwd=repository)


def replace(path: Path, old: str, new: str) -> None:
    """Replace text that must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.slow
def test_an_update_brings_the_new_and_keeps_the_own(template: Path, tmp_path: Path) -> None:
    run("cruft", "create", template, "--no-input", cwd=tmp_path)
    project = BakedProject(tmp_path / "my-ml-project", tmp_path / "environment")
    commit(project.path, "Link the template")
    config, log = project.read(".dvc/config"), project.git("log", "--format=%H")

    replace(project.path / "params.yaml", "seed: 42", "seed: 7")
    replace(project.path / "pyproject.toml", '  "joblib', '  "humanize>=4",\n  "joblib')
    run("uv", "lock", "--quiet", cwd=project.path)
    commit(project.path, "Our own seed and dependency")

    files = template / "{{cookiecutter.project_slug}}"
    with (files / ".gitignore").open("a", encoding="utf-8") as file:
        file.write("/from-the-template\n")
    replace(files / "pyproject.toml", '  "tabulate', '  "packaging>=24",\n  "tabulate')
    answers = json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))
    answers["_remotes"]["local"]["title"] = "a renamed remote"
    (template / "cookiecutter.json").write_text(json.dumps(answers), encoding="utf-8")
    commit(template, "What the template learned")

    run("cruft", "update", "--skip-apply-ask", cwd=project.path)
    run("uv", "lock", "--quiet", cwd=project.path)
    assert "/from-the-template" in project.read(".gitignore")
    assert "a renamed remote" in project.read("ci/remote.json")
    assert '"packaging>=24"' in project.read("pyproject.toml")
    assert "seed: 7" in project.read("params.yaml")
    assert '"humanize>=4"' in project.read("pyproject.toml")
    assert {'name = "humanize"', 'name = "packaging"'} <= set(project.read("uv.lock").splitlines())
    assert project.read(".dvc/config") == config
    assert log in project.git("log", "--format=%H")
    assert not [path for path in project.path.rglob("*.rej") if ".venv" not in path.parts]
    assert run("git", "grep", "-l", "^<<<<<<<", cwd=project.path, check=False).stdout == ""
    run("cruft", "check", cwd=project.path)


@pytest.mark.slow
def test_an_organisation_tests_its_own_answers(template: Path) -> None:
    """Other values first, some taken out, a bucket of its own: the tests hold, or are skipped."""
    path = template / "cookiecutter.json"
    answers = json.loads(path.read_text(encoding="utf-8"))
    answers |= {"remote": ["s3", "local", "ssh"], "ci": ["gitlab", "github"]}
    answers |= {"license": ["Proprietary", "MIT"], "author_name": "ACME"}
    answers["_remotes"]["s3"] |= {"url": "s3://ours/{slug}", "endpoint": "https://s3.example.com"}
    path.write_text(json.dumps(answers), encoding="utf-8")
    commit(template, "Our defaults")
    files = [f"tests/test_{name}.py" for name in ("bake", "doctor", "refusals")]
    fast = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", *files]
    run(*fast, cwd=template)
