"""Promise: the generated GitLab pipeline does what it says."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import BakedProject
from gitlab import GitLab
from servers import clouds
from tiny import (
    bake_tiny,
    bake_with_bucket,
    commit,
    leak,
    leave_results,
    metrics,
    places_with,
    reproduce,
    write,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def baked(
    tmp_path_factory: pytest.TempPathFactory, environments: Callable[[str], Path]
) -> BakedProject:
    """One project whose tiny pipeline was run."""
    project = bake_tiny(tmp_path_factory.mktemp("baked"), environments("local"), ci="gitlab")
    reproduce(project)
    commit(project, "Run the pipeline")
    return project


@pytest.fixture
def gitlab(baked: BakedProject, tmp_path: Path) -> GitLab:
    """A repository with that project."""
    clone = baked.clone(tmp_path / "proj")
    clone.git("remote", "remove", "origin")
    return GitLab(clone, tmp_path)


PASSED = {"run": "PASS", "publish": "PASS"}


def change(gitlab: GitLab, message: str = "Learn faster") -> str:
    """Commit another learning rate, which the pipeline turns into another accuracy."""
    write(gitlab.project, {"params.yaml": "rate: 0.7\n"})
    return commit(gitlab.project, message)


def test_a_merge_request_gets_one_comment(gitlab: GitLab) -> None:
    leave_results(gitlab.project)
    sha = change(gitlab)
    done = gitlab.merge_request()
    assert done.jobs == PASSED, done.log
    (call,) = done.calls
    assert call["arguments"] == [
        *("comment", "create", "--driver=gitlab", "--target=pr/7"),
        *("--watermark-title=CML report", "--publish=false"),
    ]
    assert call["token"] == "glpat-token"
    assert not call["telemetry"]
    assert "0.6 → 0.7" in call["text"].splitlines()[0]
    assert f"uv run ci results {sha}" in call["text"]
    assert gitlab.head("refs/heads/change") == sha
    assert done.releases == []


def test_a_fork_gets_no_comment(gitlab: GitLab) -> None:
    change(gitlab)
    done = gitlab.merge_request(fork=True, REPO_TOKEN="")
    assert done.jobs == {"run": "PASS"}, done.log
    assert done.calls == []


def test_without_a_token_it_says_so(gitlab: GitLab) -> None:
    change(gitlab)
    done = gitlab.merge_request(REPO_TOKEN="")
    assert done.jobs == PASSED, done.log
    assert "REPO_TOKEN is not set" in done.log


def test_a_comment_needs_no_cml(gitlab: GitLab) -> None:
    change(gitlab)
    done = gitlab.merge_request(CML="refused")
    assert done.jobs == PASSED, done.log
    assert [call["refused"] for call in done.calls] == [True]
    assert len(gitlab.api.own) == 1  # by the script itself


def test_a_refused_report_leaves_the_artifact(gitlab: GitLab) -> None:
    change(gitlab)
    gitlab.api.refused = {"POST"}
    done = gitlab.merge_request(CML="refused")
    assert done.jobs == PASSED, done.log
    assert "The report was not posted: `gitlab refused it (HTTP Error 403: Forbidden)`" in done.log


def test_results_are_committed_and_released_where_asked(gitlab: GitLab) -> None:
    sha = change(gitlab)
    done = gitlab.push(tag_prefix="exp-", commit_results="true")
    assert done.jobs == PASSED, done.log
    new = gitlab.head("refs/heads/main")
    gitlab.project.git("fetch", "--quiet", gitlab.bare, "main")
    assert gitlab.project.git("rev-parse", f"{new}^") == sha
    assert gitlab.project.git("diff", "--name-only", sha, new).split() == [
        *("dvc.lock", "metrics.json", "plots/curve.json"),
    ]
    assert metrics(gitlab.project, new) == {"accuracy": 0.7}
    tag = f"exp-{new[:7]}"
    assert gitlab.head(f"refs/tags/{tag}") == new
    (release,) = done.releases
    assert release["path"] == "/projects/1/releases"
    assert {token for _, _, token in gitlab.api.requests} == {"Bearer glpat-token"}
    assert release["tag_name"] == tag
    assert "0.7" in release["description"]


def test_a_push_without_a_prefix_is_not_tagged(gitlab: GitLab) -> None:
    change(gitlab)
    done = gitlab.push()
    assert done.jobs == PASSED, done.log
    assert gitlab.head("refs/tags") == ""
    assert done.releases == []


def test_a_failing_stage_is_red_and_reported(gitlab: GitLab) -> None:
    write(gitlab.project, {"tiny.py": "raise SystemExit('no convergence')\n"})
    sha = commit(gitlab.project, "Break it")
    done = gitlab.merge_request(commit_results="true")
    assert done.jobs == {"run": "FAIL", "publish": "PASS"}, done.log
    assert "no convergence" in done.calls[0]["text"]
    assert gitlab.head("refs/heads/change") == sha


def test_skip_ci_publishes_nothing(gitlab: GitLab) -> None:
    """GitLab makes no pipeline for such a commit, unless somebody starts one by hand."""
    change(gitlab, message="Only words [skip ci]")
    done = gitlab.push(tag_prefix="exp-", commit_results="true")
    assert done.jobs == PASSED, done.log
    assert "nothing is run" in done.log
    assert gitlab.head("refs/tags") == ""
    assert done.calls == done.releases == []


def test_results_are_those_of_the_branch_where_results_are_merged(gitlab: GitLab) -> None:
    """A pipeline for merged results has another commit: that of the merge with the target."""
    gitlab.project.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
    sha = change(gitlab)
    gitlab.project.git("push", "--quiet", "origin", "HEAD:refs/heads/change")
    write(gitlab.project, {"params.yaml": "rate: 0.9\n"})
    commit(gitlab.project, "The merge of both")
    done = gitlab.pipeline(gitlab.event(sha) | {"commit_results": "true"})
    assert done.jobs == PASSED, done.log
    new = gitlab.head("refs/heads/change")
    gitlab.project.git("fetch", "--quiet", gitlab.bare, "change")
    assert gitlab.project.git("rev-parse", f"{new}^") == sha
    assert metrics(gitlab.project, new) == {"accuracy": 0.7}


def test_secrets_reach_the_storage_and_nothing_else(
    tmp_path: Path, environments: Callable[[str], Path]
) -> None:
    """And, as the control, a stage that gives them away is found to do so; it sees no token."""
    with clouds.s3(tmp_path) as server:
        project = bake_with_bucket(tmp_path / "baked", environments("s3"), server, ci="gitlab")
        gitlab = GitLab(project, tmp_path)
        tokens = {"REPO_TOKEN": "marked-token", "repo_token": "marked-token"}
        done = gitlab.push(**server.secrets, **tokens, commit_results="true", tag_prefix="exp-")
        assert done.jobs == PASSED, done.log
        assert " pushed" in done.log
        places: dict[str, str | Path] = {
            "log": done.log,
            "artifact": done.artifacts,
            "release": done.releases[0]["description"],
            "commits": gitlab.bare,
        }
        for value in [*server.secrets.values(), "marked-token"]:
            assert places_with(value, places) == set()

        leak(project)
        variables = server.secrets | tokens | {"stage_env": "AWS_SECRET_ACCESS_KEY"}
        done = gitlab.merge_request(fork=False, **variables, commit_results="true")
        places = {"log": done.log, "artifact": done.artifacts, "commits": gitlab.bare}
        assert places_with(server.secrets["AWS_SECRET_ACCESS_KEY"], places) == set(places)
        assert "tokens: None None" in done.log
