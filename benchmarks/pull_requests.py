"""Let seven months pass, one after the other: `make histories`.

Three ways to merge, with results committed and not; each verdict is compared with that of two
pipelines run from nothing. The seventh is one of them once more, by the generated workflow.
"""

import itertools
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import histories
import months
from act import REPOSITORY, GitHub
from conftest import BakedProject, run
from histories import Project
from months import CHANGES, MERGES, Month
from tiny import bake_tiny


class MonthByAct(Month):
    """The same with the workflow that a project has: act lets its jobs run, publish and comment."""

    def make_project(self, root: Path) -> Project:
        """Bake a project, and put the pipeline of the other months in the place of its own."""
        self.baked = bake_tiny(root, self.folder / "environment")
        self.baked.run("dvc", "--version")
        project = Project(self.baked.path)
        for name in set(histories.FILES) - {".gitignore"}:
            project.write(name, histories.FILES[name])
        return project

    def make_repository(self) -> Path:
        """Make the provider's repository; act wants to read an address of GitHub in `origin`."""
        self.github = GitHub(BakedProject(self.user.root, self.baked.environment), self.folder)
        bare = self.github.bare
        self.user.git("config", f"url.{bare}.insteadOf", f"https://github.com/{REPOSITORY}")
        return bare

    def run_in_ci(self, branch: str, sha: str, event: Mapping[str, object], base: str) -> None:
        """Let act run and publish a commit, and check its verdict."""
        self.user.git("checkout", "--quiet", "--detach", sha)
        variables = {"COMMIT_RESULTS": str(self.commit_results).lower()}
        if branch == "main":
            pushed = {**event, "ref": "refs/heads/main", "after": sha}
            done = self.github.act("push", pushed, variables=variables)
        else:
            done = self.github.run_pull_request(branch, variables=variables)
        if base:
            exit_code = 6 if done.jobs["run"] == "failure" else 0
            self.compare(months.read_verdict(done.summary["run"], exit_code), branch, base, sha)


def main() -> int:
    """Print a line for each history; return 1 where a verdict was wrong."""
    uv = Path(sys.executable).with_name("uv")
    cache = run(uv, "cache", "dir", cwd=Path.cwd()).stdout.strip()
    wrong = []
    ways = [(Month, *way) for way in itertools.product(MERGES, (False, True))]
    for kind, merge, commit_results in [(MonthByAct, "squash", False), *ways]:
        with tempfile.TemporaryDirectory() as folder:
            os.environ |= histories.environment(Path(folder) / "home", UV_CACHE_DIR=cache)
            os.environ["LOCKED_BEFORE"] = folder
            month = kind(Path(folder), merge, commit_results)
            month.pass_by(CHANGES)
        where = "committed" if commit_results else "beside the branch"
        where += ", by act" if kind is MonthByAct else ""
        found = f"{month.judged - len(month.wrong)} of {month.judged} verdicts are true"
        print(f"{merge}, results {where}: {found}", flush=True)
        wrong += month.wrong
    for sentence in wrong:
        print(sentence)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
