"""A month of a team: eight pull requests to a provider, each run, judged, merged and run again.

The provider is a bare repository and the script that its publish job runs; the storage is a folder.
A provider merges in one of three ways, and the runs' results are committed to the branch or not: six
histories. Whatever the history, each verdict must be that of two pipelines run from nothing.
"""

import json
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import histories
from conftest import run
from histories import Project
from mlci.history.baseline import NO_COMMIT
from publishing import SCRIPT

MERGES = ("merge", "squash", "rebase")
LIMIT = 0.05
Change = Callable[[Project], None]
RESULTS = ("dvc.lock", "metrics.json")  # both sides change them: whoever merges takes one
UNREAD = (*RESULTS, "README.md")
LEFT = ("report.md", "outcome.txt", *RESULTS)  # by a run, for the publish job


@dataclass(frozen=True)
class Verdict:
    """What a report says first, and how its run ended."""

    word: str
    numbers: tuple[str, ...]  # before and now; one where both are the same
    exit_code: int


def expect(before: float, now: float, touched: bool) -> Verdict:
    """Return the verdict on two accuracies of a pipeline that leaves no predictions.

    Args:
        before: The accuracy of the baseline.
        now: The accuracy of the change.
        touched: The change touches what the pipeline reads.
    """
    if before == now:
        word = "Unchanged" if touched else "Nothing that is measured changed"
        return Verdict(word, (f"{now:.4g}",), 0)
    numbers = (f"{before:.4g}", f"{now:.4g}")
    if before - now > LIMIT:
        return Verdict("Worse than allowed", numbers, 6)
    return Verdict("Changed", numbers, 0)


def read_verdict(report: str, exit_code: int) -> Verdict:
    """Read the verdict from a report's first line."""
    headline = report.splitlines()[0]
    word = re.match(r"## \S+ ([^:]+)", headline)
    numbers = re.search(r"`accuracy` ([\d.]+)(?: → ([\d.]+))?", headline)
    assert word, headline
    found = tuple(number for number in numbers.groups() if number) if numbers else ()
    return Verdict(word[1], found, exit_code)


class Month:
    """A repository at a provider, a user's clone of it, and what was said of each commit."""

    def __init__(self, folder: Path, merge: str, commit_results: bool) -> None:
        """Make the repository, with a main whose pipeline was never run."""
        self.folder, self.merge_way, self.commit_results = folder, merge, commit_results
        self.user = self.make_project(folder / "user")
        histories.set_remote(self.user, str(folder / "storage"))
        (folder / "storage").mkdir()
        write_parameters(self.user, rate=0.5)
        self.user.commit("Begin a month")
        self.bare = self.make_repository()
        self.user.git("fetch", "--quiet", "origin")
        self.accuracies: dict[str, float] = {}
        self.wrong: list[str] = []
        self.judged = 0

    def make_project(self, root: Path) -> Project:
        """Make what the user has."""
        return histories.new_project(root)

    def make_repository(self) -> Path:
        """Make the provider's repository, and the user's `origin` of it."""
        path = self.folder / "origin.git"
        self.user.run("git", "clone", "--quiet", "--bare", str(self.user.root), str(path))
        self.user.git("remote", "add", "origin", str(path))
        return path

    def head(self, branch: str) -> str:
        """Return the commit that a branch of the repository is at."""
        return self.user.git("ls-remote", str(self.bare), f"refs/heads/{branch}").split()[0]

    def check_out(self, name: str, sha: str) -> Project:
        """Clone the repository as a run does, with the results of the runs before."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        clone = Project(self.folder / name)
        self.user.run("git", "clone", "--quiet", str(self.bare), str(clone.root))
        clone.git("checkout", "--quiet", "--detach", sha)
        clone.git("fetch", "--quiet", "origin", "+refs/exps/*:refs/exps/*")
        return clone

    def read_by_pipeline(self, sha: str) -> str:
        """Return the names and checksums of a commit's files but for what runs and people write."""
        tree = self.user.git(f"--git-dir={self.bare}", "ls-tree", "-r", sha)
        return "\n".join(line for line in tree.splitlines() if not line.endswith(UNREAD))

    def run_afresh(self, sha: str) -> float:
        """Return the accuracy that the pipeline of a commit has, run from nothing."""
        content = self.read_by_pipeline(sha)
        if content not in self.accuracies:
            fresh = self.check_out("fresh", sha)
            fresh.dvc("repro", "--force", "--quiet")
            self.accuracies[content] = fresh.metrics["accuracy"]
        return self.accuracies[content]

    def judge_afresh(self, base: str, sha: str) -> Verdict:
        """Return what must be said of a commit beside another one."""
        touched = self.read_by_pipeline(base) != self.read_by_pipeline(sha)
        return expect(self.run_afresh(base), self.run_afresh(sha), touched)

    def run_in_ci(self, branch: str, sha: str, event: Mapping[str, object], base: str) -> None:
        """Run a commit as CI does, publish what it made, and check its verdict."""
        clone = self.check_out("ci", sha)
        clone.write("../event.json", {**event, "repository": {"default_branch": "main"}})
        variables = {"CI": "true", "GITHUB_EVENT_PATH": str(self.folder / "event.json")}
        if branch == "main":
            variables |= {"GITHUB_REF_NAME": "main"}
        else:
            variables |= {"GITHUB_BASE_REF": "main", "GITHUB_HEAD_REF": branch}
        done = clone.script("run", **variables)
        said = done.stdout + done.stderr
        assert done.returncode in {0, 6}, said
        if base:
            self.compare(read_verdict(clone.report, done.returncode), branch, base, sha)
        self.publish(clone, branch, sha, "failure" if done.returncode else "success")

    def compare(self, found: Verdict, branch: str, base: str, sha: str) -> None:
        """Compare what was said of a commit with what must be said."""
        expected = self.judge_afresh(base, sha)
        self.judged += 1
        if found != expected:
            self.wrong.append(f"{branch} at {sha[:7]}: {found} instead of {expected}")

    def publish(self, clone: Project, branch: str, sha: str, outcome: str) -> None:
        """Do what the publish job does, but for the comment."""
        artifact = self.folder / "results.zip"
        with zipfile.ZipFile(artifact, "w") as archive:
            for name in LEFT:
                archive.write(clone.root / name, name)
        said = {
            "provider": "github", "commit": sha, "branch": branch, "default_branch": "main",
            "outcome": outcome, "commit_results": str(self.commit_results).lower(),
            "pull_request": "", "run_url": "https://ci.example.com/1", "repo_token": "-",
        }  # fmt: skip
        environment = os.environ | clone.env | said
        run(sys.executable, SCRIPT, artifact, cwd=clone.root, env=environment)

    def run_main(self, before: str = "") -> None:
        """Run main, which a push or a merge has moved from the commit before."""
        self.run_in_ci("main", self.head("main"), {"before": before or NO_COMMIT}, before)

    def propose(self, branch: str, change: Change) -> None:
        """Open a pull request from today's main, and run it."""
        self.user.git("fetch", "--quiet", "origin")
        self.user.git("switch", "--quiet", "--force-create", branch, "origin/main")
        change(self.user)
        self.user.commit(f"Try {branch}")
        self.run_proposed(branch)

    def run_proposed(self, branch: str) -> None:
        """Push the user's branch and run its pull request."""
        self.user.git("push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{branch}")
        self.run_in_ci(branch, self.head(branch), {}, self.head("main"))

    def bring_up_to_date(self, branch: str) -> None:
        """Put a branch on top of today's main, as its user does before it can be merged."""
        self.user.git("fetch", "--quiet", "origin")
        self.user.git("switch", "--quiet", "--force-create", branch, f"origin/{branch}")
        mine = "--ours" if self.merge_way == "rebase" else "--theirs"
        word = "rebase" if self.merge_way == "rebase" else "merge"
        done = self.user.run("git", word, "origin/main", check=False)
        while done.returncode:
            for name in RESULTS:
                self.user.run("git", "checkout", mine, "--", name, check=False)
            self.user.git("add", "--all")
            done = self.user.run("git", "-c", "core.editor=true", word, "--continue", check=False)
        self.run_proposed(branch)

    def merge(self, branch: str) -> None:
        """Merge a pull request as the provider does, and run main."""
        before, here = self.head("main"), self.user
        here.git("fetch", "--quiet", "origin")
        here.git("switch", "--quiet", "--force-create", "main", "origin/main")
        if self.merge_way == "merge":
            here.git("merge", "--quiet", "--no-ff", "--no-edit", f"origin/{branch}")
        elif self.merge_way == "squash":
            here.git("merge", "--quiet", "--squash", f"origin/{branch}")
            here.git("commit", "--quiet", "--allow-empty", "--message", f"Merge {branch}")
        else:
            here.git("switch", "--quiet", "--force-create", "rebased", f"origin/{branch}")
            here.git("rebase", "--quiet", "main")
            here.git("switch", "--quiet", "--force-create", "main")
        here.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
        here.git("push", "--quiet", "origin", f":refs/heads/{branch}")
        self.run_main(before)

    def pass_by(self, changes: Sequence[Change]) -> None:
        """Let the month pass; one that is `LATE` is merged after the next."""
        self.run_main()
        waiting = ""
        for number, change in enumerate(changes, start=1):
            branch = f"change-{number}"
            self.propose(branch, change)
            if change in LATE:
                waiting = branch
                continue
            self.merge(branch)
            if waiting:
                self.bring_up_to_date(waiting)
                self.merge(waiting)
                waiting = ""


def write_parameters(project: Project, rate: float = 0.0, times: int = 0) -> None:
    """Change parameters by hand; 0 leaves one as it is."""
    path = project.root / "params.yaml"
    now = json.loads(path.read_text()) if path.exists() else {}
    project.write(
        "params.yaml",
        {
            "prepare": {"times": times or now["prepare"]["times"]},
            "train": {"rate": rate or now["train"]["rate"]},
            "report": {"primary_metric": "accuracy", "max_regression": LIMIT},
        },
    )


def write_documentation(project: Project) -> None:
    """Change what no stage reads."""
    project.write("README.md", "How this works\n")


def change_code(project: Project) -> None:
    """Let the last stage measure another way."""
    text = (project.root / "evaluate.py").read_text().replace("/ 0.9", "/ 0.95")
    project.write("evaluate.py", text)


def train_at_home(project: Project) -> None:
    """Change a parameter, run the pipeline on a laptop, and push what it made."""
    write_parameters(project, rate=0.7)
    project.dvc("repro", "--quiet")
    project.dvc("push", "--quiet")


improve: Change = partial(write_parameters, rate=0.7)
lose_much: Change = partial(write_parameters, rate=0.6)
improve_late: Change = partial(write_parameters, rate=0.8)
prepare_more: Change = partial(write_parameters, times=3)  # changes the data, not the score
go_back: Change = partial(write_parameters, rate=0.5)  # to the first day
LATE = (improve_late,)  # merged after the next one
CHANGES = (
    *(improve, write_documentation, lose_much, improve_late),
    *(change_code, prepare_more, train_at_home, go_back),
)
SHORT = (improve, write_documentation, improve_late, change_code, go_back)
SHORTEST = (improve, improve_late, change_code)
