"""Promise: `ci update` takes what the template learned, and says all that is left to decide."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import run
from histories import Project, copy_scripts
from mlci.work import diagnosis, renewal

PYPROJECT = """\
[project]
name = "tiny"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = []

[tool.cruft]
skip = [".git", ".dvc", "uv.lock", "src/*"]
"""
FILES = {
    "pyproject.toml": PYPROJECT,
    "settings.txt": "one\ntwo\nthree\n",
    "old.txt": "of the first version\n",
    "src/own.py": "print('{{ cookiecutter.greeting }}')\n",
    ".gitignore": "__pycache__/\n",
}


@dataclass
class Template:
    """A template of a few files: enough for cruft, which is the real one."""

    root: Path

    def release(self, files: dict[str, str | None], tag: str) -> str:
        """Write files (None: remove one), commit them, and return the sha."""
        for name, text in files.items():
            path = self.root / "{{cookiecutter.project_slug}}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text, encoding="utf-8")
        run("git", "add", "--all", cwd=self.root)
        run("git", "commit", "--quiet", "--message", tag, cwd=self.root)
        run("git", "tag", "--annotate", tag, "--message", tag, cwd=self.root)
        return run("git", "rev-parse", "HEAD", cwd=self.root).stdout.strip()


@pytest.fixture
def template(tmp_path: Path) -> Template:
    """A template with its first version, v1."""
    root = tmp_path / "template"
    root.mkdir()
    run("git", "init", "--quiet", "--initial-branch", "main", cwd=root)
    questions = {"project_slug": "tiny", "greeting": "hello"}
    (root / "cookiecutter.json").write_text(json.dumps(questions), encoding="utf-8")
    template = Template(root)
    template.release(dict(FILES), "v1")
    return template


@pytest.fixture
def project(template: Template, tmp_path: Path) -> Project:
    """A project of v1, with an answer and the package of its own."""
    project = Project(tmp_path / "tiny", UV_OFFLINE="1")
    answers = {"project_slug": "tiny", "greeting": "good morning"}
    commit = run("git", "rev-parse", "HEAD", cwd=template.root).stdout.strip()
    linked = {
        "template": str(template.root),
        "commit": commit,
        "checkout": None,
        "context": {"cookiecutter": answers},
        "directory": None,
    }
    for name, text in FILES.items():
        project.write(name, text.replace("{{ cookiecutter.greeting }}", answers["greeting"]))
    project.write(".cruft.json", json.dumps(linked))
    project.git("init", "--quiet", "--initial-branch=main")
    copy_scripts(project.root, "local")
    project.run("uv", "lock", "--quiet")
    project.commit("Begin")
    return project


def state(project: Project) -> dict[str, str]:
    """Return everything that a failed update must leave as it was."""
    files = {path: path.read_text() for path in project.root.glob("*") if path.is_file()}
    return {str(path): text for path, text in files.items()} | {"": project.git("status", "-s")}


@pytest.mark.slow
def test_what_the_template_learned_is_taken_and_told(template: Template, project: Project) -> None:
    newest = template.release(
        {
            "settings.txt": "one\ntwo\nthree\nfour\n",
            "old.txt": None,
            "tool/a.txt": "a\n",
            "tool/b.txt": "b\n",
            "src/own.py": "print('{{ cookiecutter.greeting }}, better')\n",
        },
        "v2",
    )
    old = project.git("rev-parse", "HEAD")
    done = project.script("update")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert "From v1 to v2 of the template:" in done.stdout
    assert ["changed", "settings.txt"] in lines
    assert ["removed", "old.txt"] in lines
    assert ["taken", "tool/", "2", "files"] in lines
    assert "LEFT" not in done.stdout
    assert project.run("cat", "settings.txt").stdout.endswith("four\n")
    assert project.run("cat", "src/own.py").stdout == "print('good morning')\n"
    assert "were not touched: src/own.py" in done.stdout
    linked = json.loads((project.root / ".cruft.json").read_text())
    assert linked["commit"] == newest
    assert linked["checkout"] is None
    assert linked["context"]["cookiecutter"] == {"project_slug": "tiny", "greeting": "good morning"}
    assert project.git("rev-parse", "HEAD") == old  # the user looks, then commits

    hint = next(line.strip() for line in done.stdout.splitlines() if "--show" in line)
    assert "first" in project.script("update").stdout  # commit, or remove
    project.commit("Update from the template")
    assert project.script("update").stdout == (
        "Nothing to do: v2 is the newest version of the template.\n"
    )
    shown = project.script(*hint.removeprefix("uv run ci ").split())
    assert "-print('good morning')\n+print('good morning, better')\n" in shown.stdout
    project.write("their.patch", shown.stdout)
    project.git("apply", "their.patch")
    assert project.run("cat", "src/own.py").stdout == "print('good morning, better')\n"


@pytest.mark.slow
def test_what_could_not_be_decided_is_red_and_named(template: Template, project: Project) -> None:
    project.write("settings.txt", "one\nour two\nthree\n")
    project.write("pyproject.toml", PYPROJECT.replace("= []", '= ["humanize"]'))
    project.commit("Our own")
    template.release(
        {
            "settings.txt": "one\ntheir two\nthree\n",
            "pyproject.toml": PYPROJECT.replace("= []", '= ["packaging"]'),
            "new.txt": "new\n",
        },
        "v2",
    )
    done = project.script("update")
    assert done.returncode == 1
    left = {line.split()[1]: line for line in done.stdout.splitlines() if "LEFT" in line}
    assert set(left) == {"settings.txt", "pyproject.toml"}
    assert "<<<<<<<" in left["settings.txt"]
    assert "2 left to decide" in done.stdout
    assert done.stdout.index("\n  uv lock") < done.stdout.index("\n  git add --all")
    assert project.run("cat", "new.txt").stdout == "new\n"

    again = project.script("update")
    assert again.returncode == 1
    assert "is not finished: decide on" in again.stdout
    assert "settings.txt" in again.stdout


@pytest.mark.slow
def test_a_piece_that_does_not_fit_is_named_by_its_rej(
    template: Template, project: Project
) -> None:
    """So it is where Git has no version in common to merge by: here the link is to a wrong one."""
    template.release({"settings.txt": "1\ntwo\nthree\n"}, "v2")
    linked = json.loads((project.root / ".cruft.json").read_text())
    linked["commit"] = run("git", "rev-parse", "HEAD", cwd=template.root).stdout.strip()
    project.write(".cruft.json", json.dumps(linked))
    project.write("settings.txt", "uno\ndos\ntres\n")
    project.commit("Link it to the wrong version")
    template.release({"settings.txt": "1\n2\nthree\n"}, "v3")
    done = project.script("update")
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if "LEFT" in line]
    assert line.split()[1] == "settings.txt.rej"
    assert "put its lines into settings.txt by hand" in line


@pytest.mark.slow
def test_what_cruft_drops_without_a_word_is_left_to_decide(
    template: Template, project: Project
) -> None:
    """What cannot be merged by lines, what Git ignores here, and pieces that Git ignores."""
    template.release({"logo.png": "\0one"}, "v2")
    assert project.script("update").returncode == 0
    project.write("logo.png", "\0ours")
    project.write("old.txt", "our own recipe\n")
    (project.root / "settings.txt").rename(project.root / "renamed.txt")
    project.commit("Our own")
    project.write(".git/info/exclude", "*.rej\ntool/\n")
    project.write("tool/a.txt", "ours, for nobody else\n")
    template.release(
        {"logo.png": "\0two", "old.txt": None, "tool/a.txt": "a\n", "settings.txt": "1\n"}, "v3"
    )
    done = project.script("update")
    assert done.returncode == 1
    left = {line.split()[1]: line for line in done.stdout.splitlines() if "LEFT" in line}
    assert {name.removesuffix(".rej") for name in left} == {"logo.png", "old.txt", "tool/a.txt"}
    assert (project.root / "tool" / "a.txt").read_text() == "ours, for nobody else\n"
    assert (project.root / "old.txt").read_text() == "our own recipe\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("dirty", "Commit or remove your own changes first: mine.txt"),
        ("unlinked", "git add .cruft.json"),
        ("no skip list", "as the template has it"),
        ("no template", "cannot be reached: "),
        ("broken template", "could not be rendered: "),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    template: Template, project: Project, fault: str, words: str
) -> None:
    if fault == "dirty":
        project.write("mine.txt", "mine\n")
    if fault == "unlinked":
        (project.root / ".cruft.json").unlink()
        project.commit("Unlink")
    if fault == "no skip list":
        project.write("pyproject.toml", PYPROJECT.partition("[tool.cruft]")[0])
        project.commit("Forget the list")
    template.release({"settings.txt": "{{ oops" if fault == "broken template" else "1\n"}, "v2")
    if fault == "no template":
        template.root.rename(template.root.with_name("gone"))
    before = state(project)
    done = project.script("update")
    assert done.returncode == 1, done.stdout
    assert words in done.stdout
    assert done.stdout.endswith("Nothing was changed.\n")
    assert done.stderr == ""
    assert state(project) == before


def test_the_doctor_says_whether_a_version_is_newer(
    template: Template, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    look = diagnosis.template_version
    assert look().found == f"v1 of {template.root}, the newest"
    newest = template.release({"settings.txt": "1\n"}, "v2")
    run("git", "tag", "--delete", "v2", cwd=template.root)
    found = look()
    assert found.found == f"v1 of {template.root}; the newest is {newest[:7]}"
    assert found.mend == "uv run ci update"
    assert not found.blocks
    template.root.rename(template.root.with_name("gone"))
    assert "cannot be asked" in look().found
    for text in ("<<<<<<< HEAD", "{}"):  # as a merge or an editor leaves it
        (project.root / ".cruft.json").write_text(text)
        assert look().state == "failed"
        assert look().mend == "git checkout HEAD -- .cruft.json"
    (project.root / ".cruft.json").unlink()
    assert look().found == "unknown: there is no .cruft.json"


@pytest.mark.slow
def test_a_project_of_a_branch_follows_that_branch(template: Template, project: Project) -> None:
    run("git", "switch", "--quiet", "--create", "stable", cwd=template.root)
    stable = template.release({"settings.txt": "stable\n"}, "v1.1")
    run("git", "switch", "--quiet", "main", cwd=template.root)
    template.release({"settings.txt": "daring\n"}, "v2")
    linked = json.loads((project.root / ".cruft.json").read_text())
    project.write(".cruft.json", json.dumps(linked | {"checkout": "stable"}))
    project.commit("Follow the stable branch")
    assert project.script("update").returncode == 0
    assert project.run("cat", "settings.txt").stdout == "stable\n"
    linked = json.loads((project.root / ".cruft.json").read_text())
    assert (linked["commit"], linked["checkout"]) == (stable, "stable")


@pytest.mark.slow
def test_a_version_that_is_none_is_said(template: Template, project: Project) -> None:
    done: subprocess.CompletedProcess[str] = project.script("update", "--show", "v9")
    assert done.returncode == 1
    assert done.stdout == f"'v9' is no commit and no tag of {template.root}.\n"
    template.root.rename(template.root.with_name("gone"))
    done = project.script("update", "--show", "v1")
    assert done.returncode == 1
    assert done.stdout.startswith(f"The template {template.root} cannot be reached: ")
    (project.root / ".cruft.json").unlink()
    done = project.script("update", "--show", "v1")
    assert done.returncode == 1
    assert "uvx cruft link" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_what_ends_an_update_leaves_everything_as_it_was(
    template: Template, project: Project, tmp_path: Path, end: signal.Signals
) -> None:
    template.release({"settings.txt": "1\n", "new.txt": "new\n"}, "v2")
    before = state(project)
    slow = tmp_path / "uv"  # the end comes when all files are taken
    slow.write_text('#!/bin/sh\n[ "$1" = lock ] && exec sleep 60\nexec uv "$@"\n', encoding="utf-8")
    slow.chmod(0o755)
    running = subprocess.Popen(
        [sys.executable, "-u", "ci", "update"], cwd=project.root, stdout=subprocess.PIPE, text=True,
        env=project.env | {"UV": str(slow)}, start_new_session=True,
    )  # fmt: skip
    assert running.stdout
    assert any(line.startswith("$ uv lock") for line in running.stdout)
    assert project.run("cat", "new.txt").stdout == "new\n"
    project.write("notes.md", "written meanwhile\n")
    os.killpg(running.pid, end)
    rest, _ = running.communicate()
    assert running.returncode == (130 if end == signal.SIGINT else 143)
    assert rest.endswith("Nothing was changed.\n")
    assert state(project) == before
    assert project.git("show", "stash@{0}:notes.md") == "written meanwhile"


def test_what_an_update_needs_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"pyproject\.toml cannot be read"):
        renewal.skip_list()
    monkeypatch.setenv("UV", str(tmp_path / "uv"))  # which is not there
    assert renewal.lock() == 1
    assert "pip install uv" in capsys.readouterr().out
