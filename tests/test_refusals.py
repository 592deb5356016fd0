"""Promise: a bad answer is refused in one sentence, before a file is written or lost."""

from pathlib import Path

import pytest
from answers import CHOICES, REMOTES, possible
from conftest import TEMPLATE, run
from cookiecutter.exceptions import FailedHookException
from cookiecutter.main import cookiecutter

REFUSED = {
    "slug that starts with a digit": ({"project_slug": "3d-model"}, "start with a letter"),
    "slug that ends with a dash": ({"project_slug": "model-"}, "end with a letter"),
    "name of a dependency": ({"project_slug": "numpy"}, "numpy-project"),
    "name of a dependency, other spelling": ({"project_slug": "Scikit_Learn"}, "package"),
    "empty local path": ({"remote": "local", "remote_url": " "}, "a folder's path"),
    "address for a local path": (
        {"remote": "local", "remote_url": "s3://bucket"},
        "a folder's path",
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
    with pytest.raises(FailedHookException):
        cookiecutter(str(TEMPLATE), no_input=True, extra_context=answers, output_dir=str(tmp_path))
    said = capfd.readouterr().err
    assert sentence in said
    assert next(iter(set(answers) - {"remote", "ci"})) in said
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
    "slug", ["..", ".", "", "a/b", "../a", "a\\b", "/tmp/a", "a b", "a.b", "ä", "x" * 65, "x" * 300]
)
def test_a_slug_that_is_no_folder_name_touches_nothing(tmp_path: Path, slug: str) -> None:
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
