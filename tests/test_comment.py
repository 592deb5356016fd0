"""Promise: a pull request has one comment, it is this job's own, and it is never about another commit."""

import json
import os
from pathlib import Path

import pytest
from publishing import NEW, REPORT, Repository
from servers.provider import SOMEBODY

pytestmark = pytest.mark.skipif(os.name == "nt", reason="every provider publishes on Linux")
PROVIDERS = ("github", "gitlab", "bitbucket")
MARK = '[//]: # "the report of ci/publish.py"'
CML = '![](https://cml.dev/watermark.png#0000000 "CML watermark CML report")'


@pytest.fixture(params=PROVIDERS)
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Repository:
    """A repository at each provider; CML cannot be had."""
    return Repository(tmp_path, request.param)


def test_later_runs_edit_the_comment(repository: Repository) -> None:
    for text in ("first", "second", "third"):
        repository.publish({"report.md": text, "outcome.txt": "0"})
    (body,) = repository.api.own
    assert body.startswith("third\n")
    assert f"[The run](https://ci.example.com/1) of `{repository.sha[:7]}`" in body
    assert body.rstrip().endswith(MARK)


def test_a_comment_of_version_0_1_0_is_edited(repository: Repository) -> None:
    repository.api.add(f"old report\n\n{CML}")
    repository.publish(REPORT)
    (body,) = repository.api.own
    assert body.startswith("## Better")


@pytest.mark.parametrize("line", [MARK, CML])
def test_nobody_elses_comment_is_touched(repository: Repository, line: str) -> None:
    """Somebody quotes the report, with the lines that it is known by."""
    quote = repository.api.add(f"What does this mean?\n\n{line}", author=SOMEBODY)
    other = repository.api.add("A bot of another workflow")
    repository.publish(REPORT)
    again = repository.api.add(f"And this?\n\n{line}", author=SOMEBODY)
    repository.publish(REPORT)
    assert quote["body"].startswith("What does this mean?")
    assert again["body"].startswith("And this?")
    assert other["body"] == "A bot of another workflow"
    assert [body[:9] for body in repository.api.own] == ["A bot of ", "## Better"]


def test_it_is_found_among_many(repository: Repository) -> None:
    for number in range(120):
        repository.api.add(f"Comment {number}", author=SOMEBODY)
    repository.publish(REPORT)
    for number in range(120):
        repository.api.add(f"More {number}", author=SOMEBODY)
    repository.publish(REPORT)
    assert len(repository.api.own) == 1


def test_a_comment_is_better_twice_than_never(repository: Repository) -> None:
    repository.publish(REPORT)
    repository.api.refused = {"GET"}
    repository.publish(REPORT)
    assert len(repository.api.own) == 2


def test_a_refusal_is_a_sentence(repository: Repository) -> None:
    repository.api.refused = {"POST"}
    said = repository.publish(REPORT)
    assert "The report was not posted: " in said
    assert "403" in said
    assert "It is at https://ci.example.com/1." in said


@pytest.mark.parametrize("ended", ["install", "doctor", "gpu", "run", "2", "1", ""])
def test_without_a_report_it_says_that_there_is_none(repository: Repository, ended: str) -> None:
    """Else the verdict on an older commit would stand there as if it were meant for this one."""
    repository.publish({"report.md": "## 🟢 Better", "outcome.txt": "0"})
    sha = repository.sha = repository.commit({"dvc.yaml": "\t"}, branch="change")
    left = NEW | {"outcome.txt": ended} if ended else None
    repository.publish(left, outcome="failure")
    (body,) = repository.api.own
    assert body.startswith(f"## ❌ No result for `{sha[:7]}`\n\nThe run left no report: ")
    assert "[The run](https://ci.example.com/1)" in body
    assert "Better" not in body
    assert repository.experiment() == ""


def test_a_skipped_run_says_nothing(repository: Repository) -> None:
    said = repository.publish({"outcome.txt": "0"})
    assert "nothing is published" in said
    assert repository.api.comments == []


@pytest.mark.parametrize(
    "results",
    [
        {f"plots/{number}.json": "[]" for number in range(600)},
        {"plots/large.json": "x" * 51_000_000},
    ],
    ids=["600 plots", "51 MB"],
)
def test_a_limit_of_the_results_is_none_of_the_report(
    tmp_path: Path, results: dict[str, str]
) -> None:
    repository = Repository(tmp_path)
    repository.publish(REPORT | NEW | results, commit_results="true")
    (body,) = repository.api.own
    assert body.startswith("## Better")
    assert "> The results were not published: `they are " in body
    assert repository.experiment() == ""
    assert repository.ref("refs/heads/main") == repository.sha


def test_a_broken_artifact_is_a_comment_too(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.publish(REPORT)
    artifact = tmp_path / "artifact.zip"
    artifact.write_bytes(b"PK cut short")
    repository.publish_file(artifact)
    (body,) = repository.api.own
    assert body.startswith("## ❌ No result for ")
    assert "could not be read" in body


def test_of_cmls_complaint_the_message_is_shown(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()
    complaint = {"level": "error", "message": "Bad credentials @octo", "stack": "x" * 4000}
    (tools / "cml").write_text(f"#!/bin/sh\necho '{json.dumps(complaint)}' >&2\nexit 1\n")
    (tools / "cml").chmod(0o755)
    said = repository.publish(
        REPORT, pull_request="", PATH=f"{tools}{os.pathsep}{os.environ['PATH']}"
    )
    assert "The report was not posted: `Bad credentials @octo`." in said
    assert "xxxx" not in said
