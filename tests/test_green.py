"""Promise: a fresh project is green at once, and stays so in a teammate's clone."""

import shutil
import sys
from pathlib import Path

import pytest
from answers import each_value, name_of
from conftest import TEMPLATE, run

# What a remote changes is its packages, which tests/test_remotes.py installs.
CASES = each_value("task", "ci", "runner", "compute", "python_version")
LOCAL = [case | {"remote": "local", "credentials": "secrets"} for case in CASES]
UNIQUE = list({name_of(case): case for case in LOCAL}.values())


@pytest.mark.slow
@pytest.mark.parametrize("answers", UNIQUE, ids=name_of)
def test_a_fresh_project_is_green(bake, tmp_path: Path, answers: dict[str, str]) -> None:
    project = bake(**answers)
    project.run("ruff", "check")
    project.run("ruff", "format", "--check")
    # The template's own, which a team's settings do not reach.
    everything = ("--config", "extend-exclude = ['ci']", "src/tabular")
    project.run("ruff", "check", *everything)
    project.run("ruff", "format", "--check", *everything)
    project.run("mypy", "--package", "tabular")
    project.run("pre-commit", "run", "--all-files")
    project.run("pytest", "-p", "no:cacheprovider")
    assert project.git("status", "--short") == ""

    project.run("dvc", "repro")
    assert "up to date" in project.run("dvc", "status").stdout
    new = {line.removeprefix("?? ") for line in project.git("status", "--short").splitlines()}
    assert new == {"dvc.lock", "metrics.json", "plots/"}

    # A teammate gets data and model from the remote.
    project.git("add", "--all")
    project.git("commit", "--quiet", "-m", "Train")
    project.run("dvc", "push")
    shutil.rmtree(project.path / ".dvc" / "cache")
    clone = project.clone(tmp_path / "clone")
    clone.run("dvc", "pull")
    for name in ("data/source", "data/raw", "models"):
        found = (project.path / name).rglob("*")  # with compute=dask tables are folders of parts
        files = [path for path in found if path.is_file() and path.name != ".gitignore"]
        assert files
        for path in files:
            theirs = clone.path / path.relative_to(project.path)
            assert theirs.read_bytes() == path.read_bytes()
    assert "up to date" in clone.run("dvc", "status").stdout
    assert "up to date" in clone.run("dvc", "repro").stdout


@pytest.mark.slow
def test_a_teams_own_settings_do_not_reach_what_the_template_keeps(render) -> None:
    project = render()
    settings = project.path / "pyproject.toml"
    text = settings.read_text(encoding="utf-8").replace("line-length = 100", "line-length = 79")
    settings.write_text(text.replace("strict = false", "strict = true"), encoding="utf-8")
    assert "strict = true" in settings.read_text(encoding="utf-8")
    found = [
        run("ruff", "format", "--check", cwd=project.path, check=False).stdout,
        run("ruff", "check", "--select", "E501", cwd=project.path, check=False).stdout,
        run("mypy", "--python-executable", sys.executable, cwd=project.path, check=False).stdout,
    ]
    for text in found:
        assert "src/" in text
        assert "src/tabular" not in text
        assert "ci/" not in text.replace("src/", "")


@pytest.mark.slow
def test_the_template_and_a_default_bake_pass_the_repository_review(bake) -> None:
    for folder in (TEMPLATE, bake().path):
        run("sp-repo-review", folder, cwd=folder)
