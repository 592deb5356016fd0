"""Promise: `make demo` trains two models, compares them, and says what is worth opening."""

import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest
from conftest import TEMPLATE, run
from loading import load

PROJECT = TEMPLATE / "build" / "demo" / "handwritten-digits"


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, loaded as a module, with a demo of its own that one run has left."""
    script = load(TEMPLATE / "scripts" / "demo.py")
    monkeypatch.setattr(script, "DEMO", tmp_path / "demo")
    monkeypatch.setattr(script, "PROJECT", tmp_path / "demo" / "project")
    script.PROJECT.mkdir(parents=True)
    run("git", "init", "--quiet", cwd=script.PROJECT)
    commit = ["git", "commit", "--quiet", "--allow-empty", "-m", "Train"]
    run(*commit, cwd=script.PROJECT, env=script.ENVIRONMENT)
    return script


def test_the_last_demo_gives_way_to_the_next(demo: ModuleType, tmp_path: Path) -> None:
    demo.make_room()
    assert list(tmp_path.iterdir()) == []
    demo.make_room()


@pytest.mark.parametrize("change", ["a file", "a commit", "an unfinished run"])
def test_a_demo_in_which_somebody_worked_is_kept(
    demo: ModuleType, tmp_path: Path, capsys, change: str
) -> None:
    if change == "an unfinished run":
        shutil.rmtree(demo.PROJECT / ".git")
    (demo.PROJECT / "mine.txt").write_text("kept")
    if change == "a commit":
        run("git", "add", "mine.txt", cwd=demo.PROJECT)
        run("git", "commit", "--quiet", "-m", "Mine", cwd=demo.PROJECT)
    (tmp_path / "demo-1").mkdir()
    demo.make_room()
    assert (tmp_path / "demo-2" / "project" / "mine.txt").read_text() == "kept"
    assert not (tmp_path / "demo").exists()
    assert f"kept in {tmp_path / 'demo-2'}" in capsys.readouterr().out


def test_the_tree_has_a_line_for_each_file_of_a_project(render) -> None:
    script = load(TEMPLATE / "scripts" / "demo.py")
    project = render()
    rows = dict(script.tree(project.path))
    assert all(rows.values())
    for path in filter(Path.is_file, project.path.rglob("*")):
        name = path.relative_to(project.path).as_posix()
        if not path.name.startswith("."):
            folders = [f"{folder.as_posix()}/" for folder in Path(name).parents]
            assert not {name, *folders}.isdisjoint(rows), name


@pytest.mark.slow
def test_the_demo_compares_two_models_and_can_be_run_again() -> None:
    status = run("git", "status", "--short", cwd=TEMPLATE).stdout
    done = run(sys.executable, TEMPLATE / "scripts" / "demo.py", cwd=TEMPLATE)

    assert run("git", "status", "--short", cwd=TEMPLATE).stdout == status
    begin = done.stdout.partition("The project, ")[2].partition("$ uv")[0]
    shown = [line.split()[0] for line in begin.splitlines() if line.startswith("  ")]
    tracked = run("git", "ls-files", cwd=PROJECT).stdout.split()
    tops = {name.split("/")[0] for name in tracked} - {"dvc.lock", "metrics.json", "plots"}
    assert {name.split("/")[0] for name in shown} == tops
    lines = map(str.strip, done.stdout.partition("worth opening")[2].splitlines())
    paths = [Path(line) for line in lines if Path(line).is_absolute()]
    assert len(paths) == 5
    assert all(path.is_file() for path in paths)
    report = (PROJECT / "report.md").read_text(encoding="utf-8")
    assert report.startswith("## 🟢 Better: `accuracy` 0.")
    assert report.splitlines()[2].startswith("After `train.random_forest.max_depth` changed.")
    assert run("git", "status", "--short", cwd=PROJECT).stdout == ""
