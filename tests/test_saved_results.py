"""Promise: the results of every run have a home in Git, which nobody tends and nothing waits for."""

import os
from pathlib import Path

import pytest
from conftest import run
from publishing import NEW, OLD, REPORT, Repository

pytestmark = pytest.mark.skipif(os.name == "nt", reason="every provider publishes on Linux")
KEPT = {"plots/.gitignore", "plots/README.md"}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository whose main has old results."""
    return Repository(tmp_path)


def test_results_are_an_experiment_of_their_commit(repository: Repository) -> None:
    repository.publish(REPORT | NEW)
    made = repository.experiment()
    assert repository.git("rev-parse", f"{made}^") == repository.sha
    assert repository.files(made) == {*NEW, *KEPT}  # and no plot of an older run
    assert repository.git("show", f"{made}:metrics.json") == NEW["metrics.json"].strip()
    assert repository.git("for-each-ref", "--format=%(refname)").splitlines() == [
        f"refs/exps/{repository.sha[:2]}/{repository.sha[2:]}/ci-{repository.sha[:7]}",
        "refs/heads/main",
    ]
    assert repository.ref("refs/heads/main") == repository.sha


def test_dvc_takes_it_for_one_of_its_own(repository: Repository, tmp_path: Path) -> None:
    repository.publish(REPORT | NEW)
    clone = tmp_path / "teammate"
    run("git", "clone", "--quiet", repository.bare, clone, cwd=tmp_path)
    run("dvc", "init", "--quiet", cwd=clone)
    listed = run("dvc", "exp", "list", "origin", "--all-commits", cwd=clone).stdout
    assert listed.split() == ["main:", f"ci-{repository.sha[:7]}"]


def test_the_same_results_are_the_same_commit(repository: Repository) -> None:
    repository.publish(REPORT | NEW)
    first = repository.experiment()
    repository.publish(REPORT | NEW, run_url="https://ci.example.com/2")
    assert repository.experiment() == first
    repository.publish(REPORT | NEW | {"metrics.json": '{"a": 3}'})
    second = repository.experiment()
    assert second != first  # another run of this commit, which came to another result
    assert repository.git("rev-parse", f"{second}^") == repository.sha


def test_results_that_the_commit_has_need_no_other_home(repository: Repository) -> None:
    repository.publish(REPORT | OLD)
    assert repository.experiment() == ""


@pytest.mark.parametrize(("ended", "kept"), [("6", True), ("8", True), ("3", False), ("4", False)])
def test_a_verdict_does_not_make_results_worse(
    repository: Repository, ended: str, kept: bool
) -> None:
    """After a failed stage, or without the remote, they may be half those of another commit."""
    said = repository.publish(
        REPORT | NEW | {"outcome.txt": ended}, outcome="failure", commit_results="true"
    )
    assert (repository.experiment() != "") == kept, said
    assert repository.ref("refs/heads/main") == repository.sha
    assert repository.api.own


def test_where_experiments_are_refused_there_is_a_branch(repository: Repository) -> None:
    repository.refuse("refs/exps/*")
    repository.publish(REPORT | NEW)
    branch = f"ci-results/{repository.sha}"
    made = repository.ref(f"refs/heads/{branch}")
    assert repository.files(made) == {*NEW, *KEPT}
    assert "[skip ci]" in repository.git("log", "-1", "--format=%s", made)
    (body,) = repository.api.own
    assert f"> The results are the branch `{branch}`" in body


def test_where_both_are_refused_a_sentence_says_so(repository: Repository) -> None:
    repository.refuse("refs/exps/*|refs/heads/ci-results/*")
    repository.publish(REPORT | NEW)
    (body,) = repository.api.own
    assert body.startswith("## Better")
    assert "> The results were not saved: " in body


def test_somebody_elses_experiment_stays(repository: Repository) -> None:
    """The script writes refs of its own names alone."""
    mine = f"refs/exps/{repository.sha[:2]}/{repository.sha[2:]}/dusty-name"
    repository.git("update-ref", mine, repository.sha)
    repository.publish(REPORT | NEW)
    assert repository.ref(mine) == repository.sha


def test_only_the_branch_itself_is_meant(repository: Repository) -> None:
    """Git lists every ref that ends like the one that is asked for."""
    other = repository.commit({"other.txt": "x"}, branch="a/refs/heads/main")
    assert other != repository.sha
    said = repository.publish(REPORT | NEW, commit_results="true")
    assert "committed to `main`" in said
    assert repository.files(repository.ref("refs/heads/main")) == {*NEW, *KEPT}


def test_a_tag_is_on_the_results(repository: Repository) -> None:
    repository.publish(REPORT | NEW, tag_prefix="exp-", pull_request="")
    assert repository.ref(f"refs/tags/exp-{repository.sha[:7]}") == repository.experiment()


@pytest.mark.parametrize("committed", ["true", ""])
def test_names_are_shown_and_do_nothing(repository: Repository, committed: str) -> None:
    """A mention in the name of a branch or a file would call somebody."""
    branch = "x`id`@octo"
    repository.sha = repository.commit({"a.txt": "x"}, branch=branch)
    planted = {"plots/@octo.html": "x", "plots/a`@octo`.json": "x"}
    said = repository.publish(REPORT | NEW | planted, branch=branch, commit_results=committed)
    (body,) = repository.api.own
    assert "`plots/@octo.html`" in body
    assert "`` plots/a`@octo`.json ``" in body
    if committed:
        assert f"committed to `` {branch} ``" in body, said
