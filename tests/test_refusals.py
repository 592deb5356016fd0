"""Promise: a bad answer is refused in one sentence, before a file is written or lost."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from answers import CHOICES, REMOTES, possible, settle
from conftest import TEMPLATE, load_hook, run
from cookiecutter.exceptions import FailedHookException
from cookiecutter.main import cookiecutter

REFUSED = {
    "slug that starts with a digit": ({"project_slug": "3d-model"}, "start with a letter"),
    "slug that ends with a dash": ({"project_slug": "model-"}, "end with a letter"),
    "slug with a space": ({"project_slug": "a b"}, "and hold only letters"),
    "slug with a dot": ({"project_slug": "a.b"}, "and hold only letters"),
    "slug with an umlaut": (
        {"remote": "local", "project_slug": "ä", "remote_url": "../a"},
        "digits, - and _",
    ),
    "name of a dependency": ({"project_slug": "numpy"}, "numpy-project"),
    "name of a dependency, other spelling": ({"project_slug": "Scikit_Learn"}, "package"),
    "empty local path": ({"remote": "local", "remote_url": " "}, "a folder's path"),
    "address for a local path": (
        {"remote": "local", "remote_url": "s3://bucket"},
        "a folder's path",
    ),
    **{
        f"{kind} in a local path": ({"remote": "local", "remote_url": path}, "in plain letters")
        for kind, path in {
            "variable": "$HOME/storage",
            "command": "../`id`",
            "umlaut": "../Übung",
            "glob": "../*",
        }.items()
    },
    "command in the endpoint": (
        {"remote": "s3", "remote_endpoint": "https://a.example/$(id)"},
        "in plain letters",
    ),
    "endpoint without a use": (
        {"remote": "local", "remote_endpoint": "https://a.example"},
        "must be empty",
    ),
    "two lines": ({"description": "one\ntwo"}, "one line"),
    "terminal escape": ({"author_name": "\x1b[31mred"}, "control characters"),
    "endpoint without a scheme": (
        {"remote": "s3", "remote_endpoint": "minio:9000"},
        "https://minio.example.com",
    ),
    "password in the endpoint": (
        {"remote": "s3", "remote_endpoint": "https://me:pw@minio:9000"},
        "without user or password",
    ),
}
for remote in REMOTES:
    for ci in CHOICES["ci"]:
        answers = {"credentials": "oidc", "remote": remote, "ci": ci}
        if not possible(answers):
            REFUSED[f"oidc for {remote} on {ci}"] = (answers, "such as remote=")
for remote, spec in REMOTES.items():
    if spec["endpoint"]:
        REFUSED[f"{remote} endpoint"] = (
            {"remote": remote, "remote_endpoint": ""},
            spec["endpoint"],
        )
    if spec["schemes"]:
        scheme = spec["schemes"][0]
        example = spec["url"].format(slug="my-ml-project")
        for case, url in {
            "other scheme": "ftp://bucket/path",
            "no scheme": "bucket/path",
            "empty name": f"{scheme}:///path",
            "no name": f"{scheme}://",
            "query": f"{scheme}://bucket/path?token=abc",
            "command": f"{scheme}://bucket/$(id)",
            "other command": f"{scheme}://bucket`id`/path",
            "quote": f"{scheme}://bucket/it's",
            "double quote": f'{scheme}://bucket/"path',
            "second command": f"{scheme}://bucket/path;id",
            "umlaut": f"{scheme}://bucket/Übung",
        }.items():
            REFUSED[f"{remote} {case}"] = ({"remote": remote, "remote_url": url}, example)
        REFUSED[f"{remote} password"] = (
            {"remote": remote, "remote_url": f"{scheme}://me:hunter2@bucket/path"},
            "no password",
        )


@pytest.mark.parametrize(("answers", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_bad_answer_is_refused_in_one_sentence(
    tmp_path: Path, capfd, answers: dict[str, str], sentence: str
) -> None:
    given = settle(answers)
    with pytest.raises(FailedHookException):
        cookiecutter(str(TEMPLATE), no_input=True, extra_context=given, output_dir=str(tmp_path))
    said = capfd.readouterr().err
    assert sentence in said
    assert next(name for name in answers if name not in ("remote", "ci")) in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_says_the_sentence_and_fails(tmp_path: Path) -> None:
    command = ["cookiecutter", "--no-input", str(TEMPLATE), "project_slug=numpy"]
    done = run(*command, cwd=tmp_path, check=False)
    assert done.returncode != 0
    assert done.stderr.startswith("project_slug must not be the name of a package")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "slug",
    ["..", ".", "", " ", "...", ".. ", "a/b", "../a", "a\\b", "/tmp/a", "C:a", "x" * 65, "x" * 300],
)
def test_a_slug_that_is_a_dangerous_path_touches_nothing(tmp_path: Path, slug: str) -> None:
    """cookiecutter would act on these before a hook runs, and delete the folder above."""
    (tmp_path / "precious.txt").write_text("kept")
    output = tmp_path / "new"
    command = [
        "cookiecutter",
        "--no-input",
        str(TEMPLATE),
        "-o",
        str(output),
        f"project_slug={slug}",
    ]
    done = run(*command, cwd=tmp_path, check=False)
    assert done.returncode != 0
    assert "project_slug may hold only letters, digits, - and _" in done.stderr.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]
    assert (tmp_path / "precious.txt").read_text() == "kept"


@pytest.mark.parametrize(
    ("number", "fits"), {"1.7.3": False, "2.1.1": False, "2.2.0": True, "2.10.0": True}.items()
)
def test_a_cookiecutter_that_finds_no_templates_is_refused(
    tmp_path: Path, monkeypatch, number: str, fits: bool
) -> None:
    """Debian 12 has 1.7.3, which would make a project that cannot work, and say nothing."""
    hook = load_hook("pre_gen_project", tmp_path)
    monkeypatch.setattr(hook, "distributions", lambda **_: [SimpleNamespace(version=number)])
    said = list(hook.too_old())
    expected = f"cookiecutter must be 2.2 or newer, as by `uvx cookiecutter`; it is {number}."
    assert said == ([] if fits else [expected])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_who_typed_the_answers_is_told_where_they_are_kept(tmp_path: Path) -> None:
    """At a terminal only: elsewhere nobody typed them."""
    controller, terminal = os.openpty()
    command = ["cookiecutter", "--no-input", str(TEMPLATE), "project_slug=numpy"]
    done = subprocess.run(command, cwd=tmp_path, stdin=terminal, capture_output=True, check=False)
    os.close(terminal)
    os.close(controller)
    kept = Path.home() / ".cookiecutter_replay" / f"{TEMPLATE.name}.json"
    assert json.loads(kept.read_text(encoding="utf-8"))["cookiecutter"]["project_slug"] == "numpy"
    assert "Correct your answers in ~/.cookiecutter_replay" in done.stderr.decode()


@pytest.mark.parametrize("answer", CHOICES)
def test_an_unknown_choice_is_refused(tmp_path: Path, answer: str) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        cookiecutter(
            str(TEMPLATE),
            no_input=True,
            extra_context={answer: "nonsense"},
            output_dir=str(tmp_path),
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("remote", REMOTES)
def test_the_example_of_every_remote_is_accepted(render, remote: str) -> None:
    """The examples in the sentences are answers that work."""
    assert render(remote=remote).read("README.md")
