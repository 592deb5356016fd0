"""Promise: the generated Bitbucket pipeline does what it says.

`bb-run` runs it on this machine; the provider's repository is a bare one, `cml` writes down what it is
told. All else is real: the pipeline, its scripts, uv, Git, DVC.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from act import STAND_INS
from conftest import TEMPLATE, BakedProject, run
from filelock import FileLock
from servers import clouds
from tiny import (
    bake_tiny,
    bake_with_bucket,
    bare,
    commit,
    leak,
    leave_results,
    metrics,
    places_with,
    reproduce,
    write,
)

pytestmark = pytest.mark.slow
BB_RUN = "bb-run==1.3.0"


@pytest.fixture(scope="module")
def bb_run() -> Path:
    """Return a folder with bb-run, which asks for Python 3.12 but runs on 3.11 just as well."""
    folder = TEMPLATE / "build" / "bb-run"
    folder.parent.mkdir(exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "bbrun").exists():
            run(
                "uv", "pip", "install", "--quiet", "--no-deps", "--python-version=3.12",
                f"--target={folder}", BB_RUN, cwd=TEMPLATE,
            )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def baked(
    tmp_path_factory: pytest.TempPathFactory, environments: Callable[[str], Path]
) -> BakedProject:
    """One project whose tiny pipeline was run."""
    project = bake_tiny(tmp_path_factory.mktemp("baked"), environments("local"), ci="bitbucket")
    reproduce(project)
    commit(project, "Run the pipeline")
    return project


@pytest.fixture
def bitbucket(baked: BakedProject, tmp_path: Path) -> BakedProject:
    """A clone of that project whose `origin` is the bare repository."""
    clone = baked.clone(tmp_path / "proj")
    clone.git("remote", "set-url", "origin", bare(clone, tmp_path / "proj.git"))
    return clone


def pipeline(
    project: BakedProject, bb_run: Path, target: str, branch: str, **variables: str
) -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
    """Run a pipeline of the project's head; return what happened and what `cml` was told."""
    store = project.path.parent
    venv = project.path / ".venv"  # the tests share an environment
    venv.mkdir(exist_ok=True)
    if not (venv / "bin").exists():
        (venv / "bin").symlink_to(project.environment / "bin")
    project.git("push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
    variables = {
        "REPO_TOKEN": "bb-token", "CML": "works", "PROVIDER_STORE": str(store), "UV_OFFLINE": "1",
        "CI": "true", "UV_PROJECT_ENVIRONMENT": str(project.environment),
    } | variables  # fmt: skip
    done = run(
        sys.executable, "-m", "bbrun", "--mode=host", f"--target={target}", f"--branch={branch}",
        "--no-cache", *(f"--variables={key}={value}" for key, value in variables.items()),
        cwd=project.path,
        check=False,
        env=os.environ
        | {
            "PYTHONPATH": str(bb_run),
            "PATH": os.pathsep.join([str(STAND_INS / "bin" / "cml"), os.environ["PATH"]]),
        },
    )  # fmt: skip
    calls = store / "calls.jsonl"
    told = [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []
    return done, told


def change(project: BakedProject) -> str:
    """Commit another learning rate, which the pipeline turns into another accuracy."""
    write(project, {"params.yaml": "rate: 0.7\n"})
    return commit(project, "Learn faster")


def remote_head(project: BakedProject, ref: str) -> str:
    """Return the commit that a ref of the bare repository is at, or nothing."""
    return project.git("ls-remote", "origin", ref)[:40]


def test_a_pull_request_gets_one_comment(bitbucket: BakedProject, bb_run: Path) -> None:
    leave_results(bitbucket)
    sha = change(bitbucket)
    variables = {"BITBUCKET_PR_ID": "7", "BITBUCKET_PR_DESTINATION_BRANCH": "main"}
    done, told = pipeline(bitbucket, bb_run, "pull-requests.**", "change", **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    (call,) = told
    assert call["arguments"] == [
        *("comment", "create", "--driver=bitbucket", "--target=pr/7"),
        *("--watermark-title=CML report", "--publish=false"),
    ]
    assert call["token"] == "bb-token"
    assert "0.6 → 0.7" in call["text"].splitlines()[0]
    assert remote_head(bitbucket, "refs/heads/change") == sha


def test_results_are_committed_and_tagged_where_asked(
    bitbucket: BakedProject, bb_run: Path
) -> None:
    sha = change(bitbucket)
    done, told = pipeline(
        bitbucket, bb_run, "branches.main", "main", commit_results="true", tag_prefix="exp-"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    new = remote_head(bitbucket, "refs/heads/main")
    bitbucket.git("fetch", "--quiet", "origin")
    assert bitbucket.git("diff", "--name-only", sha, new).split() == [
        *("dvc.lock", "metrics.json", "plots/curve.json"),
    ]
    assert metrics(bitbucket, new) == {"accuracy": 0.7}
    assert remote_head(bitbucket, f"refs/tags/exp-{new[:7]}") == new
    assert told == []  # a push has no pull request to comment on


def test_a_failing_stage_is_red_and_reported(bitbucket: BakedProject, bb_run: Path) -> None:
    write(bitbucket, {"tiny.py": "raise SystemExit('no convergence')\n"})
    commit(bitbucket, "Break it")
    done, told = pipeline(bitbucket, bb_run, "pull-requests.**", "change", BITBUCKET_PR_ID="7")
    assert done.returncode != 0
    assert re.search(r"no convergence", told[0]["text"])


def test_skip_ci_publishes_nothing(bitbucket: BakedProject, bb_run: Path) -> None:
    """Bitbucket makes no pipeline for such a commit, unless somebody starts one by hand."""
    write(bitbucket, {"params.yaml": "rate: 0.7\n"})
    commit(bitbucket, "Only words [skip ci]")
    done, told = pipeline(
        bitbucket, bb_run, "custom.run", "main", commit_results="true", tag_prefix="exp-"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing is run" in done.stdout
    assert remote_head(bitbucket, "refs/tags/*") == ""
    assert told == []


def test_secrets_reach_the_storage_and_nothing_else(
    tmp_path: Path, environments: Callable[[str], Path], bb_run: Path
) -> None:
    """And, as the control, a stage that gives them away is found to do so; it sees no token."""
    with clouds.s3(tmp_path) as server:
        project = bake_with_bucket(tmp_path / "baked", environments("s3"), server, ci="bitbucket")
        project.git("remote", "add", "origin", bare(project, tmp_path / "proj.git"))
        variables = server.secrets | {
            "REPO_TOKEN": "marked-token", "repo_token": "marked-token", "commit_results": "true",
            "PROVIDER_STORE": str(tmp_path),
        }  # fmt: skip
        done, _ = pipeline(project, bb_run, "branches.main", "main", **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        assert " pushed" in done.stdout
        places: dict[str, str | Path] = {
            "log": done.stdout + done.stderr,
            "artifact": project.path / ".bb-run",
            "commits": tmp_path / "proj.git",
        }
        for value in [*server.secrets.values(), "marked-token"]:
            assert places_with(value, places) == set()

        leak(project)
        variables["stage_env"] = "AWS_SECRET_ACCESS_KEY"  # without it the stage has no key
        done, _ = pipeline(
            project, bb_run, "pull-requests.**", "change", BITBUCKET_PR_ID="7", **variables
        )
        places["log"] = done.stdout + done.stderr
        assert places_with(server.secrets["AWS_SECRET_ACCESS_KEY"], places) == set(places)
        assert "tokens: None None" in done.stdout
