"""Promise: a fresh project is green at once, and stays so in a teammate's clone."""

import shutil
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
def test_the_template_and_a_default_bake_pass_the_repository_review(bake) -> None:
    for folder in (TEMPLATE, bake().path):
        run("sp-repo-review", folder, cwd=folder)
