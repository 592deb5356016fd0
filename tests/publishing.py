"""A repository at a provider, and `ci/publish.py` run on what a run left of one of its commits."""

import os
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from conftest import TEMPLATE, run
from servers.provider import Provider

SCRIPT = TEMPLATE / "{{cookiecutter.project_slug}}" / "ci" / "publish.py"
OLD = {"dvc.lock": "schema: '2.0'\n", "metrics.json": '{"a": 1}\n', "plots/old.json": "[]\n"}
NEW = {"dvc.lock": "schema: '2.0'\n#\n", "metrics.json": '{"a": 2}\n', "plots/roc.csv": "x,y\n"}
REPORT = {"report.md": "## Better\n", "outcome.txt": "0\n"}


@dataclass
class Repository:
    """A bare repository, a clone of it as the publish job has it, and the provider's API."""

    folder: Path
    provider: str = "github"
    api: Provider = field(default_factory=Provider)

    def __post_init__(self) -> None:
        """Make the repository with one commit on main, which has the old results."""
        self.bare, self.clone = self.folder / "origin.git", self.folder / "clone"
        run("git", "init", "--quiet", "--bare", "--initial-branch=main", self.bare, cwd=self.folder)
        run("git", "clone", "--quiet", self.bare, self.clone, cwd=self.folder)
        for option in ("uploadpack.allowAnySHA1InWant", "receive.advertisePushOptions"):
            run("git", "config", option, "true", cwd=self.bare)
        self.sha = self.commit(OLD | {"plots/.gitignore": "/big\n", "plots/README.md": "Plots\n"})

    def git(self, *words: str) -> str:
        """Return what a Git command prints in the provider's repository."""
        return run("git", *words, cwd=self.bare).stdout.strip()

    def commit(self, files: dict[str, str], branch: str = "main") -> str:
        """Commit files on top of the clone's head and push them to a branch; return the sha."""
        for name, text in files.items():
            path = self.clone / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        run("git", "add", "--all", "--force", cwd=self.clone)
        run("git", "commit", "--quiet", "--allow-empty", "-m", "x", cwd=self.clone)
        run("git", "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}", cwd=self.clone)
        return run("git", "rev-parse", "HEAD", cwd=self.clone).stdout.strip()

    def ref(self, name: str) -> str:
        """Return the commit that a ref of the provider's repository is at, or nothing."""
        return self.git("for-each-ref", "--format=%(objectname)", name)

    def experiment(self, sha: str = "") -> str:
        """Return the commit that holds the results of a commit, or nothing."""
        sha = sha or self.sha
        return self.ref(f"refs/exps/{sha[:2]}/{sha[2:]}/ci-{sha[:7]}")

    def files(self, commit: str) -> set[str]:
        """Return the names of the files of a commit."""
        return set(self.git("ls-tree", "-r", "--name-only", commit).splitlines())

    def refuse(self, pattern: str) -> None:
        """Let the provider refuse to write refs that fit a pattern of the shell."""
        hook = self.bare / "hooks" / "update"
        script = f"#!/bin/sh\ncase $1 in {pattern}) echo 'no @octocat here' >&2; exit 1;; esac\n"
        hook.write_text(script)
        hook.chmod(0o755)

    def publish(self, files: dict[str, str] | None, **variables: str) -> str:
        """Publish an artifact of these files, or none at all; return what the script says."""
        artifact = self.folder / "artifact.zip"
        artifact.unlink(missing_ok=True)
        if files is not None:
            with zipfile.ZipFile(artifact, "w") as archive:
                for name, text in files.items():
                    archive.writestr(name, text)
        return self.publish_file(artifact, **variables)

    def publish_file(self, artifact: Path, **variables: str) -> str:
        """Publish an artifact; return what the script says."""
        said = {
            "provider": self.provider, "commit": self.sha, "branch": "main",
            "default_branch": "main", "outcome": "success", "pull_request": "7",
            "run_url": "https://ci.example.com/1", "repo_token": "marked-token",
            "GITHUB_REPOSITORY": "acme/proj", "CI_PROJECT_ID": "1",
            "BITBUCKET_REPO_FULL_NAME": "acme/proj",
        }  # fmt: skip
        with self.api.served() as address:
            environment = os.environ | said | {"api_url": address} | variables
            done = run(sys.executable, SCRIPT, artifact, cwd=self.clone, env=environment)
        return done.stdout + done.stderr
