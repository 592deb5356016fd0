"""Promise: a fresh project is green at once, and stays so in a teammate's clone."""

import shutil
from pathlib import Path

import pytest
from answers import each_value, name_of
from conftest import TEMPLATE, run


@pytest.mark.slow
@pytest.mark.parametrize("answers", each_value(), ids=name_of)
def test_a_fresh_project_is_green(bake, answers: dict[str, str]) -> None:
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


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_teammate_gets_data_and_model_from_the_local_remote(
    bake, tmp_path: Path, task: str
) -> None:
    project = bake(task=task, remote="local")
    project.run("dvc", "repro")
    project.git("add", "--all")
    project.git("commit", "--quiet", "-m", "Train")
    project.run("dvc", "push")
    shutil.rmtree(project.path / ".dvc" / "cache")

    clone = project.clone(tmp_path / "clone")
    clone.run("dvc", "pull")
    for name in ("data/source", "data/raw", "models"):
        files = [path for path in (project.path / name).iterdir() if path.name != ".gitignore"]
        assert files
        for path in files:
            assert (clone.path / name / path.name).read_bytes() == path.read_bytes()
    assert "up to date" in clone.run("dvc", "status").stdout
    assert "up to date" in clone.run("dvc", "repro").stdout

    # Another project imports the dataset and takes the model, as "Share data" of the README says.
    other = tmp_path / "other"
    other.mkdir()
    run("git", "init", "--quiet", cwd=other)
    run("dvc", "init", "--quiet", cwd=other)
    (other / "data").mkdir()
    run("dvc", "import", clone.path, "data/source", "-o", "data/source", cwd=other)
    run("dvc", "get", clone.path, "models/model.joblib", cwd=other)
    for name in (
        "model.joblib",
        *(f"data/source/{p.name}" for p in (other / "data/source").iterdir()),
    ):
        source = clone.path / name if "/" in name else clone.path / "models" / name
        assert (other / name).read_bytes() == source.read_bytes()


@pytest.mark.slow
def test_the_template_and_a_default_bake_pass_the_repository_review(bake) -> None:
    for folder in (TEMPLATE, bake().path):
        run("sp-repo-review", folder, cwd=folder)
