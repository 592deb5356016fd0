"""Runs the generated GitLab pipeline by gitlab-ci-local, on this machine, without Docker or network.

The provider's repository is a bare one, its API a server on loopback, `cml` writes down what it is
told; the images are not used. All else is real: the pipeline, its scripts, uv, Git, DVC.
"""

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import histories
import pytest
import yaml
from act import STAND_INS
from conftest import BakedProject, run
from servers.clouds import node_modules
from servers.provider import Provider
from tiny import bare

FILE = ".gitlab-ci.yml"
URL = "https://gitlab.com/acme/proj"
CLONE = "git fetch --quiet origin '+refs/heads/*:refs/remotes/origin/*'"
# The tests share an environment.
VENV = 'mkdir -p .venv && ln -sfn "$UV_PROJECT_ENVIRONMENT/bin" .venv/bin'


@dataclass(frozen=True)
class Run:
    """What one pipeline did."""

    jobs: dict[str, str]
    log: str
    calls: list[dict[str, Any]]
    releases: list[dict[str, Any]]
    artifacts: Path


class GitLab:
    """A provider with one repository, and the project as the clone of one of its users."""

    def __init__(self, project: BakedProject, folder: Path) -> None:
        """Push the project to a new repository in the folder."""
        self.project, self.folder = project, folder
        self.api = Provider()
        self.bare = bare(project, folder / "proj.git")
        run("git", "config", "receive.advertisePushOptions", "true", cwd=self.bare)
        project.git("remote", "add", "origin", f"{URL}.git")
        project.git("remote", "set-url", "--push", "origin", self.bare)
        exclude = project.path / ".git" / "info" / "exclude"
        exclude.write_text(".gitlab-ci-local/\n")

    def head(self, ref: str) -> str:
        """Return the commit that a ref of the repository is at, or nothing."""
        return run(
            "git", "for-each-ref", "--format=%(objectname)", ref, cwd=self.bare
        ).stdout.strip()

    def push(self, **variables: str) -> Run:
        """Push main and run its pipeline."""
        self.project.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
        return self.pipeline({"CI_PIPELINE_SOURCE": "push"} | variables)

    def merge_request(self, fork: bool = False, **variables: str) -> Run:
        """Push the head as the branch `change`, of this project or a fork, and run merge request 7."""
        self.project.git("push", "--quiet", "origin", "HEAD:refs/heads/change")
        return self.pipeline(self.event(fork=fork) | variables)

    def event(self, merged: str = "", fork: bool = False) -> dict[str, str]:
        """Return the variables of merge request 7.

        Args:
            merged: The head of its branch, where the pipeline's commit is its merge with the target.
            fork: The branch is in somebody's fork.
        """
        return {
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_COMMIT_REF_NAME": "change",
            "CI_MERGE_REQUEST_IID": "7",
            "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "change",
            "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": merged,
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2" if fork else "1",
            "CI_MERGE_REQUEST_PROJECT_ID": "1",
        }

    def pipeline(self, variables: dict[str, str]) -> Run:
        """Run the pipeline that the project's head holds; skip where there is no rsync."""
        if shutil.which("rsync") is None:
            pytest.skip("no rsync, by which gitlab-ci-local copies files: apt-get install rsync")
        store = self.folder / f"store{len(list(self.folder.glob('store*')))}"
        store.mkdir()
        pipeline = yaml.safe_load(self.project.read(FILE))
        for job in ("run", "publish"):  # a runner fetches the branches
            pipeline[job].pop("image")
            pipeline[job]["before_script"] = [CLONE, VENV, *pipeline[job].get("before_script", [])]
        (self.project.path / ".git" / "ci.yml").write_text(
            yaml.safe_dump(pipeline, sort_keys=False)
        )
        with self.api.served() as api:
            variables = {
                "CI_DEFAULT_BRANCH": "main",
                "CI_PROJECT_ID": "1",
                "CI_PROJECT_URL": URL,
                "CI_API_V4_URL": api,
                "api_url": api,
                "UV_OFFLINE": "1",
                "PROVIDER_STORE": str(store),
                "CML": "works",
                "REPO_TOKEN": "glpat-token",
                # Where the address of the provider leads to, for Git in a job.
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"url.{self.bare.as_uri()}.insteadOf",
                "GIT_CONFIG_VALUE_0": f"{URL}.git",
            } | variables
            done = run(
                node_modules() / ".bin" / "gitlab-ci-local", "--file", ".git/ci.yml",
                "--force-shell-executor", "--shell-isolation", "--no-artifacts-to-source",
                "--home", store,
                f"--ignore-predefined-vars={','.join(v for v in variables if v.startswith('CI_'))}",
                *(f"--variable={key}={value}" for key, value in variables.items()),
                cwd=self.project.path,
                check=False,
                env={
                    "PATH": os.pathsep.join(
                        [str(STAND_INS / "bin" / "cml"), os.environ["PATH"]]
                    ),
                    "TERM": "dumb",
                    "HOME": os.environ["HOME"],
                    "UV_PROJECT_ENVIRONMENT": str(self.project.environment),
                    **histories.measured(),
                    **{key: os.environ[key] for key in os.environ if key.startswith(("UV_", "DVC_", "GIT_"))},
                },
            )  # fmt: skip
        log = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
        calls = store / "calls.jsonl"
        return Run(
            jobs={
                job: result
                for result, job in re.findall(r"^ (PASS|FAIL|WARN) +(\w+)", log, re.MULTILINE)
            },
            log=log,
            calls=[json.loads(c) for c in calls.read_text().splitlines()] if calls.exists() else [],
            releases=self.api.releases,
            artifacts=self.project.path / ".gitlab-ci-local" / "artifacts",
        )
