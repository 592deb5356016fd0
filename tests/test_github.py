"""Promise: the generated GitHub workflow does what it says, for every event that starts it."""

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from act import WORKFLOW, GitHub, Run
from conftest import BakedProject, run
from servers import clouds
from tiny import (
    PLOTS,
    bake_tiny,
    bake_with_bucket,
    commit,
    leak,
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
    """One project, as its hook leaves it but with a tiny pipeline that never ran."""
    project = bake_tiny(tmp_path_factory.mktemp("baked"), environments("local"))
    project.run("dvc", "--version")  # makes its environment, which all runs share
    return project


@pytest.fixture(scope="module")
def reproduced(baked: BakedProject, tmp_path_factory: pytest.TempPathFactory) -> BakedProject:
    """The same after its pipeline was run, so that main has a baseline."""
    clone = baked.clone(tmp_path_factory.mktemp("reproduced") / "proj")
    reproduce(clone)
    commit(clone, "Run the pipeline")
    return clone


def repository(project: BakedProject, folder: Path) -> GitHub:
    """Return a repository with a project, in a folder of its own."""
    clone = project.clone(folder / "proj")
    clone.git("remote", "remove", "origin")
    return GitHub(clone, folder)


@pytest.fixture
def new(baked: BakedProject, tmp_path: Path) -> GitHub:
    """A repository before its first push."""
    return repository(baked, tmp_path)


@pytest.fixture
def github(reproduced: BakedProject, tmp_path: Path) -> GitHub:
    """A repository whose main has a baseline."""
    return repository(reproduced, tmp_path)


def change(github: GitHub, rate: float = 0.7, message: str = "Learn faster") -> str:
    """Commit another learning rate, which the pipeline turns into another accuracy."""
    write(github.project, {"params.yaml": f"rate: {rate}\n"})
    return commit(github.project, message)


GREEN = {"run": "success", "publish": "success"}
RESULTS = {"dvc.lock", "metrics.json", "plots/curve.json"}


def assert_green(done: Run) -> None:
    """Check the set of jobs that ran, and that the report is where it always is."""
    assert done.jobs == GREEN, done.log
    assert "accuracy" in done.summary["run"]


def test_a_pull_request_gets_one_comment(github: GitHub) -> None:
    write(github.project, {"dvc.yaml": github.project.read("dvc.yaml") + PLOTS})
    sha = change(github)
    done = github.pull_request()
    assert_green(done)
    assert done.artifact is not None
    with zipfile.ZipFile(done.artifact) as archive:
        pictures = {"report-pictures/plots-curve.json.png"}
        texts = {"report.md", "report.html", "outcome.txt"}
        assert set(archive.namelist()) == RESULTS | pictures | texts
        assert archive.read("outcome.txt") == b"0\n"
    assert done.comment["tool"] == "cml"
    assert done.comment["arguments"] == [
        *("comment", "create", "--driver=github", "--target=pr/7"),
        *("--watermark-title=CML report", "--publish=false"),
    ]
    assert done.comment["token"] == "ghs_token"
    assert not done.comment["telemetry"]
    assert "0.7" in done.comment["text"]
    assert f"uv run ci results {sha}" in done.comment["text"]  # how to take the results over
    assert github.head("refs/heads/change") == sha  # nobody asked for a commit
    assert github.head("refs/tags") == ""


def test_a_pull_request_without_a_change_is_reported_too(github: GitHub) -> None:
    write(github.project, {"NOTES.md": "Nothing to see.\n"})
    commit(github.project, "Write a note")
    done = github.pull_request()
    assert_green(done)
    assert "ci results" not in done.comment["text"]


def test_a_fork_gets_the_summary_and_the_artifact_but_no_token(github: GitHub) -> None:
    change(github)
    done = github.pull_request(fork=True)
    assert done.jobs == {"run": "success"}, done.log
    assert "accuracy" in done.summary["run"]
    assert done.artifact is not None
    assert done.calls == []


def test_the_first_push_is_green(new: GitHub) -> None:
    done = new.push()
    assert_green(done)
    sha = new.project.git("rev-parse", "HEAD")
    assert done.comment["arguments"] == [
        *("check", "create", "--driver=github", "--title=CML report"),
        *("--conclusion=success", f"--head-sha={sha}"),
    ]
    assert new.head("refs/tags") == ""


def test_a_first_pull_request_waits_for_main_to_have_the_script(github: GitHub) -> None:
    """The script that has the token is main's own, and here main has none yet."""
    empty = run(
        "git", "hash-object", "-t", "tree", "-w", "/dev/null", cwd=github.bare
    ).stdout.strip()
    root = github.project.git("commit-tree", empty, "-m", "Before the project")
    github.project.git("push", "--quiet", "--force", "origin", f"{root}:refs/heads/main")
    done = github.pull_request()
    assert_green(done)
    assert "main has no ci/publish.py yet" in done.log
    assert done.calls == []


def test_a_tag_marks_an_experiment_on_main(github: GitHub) -> None:
    change(github)
    reproduce(github.project)
    sha = commit(github.project, "Take the faster one")
    done = github.push(variables={"TAG_PREFIX": "exp-"})
    assert_green(done)
    assert github.head(f"refs/tags/exp-{sha[:7]}") == sha
    assert f"tagged `exp-{sha[:7]}`" in done.comment["text"]


def test_a_tag_shows_the_results_of_its_own_run(github: GitHub) -> None:
    """The commit still holds the metrics of the model before, so the tag is on CI's results of it."""
    sha = change(github)
    done = github.push(variables={"TAG_PREFIX": "exp-"})
    assert_green(done)
    tagged = github.head(f"refs/tags/exp-{sha[:7]}")
    assert tagged == github.head(f"refs/exps/{sha[:2]}/{sha[2:]}/ci-{sha[:7]}")
    github.project.git("fetch", "--quiet", github.bare, tagged)
    assert metrics(github.project, tagged) == {"accuracy": 0.7}
    assert github.head("refs/heads/main") == sha


def test_results_are_committed_and_tagged_where_asked(github: GitHub) -> None:
    sha = change(github)
    done = github.push(variables={"TAG_PREFIX": "exp-", "COMMIT_RESULTS": "true"})
    assert_green(done)
    new = github.head("refs/heads/main")
    github.project.git("fetch", "--quiet", github.bare, "main")
    assert github.project.git("rev-parse", f"{new}^") == sha
    assert github.files(sha, new) == RESULTS
    assert metrics(github.project, new) == {"accuracy": 0.7}
    assert github.head(f"refs/tags/exp-{new[:7]}") == new
    assert "ci results" not in done.comment["text"]


def test_results_are_committed_to_a_pull_request(github: GitHub) -> None:
    sha = change(github)
    done = github.pull_request(variables={"COMMIT_RESULTS": "true", "TAG_PREFIX": "exp-"})
    assert_green(done)
    new = github.head("refs/heads/change")
    assert github.files(sha, new) == RESULTS
    assert f"committed to `change` as {new[:7]}" in done.comment["text"]
    assert github.head("refs/tags") == ""  # an experiment is tagged when it is on main


def test_results_come_too_late_for_a_branch_that_moved(github: GitHub) -> None:
    sha = change(github)
    write(github.project, {"NOTES.md": "More work.\n"})
    later = commit(github.project, "Go on")
    github.project.git("reset", "--quiet", "--hard", sha)
    done = github.pull_request(moved_to=later, variables={"COMMIT_RESULTS": "true"})
    assert_green(done)
    assert github.head("refs/heads/change") == later
    assert "`change` has moved on" in done.comment["text"]


def test_a_protected_branch_gets_a_sentence(github: GitHub) -> None:
    hook = github.bare / "hooks" / "update"
    hook.write_text("#!/bin/sh\necho protected branch >&2\n[ $1 != refs/heads/change ]\n")
    sha = change(github)
    github.project.git("push", "--quiet", "origin", "HEAD:refs/heads/change")
    hook.chmod(0o755)
    done = github.pull_request(variables={"COMMIT_RESULTS": "true"})
    assert_green(done)
    assert github.head("refs/heads/change") == sha
    assert "`change` refuses them" in done.comment["text"]


def test_skip_ci_runs_nothing(github: GitHub) -> None:
    change(github, message="Only words [skip ci]")
    done = github.push(variables={"TAG_PREFIX": "exp-", "COMMIT_RESULTS": "true"})
    assert done.jobs == GREEN, done.log
    assert "so nothing is published" in done.summary["publish"]
    assert done.calls == []
    assert github.head("refs/tags") == github.head("refs/exps") == ""


@pytest.mark.parametrize("cml", ["missing", "refused"])
def test_the_report_is_posted_without_cml(github: GitHub, cml: str) -> None:
    change(github)
    done = github.pull_request(cml=cml)
    assert_green(done)
    assert [call["refused"] for call in done.calls] == [True] * (cml == "refused")
    (body,) = github.api.own
    assert "accuracy" in body


def test_a_refused_comment_leaves_the_summary(github: GitHub) -> None:
    change(github)
    github.api.refused = {"POST"}
    done = github.pull_request(cml="refused")
    assert_green(done)
    assert "The report was not posted" in done.summary["publish"]
    assert "403" in done.summary["publish"]


def test_a_failing_stage_is_red_and_reported(github: GitHub) -> None:
    write(github.project, {"tiny.py": "raise SystemExit('no convergence')\n"})
    sha = commit(github.project, "Break it")
    done = github.push(variables={"TAG_PREFIX": "exp-", "COMMIT_RESULTS": "true"})
    assert done.jobs == {"run": "failure", "publish": "success"}, done.log
    assert "--conclusion=failure" in done.comment["arguments"]
    assert "train" in done.comment["text"]
    assert github.head("refs/heads/main") == sha
    assert github.head("refs/tags") == ""


def test_a_worse_model_is_red_and_reported(github: GitHub) -> None:
    rules = "report: {primary_metric: accuracy, max_regression: 0.05}\n"
    write(github.project, {"params.yaml": f"rate: 0.3\n{rules}"})
    commit(github.project, "Learn slower")
    done = github.pull_request()
    assert done.jobs == {"run": "failure", "publish": "success"}, done.log
    assert done.comment["arguments"][:2] == ["comment", "create"]
    assert "0.3" in done.comment["text"]
    assert "accuracy" in done.summary["run"]


def test_a_project_without_a_lock_is_told_to_commit_one(github: GitHub) -> None:
    github.project.git("rm", "--quiet", "uv.lock")
    commit(github.project, "Bake offline")
    done = github.pull_request()
    assert_green(done)
    assert "`uv.lock` is not in Git: run `uv lock` and commit it" in done.comment["text"]


def test_the_inputs_of_a_run_by_hand_are_its_variables(github: GitHub) -> None:
    change(github)
    github.project.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
    sha = github.head("refs/heads/main")
    done = github.dispatch(
        {"repro_targets": "train", "commit_results": "false"},
        variables={"REPRO_TARGETS": "-", "COMMIT_RESULTS": "true"},
    )
    assert done.jobs == GREEN, done.log
    assert "Running stage 'train'" in done.log
    assert github.head("refs/heads/main") == sha


def test_a_pull_request_cannot_bring_the_script_that_has_the_token(github: GitHub) -> None:
    write(github.project, {"ci/publish.py": "raise SystemExit('I have the token')\n"})
    commit(github.project, "Improve the publishing")
    done = github.pull_request()
    assert_green(done)
    assert "I have the token" not in done.log
    assert "accuracy" in done.comment["text"]


@pytest.fixture(scope="module")
def baked_with_s3(
    tmp_path_factory: pytest.TempPathFactory, environments: Callable[[str], Path]
) -> Iterator[tuple[BakedProject, dict[str, str]]]:
    """A project that keeps its data in a bucket, and the keys, which are in no other place."""
    folder = tmp_path_factory.mktemp("s3")
    with clouds.s3(folder) as s3:
        yield bake_with_bucket(folder, environments("s3"), s3), s3.secrets


@pytest.fixture
def with_secrets(
    baked_with_s3: tuple[BakedProject, dict[str, str]], tmp_path: Path
) -> tuple[GitHub, dict[str, str]]:
    """A repository with that project, and its secrets."""
    project, secrets = baked_with_s3
    return repository(project, tmp_path), secrets


def places(github: GitHub, done: Run) -> dict[str, str | Path]:
    """Return where a secret might be read after a run."""
    assert done.artifact is not None
    unpacked = done.artifact.with_suffix("")
    with zipfile.ZipFile(done.artifact) as archive:
        archive.extractall(unpacked)
    return {
        ".dvc": done.artifact.parent / "dvc",
        "log": done.log,
        "summary": str(done.summary),
        "artifact": unpacked,
        "comment": str(done.calls),
        "commits": github.bare,
    }


def test_secrets_reach_the_storage_and_nothing_else(with_secrets) -> None:
    github, secrets = with_secrets
    change(github)
    done = github.push(secrets=secrets, variables={"COMMIT_RESULTS": "true", "TAG_PREFIX": "exp-"})
    assert_green(done)
    assert "pushed" in done.log
    assert github.head("refs/tags") != ""
    for value in secrets.values():
        assert places_with(value, places(github, done)) == set()


def test_a_secret_that_leaks_would_be_found(with_secrets) -> None:
    """The control of the test above: a stage that is given a key, and gives it away."""
    github, secrets = with_secrets
    leak(github.project)
    variables = {"COMMIT_RESULTS": "true", "STAGE_ENV": "AWS_SECRET_ACCESS_KEY"}
    done = github.push(secrets=secrets, variables=variables)
    found = places_with(secrets["AWS_SECRET_ACCESS_KEY"], places(github, done))
    assert found >= {".dvc", "log", "artifact", "commits"}


def test_a_missing_secret_is_named(with_secrets) -> None:
    github, secrets = with_secrets
    done = github.push(secrets={"AWS_ACCESS_KEY_ID": secrets["AWS_ACCESS_KEY_ID"]})
    assert done.jobs == {"run": "failure", "publish": "success"}, done.log
    assert "AWS_SECRET_ACCESS_KEY is not set" in done.log
    assert done.summary["publish"].startswith("## ❌ No result")


def test_a_fork_runs_without_the_secrets(with_secrets) -> None:
    github, _ = with_secrets
    github.project.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
    change(github)
    done = github.pull_request(fork=True)
    assert done.jobs == {"run": "success"}, done.log
    assert "Nothing was pulled or" in done.summary["run"]


def test_a_broken_pipeline_is_no_older_verdict(github: GitHub) -> None:
    change(github)
    assert_green(github.pull_request())
    write(github.project, {"dvc.yaml": "stages:\n\ttrain: x\n"})
    sha = commit(github.project, "Break it")
    done = github.pull_request()
    assert done.jobs == {"run": "failure", "publish": "success"}, done.log
    (body,) = github.api.own
    assert body.startswith(f"## ❌ No result for `{sha[:7]}`")
    assert "dvc.yaml" in body
    assert "actions/runs/1" in body
    assert f"No result for `{sha[:7]}`" in done.summary["run"]


def test_a_lock_that_is_out_of_date_is_said_too(github: GitHub) -> None:
    text = github.project.read("pyproject.toml")
    write(
        github.project,
        {"pyproject.toml": text.replace('"scikit-learn', '"six",\n    "scikit-learn')},
    )
    sha = commit(github.project, "Add a package without its lock")
    done = github.pull_request()
    assert done.jobs == {"run": "failure", "publish": "success"}, done.log
    (body,) = github.api.own
    assert body.startswith(f"## ❌ No result for `{sha[:7]}`")
    assert "its packages could not be installed" in body
    assert "the run ended at `install`" in done.summary["run"]


def test_a_run_knows_earlier_results_and_no_token(github: GitHub) -> None:
    """A stage looks at all that it can see of the other processes of its user."""
    first = change(github)
    github.push()
    nosy = """
        import subprocess, glob
        print("refs:", subprocess.check_output(["git", "for-each-ref", "refs/exps"], text=True))
        for path in glob.glob("/proc/[0-9]*/environ"):
            try:
                print("environ:", open(path, "rb").read().replace(b"\\0", b" "))
            except OSError:
                pass
        """
    write(github.project, {"nosy.py": nosy})
    write(
        github.project, {"tiny.py": github.project.read("nosy.py") + github.project.read("tiny.py")}
    )
    commit(github.project, "Look around")
    done = github.pull_request()
    assert f"refs/exps/{first[:2]}/{first[2:]}/ci-{first[:7]}" in done.log
    seen = [line for line in done.log.splitlines() if "environ:" in line and "GITHUB_SHA" in line]
    assert seen  # the control: that of the run itself
    assert not any("ghs_token" in line for line in seen)


def test_a_fork_gets_no_machine_of_ours(github: GitHub, render) -> None:
    """There is a hosted machine only, so a job for another one is not run."""
    write(github.project, {WORKFLOW: render(runner="self-hosted").read(WORKFLOW)})
    change(github)
    assert github.pull_request(fork=True).jobs == {"run": "success"}
    assert github.pull_request(fork=True, variables={"RUN_FORKS": "true"}).jobs == {}
    assert "run" not in github.pull_request().jobs


@pytest.mark.parametrize(
    ("private", "variables", "used"),
    [(True, {}, True), (False, {}, False), (False, {"CACHE_DATA": "true"}, True)],
)
def test_data_are_cached_where_nobody_else_can_read_them(
    github: GitHub, private: bool, variables: dict[str, str], used: bool
) -> None:
    write(github.project, {"NOTES.md": "Nothing to see.\n"})
    commit(github.project, "Write a note")
    done = github.pull_request(private=private, variables=variables)
    assert_green(done)
    assert ("the cache is asked" in done.log) == used


def test_a_repositorys_variable_can_be_emptied_for_one_run(github: GitHub) -> None:
    change(github)
    github.project.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
    done = github.dispatch(
        {"only_these": "true"}, variables={"REPRO_TARGETS": "-", "TAG_PREFIX": "v-"}
    )
    assert done.jobs == GREEN, done.log
    assert "Running stage 'train'" in done.log
    assert github.head("refs/tags") == ""
