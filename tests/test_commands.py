"""Promise: who does not know the command `ci` finds the way in it, and an error is one sentence."""

import subprocess
import sys
from pathlib import Path

import histories
import pytest
from histories import Project
from mlci.__main__ import COMMANDS, main


@pytest.fixture
def outside(tmp_path: Path, monkeypatch) -> Path:
    """Work in a folder that is no project."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_alone_it_lists_its_commands(capsys, arguments: list[str]) -> None:
    assert main(arguments) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:-2]]
    assert listed == [*COMMANDS]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself_wherever_one_is(outside: Path, capsys, name: str) -> None:
    try:
        ended = main([name, "--help"])
    except SystemExit as end:
        ended = int(end.code or 0)
    said = capsys.readouterr()
    assert ended == 0
    assert f"ci {name}" in said.out
    assert said.err == ""
    assert list(outside.iterdir()) == []


def test_the_help_of_dvc_is_that_of_dvc(project: Project, monkeypatch, capfd) -> None:
    monkeypatch.chdir(project.root)
    assert main(["dvc", "push", "--help"]) == 0
    assert capfd.readouterr().out.startswith("usage: dvc push ")


def test_what_cannot_be_is_one_sentence(outside: Path, capsys) -> None:
    def refusal(*arguments: str) -> str:
        assert main([*arguments]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.count("\n") == 1
        return said.err

    assert refusal("rnu") == f"ci: 'rnu' is no command; there are: {', '.join(COMMANDS)}\n"
    assert refusal("leaderboard").startswith(f"ci leaderboard: {outside} lies in no project: ")
    (outside / ".dvc").mkdir()
    assert "no Git repository; `git init` makes it one" in refusal("leaderboard")
    assert list(outside.iterdir()) == [outside / ".dvc"]


def test_without_its_packages_it_names_one_and_the_way(tmp_path: Path) -> None:
    """As in a shell in which nobody typed `uv run`."""
    project = histories.new_project(tmp_path / "project")
    done = project.run(sys.executable, "-S", "ci", "leaderboard", check=False)
    assert done.returncode == 1
    assert done.stderr.endswith(" is not installed: use `uv run ci leaderboard`\n")
    assert done.stderr.count("\n") == 1


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    """As `head -1`, which goes before the rest is written."""
    project = histories.new_project(tmp_path / "project")
    with subprocess.Popen(
        [sys.executable, "ci", "leaderboard"], cwd=project.root, env=project.env,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as board:  # fmt: skip
        assert board.stdout
        assert board.stderr
        board.stdout.close()
        assert board.stderr.read() == ""
    assert board.returncode == 0
