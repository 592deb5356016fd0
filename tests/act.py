"""Runs the generated GitHub workflow by `act`, on this machine, without Docker or network.

Every action is a local stand-in (tests/actions); the provider's repository is a bare one, its API a
server on loopback; `cml` writes down what it is told. All else is real: the workflow, its scripts,
uv, Git, DVC.
"""

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import histories
from conftest import BakedProject, run
from servers.provider import Provider
from tiny import bare

STAND_INS = Path(__file__).with_name("actions")
WORKFLOW = ".github/workflows/cml.yml"
REPOSITORY = "acme/proj"


@dataclass(frozen=True)
class Run:
    """What one run of the workflow did."""

    jobs: dict[str, str]
    log: str
    summary: dict[str, str]
    calls: list[dict[str, Any]]
    artifact: Path | None = field(default=None)

    @property
    def comment(self) -> dict[str, Any]:
        """The one call that got through."""
        (call,) = [call for call in self.calls if not call["refused"]]
        return call


class GitHub:
    """A provider with one repository, and the project as the clone of one of its users."""

    def __init__(self, project: BakedProject, folder: Path) -> None:
        """Push the project to a new repository in the folder."""
        self.project, self.folder = project, folder
        self.api = Provider()
        self.bare = bare(project, folder / "proj.git")
        project.git("remote", "add", "origin", f"https://github.com/{REPOSITORY}")
        project.git("remote", "set-url", "--push", "origin", self.bare)

    def head(self, ref: str) -> str:
        """Return the commit that a ref of the repository is at, or nothing."""
        return run(
            "git", "for-each-ref", "--format=%(objectname)", ref, cwd=self.bare
        ).stdout.strip()

    def files(self, old: str, new: str) -> set[str]:
        """Return the names of the files that differ between two commits."""
        diff = run("git", "diff", "--name-only", old, new, cwd=self.bare)
        return set(diff.stdout.split())

    def push(self, **options) -> Run:
        """Push main and run its workflow."""
        self.project.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
        return self.act("push", {"ref": "refs/heads/main"}, **options)

    def pull_request(self, fork: bool = False, moved_to: str = "HEAD", **options) -> Run:
        """Push the head as the branch `change`, and run pull request 7 from it.

        Args:
            fork: The branch is in somebody's fork.
            moved_to: The commit that somebody pushes to the branch after the run began.
            options: See `act`.
        """
        if not fork:
            self.project.git("push", "--quiet", "origin", f"{moved_to}:refs/heads/change")
        return self.run_pull_request("change", fork, **options)

    def run_pull_request(self, branch: str, fork: bool = False, **options) -> Run:
        """Run pull request 7 from the head, which a branch of this repository or a fork has."""
        sha = self.project.git("rev-parse", "HEAD")
        self.project.git("push", "--quiet", "--force", "origin", "HEAD:refs/pull/7/head")
        owner = "someone/proj" if fork else REPOSITORY
        head = {"ref": branch, "sha": sha, "repo": {"full_name": owner, "fork": fork}}
        base = {"ref": "main", "repo": {"full_name": REPOSITORY}}
        event = {"number": 7, "pull_request": {"number": 7, "head": head, "base": base}}
        return self.act("pull_request", event, **options)

    def dispatch(self, inputs: dict[str, str], **options) -> Run:
        """Start the workflow by hand on main."""
        event = {"ref": "refs/heads/main", "inputs": inputs}
        return self.act("workflow_dispatch", event, **options)

    def act(  # noqa: PLR0913, PLR0917 (each is one thing that may happen to a run)
        self,
        name: str,
        event: dict[str, Any],
        secrets: dict[str, str] | None = None,
        variables: dict[str, str] | None = None,
        cml: str = "works",
        private: bool = False,
        labels: tuple[str, ...] = ("ubuntu-24.04",),
        workflow: str = WORKFLOW,
        environment: dict[str, str] | None = None,
    ) -> Run:
        """Run the workflow that the project's head holds.

        Args:
            name: The event's name.
            event: The event, as GitHub sends it.
            secrets: The repository's secrets; the caller withholds them from forks, as GitHub does.
            variables: The repository's variables.
            cml: "works", "refused" (a 403) or "missing" (the action cannot get it).
            private: The repository is.
            labels: The machines that there are.
            workflow: The file that holds the workflow.
            environment: More variables, for every step.
        """
        store = self.folder / f"store{len(list(self.folder.glob('store*')))}"
        store.mkdir()
        repository = {"default_branch": "main", "full_name": REPOSITORY, "private": private}
        (store / "event.json").write_text(json.dumps(event | {"repository": repository}))
        tokens = {"GITHUB_TOKEN": "ghs_token"} | (secrets or {})
        (store / "secrets").write_text(
            "".join(f"{key}={json.dumps(value)}\n" for key, value in tokens.items())
        )
        steps = {
            "PROVIDER_URL": self.bare.as_uri(),
            "PROVIDER_STORE": str(store),
            "PROVIDER_BIN": str(STAND_INS / "bin"),
            "CML": cml,
            "UV_PROJECT_ENVIRONMENT": str(self.project.environment),
            "UV_OFFLINE": "1",
            **histories.measured(),
        } | (environment or {})
        # act does not know yet that an environment may be used without a record of a deployment.
        text = self.project.read(workflow).replace("      deployment: false\n", "")
        # The tests of the project itself are not those of a tiny pipeline (tests/test_green.py).
        text = re.sub(r"(?ms)^  check:\n.*?(?=^  \S)", "", text)
        (store / "cml.yml").write_text(text, encoding="utf-8")
        used = re.findall(r"uses: ([\w-]+/([\w-]+)@\w+)", text)
        with self.api.served() as address:
            steps |= {"api_url": address}
            done = self.start(name, store, steps, labels, set(used), variables or {})
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        lines = [line for line in lines if not line["msg"].startswith("LocalRepositoryCache")]
        summary: dict[str, str] = {}
        for line in lines:
            if line.get("command") == "summary":
                summary[line["jobID"]] = summary.get(line["jobID"], "") + line["content"]
        calls = store / "calls.jsonl"
        artifacts = sorted(store.glob("*.zip"))
        return Run(
            jobs={line["jobID"]: line["jobResult"] for line in lines if "jobResult" in line},
            log="".join(line.get("msg", "").rstrip("\n") + "\n" for line in lines) + done.stderr,
            summary=summary,
            calls=[json.loads(c) for c in calls.read_text().splitlines()] if calls.exists() else [],
            artifact=artifacts[0] if artifacts else None,
        )

    def start(  # noqa: PLR0913, PLR0917
        self,
        name: str,
        store: Path,
        steps: dict[str, str],
        labels: tuple[str, ...],
        used: set[tuple[str, str]],
        variables: dict[str, str],
    ) -> subprocess.CompletedProcess[str]:
        """Start act with the workflow that lies in the store, and wait for it."""
        return run(
            "act", name, "--workflows", store / "cml.yml", "--eventpath", store / "event.json", "--json",
            *(f"--platform={label}=-self-hosted" for label in labels), "--secret-file", store / "secrets",
            "--no-skip-checkout", "--action-offline-mode", "--no-cache-server", "--rm",
            "--insecure-secrets",  # GitHub hides the values that it knows in its log; see them all
            *(f"--local-repository={action}={STAND_INS / stand_in}" for action, stand_in in used),
            *(f"--env={key}={value}" for key, value in steps.items()),
            *(f"--var={key}={value}" for key, value in variables.items()),
            cwd=self.project.path,
            check=False,
            env={
                "PATH": os.pathsep.join([str(STAND_INS / "bin"), os.environ["PATH"]]),
                "HOME": os.environ["HOME"],
                "XDG_CACHE_HOME": str(store / "cache"),
                "TERM": "dumb",
                **{key: os.environ[key] for key in os.environ if key.startswith(("UV_", "DVC_", "GIT_"))},
            },
        )  # fmt: skip
