"""Promise: `ci results` brings what a run of CI came to into a checkout, data included."""

import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import run
from histories import Project, set_remote
from publishing import SCRIPT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="every provider publishes on Linux"),
]


class Origin:
    """A provider whose CI ran the head of `change`, and the clone of a teammate."""

    def __init__(self, project: Project, folder: Path) -> None:
        """Let CI run a commit whose results nobody committed, and publish them."""
        set_remote(project, str(folder / "storage"))
        (folder / "storage").mkdir()
        project.commit("Set the remote")
        project.set_rate(0.7)
        self.sha = project.commit("Learn faster")
        self.bare = folder / "origin.git"
        run("git", "clone", "--quiet", "--bare", project.root, self.bare, cwd=folder)
        self.runner = self.clone(folder / "runner")
        self.runner.dvc("repro")
        self.runner.dvc("push")
        self.artifact = folder / "results.zip"
        with zipfile.ZipFile(self.artifact, "w") as archive:
            archive.writestr("report.md", "## Better\n")
            for name in ("dvc.lock", "metrics.json"):
                archive.write(self.runner.root / name, name)
        said = {"provider": "github", "commit": self.sha, "branch": "main", "outcome": "success"}
        environment = os.environ | said
        run(sys.executable, SCRIPT, self.artifact, cwd=self.runner.root, env=environment)

    def clone(self, folder: Path) -> Project:
        """Clone it as a teammate does, without any data."""
        run("git", "clone", "--quiet", self.bare, folder, cwd=folder.parent)
        return Project(folder)

    @property
    def experiments(self) -> str:
        """The refs that CI keeps results in."""
        return run("git", "for-each-ref", "refs/exps", cwd=self.bare).stdout


@pytest.fixture
def origin(project: Project, tmp_path: Path) -> Origin:
    """A provider whose CI ran."""
    return Origin(project, tmp_path)


def test_by_default_those_of_the_checked_out_commit(origin: Origin, tmp_path: Path) -> None:
    mine = origin.clone(tmp_path / "mine")
    done = mine.script("results")
    assert done.returncode == 0, done.stderr
    assert "Wrote dvc.lock, metrics.json." in done.stdout
    assert mine.metrics == origin.runner.metrics
    model = "models/model.json"
    assert (mine.root / model).read_bytes() == (origin.runner.root / model).read_bytes()
    assert mine.git("diff", "--name-only").split() == ["dvc.lock", "metrics.json"]
    assert "up to date" in mine.dvc("status")
    again = mine.script("results")
    assert again.returncode == 1
    assert "there are uncommitted changes, in dvc.lock, metrics.json" in again.stderr


def test_of_another_commit_it_says_so(origin: Origin, tmp_path: Path) -> None:
    mine = origin.clone(tmp_path / "mine")
    mine.git("commit", "--quiet", "--allow-empty", "--message", "Go on")
    done = mine.script("results", origin.sha[:8])
    assert f"These are the results of {origin.sha[:7]}; checked out is another" in done.stdout
    assert mine.metrics == origin.runner.metrics


def test_a_branch_means_its_commit_at_the_provider(origin: Origin, tmp_path: Path) -> None:
    mine = origin.clone(tmp_path / "mine")
    mine.git("reset", "--quiet", "--hard", "HEAD~1")
    done = mine.script("results", "main")
    assert done.returncode == 0, done.stderr
    assert mine.metrics == origin.runner.metrics


def test_without_the_data_it_says_metrics_only(origin: Origin, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "storage" / "files")
    mine = origin.clone(tmp_path / "mine")
    done = mine.script("results")
    assert done.returncode == 0
    assert "Metrics only" in done.stdout
    assert mine.metrics == origin.runner.metrics


def test_an_artifact_does_as_well(origin: Origin, tmp_path: Path) -> None:
    mine = origin.clone(tmp_path / "mine")
    with zipfile.ZipFile(origin.artifact, "a") as archive:
        archive.writestr("../outside", "evil")
        archive.writestr("train.py", "evil")
    before = (mine.root / "train.py").read_bytes()
    done = mine.script("results", str(origin.artifact))
    assert done.returncode == 0, done.stderr
    assert mine.metrics == origin.runner.metrics
    assert (mine.root / "train.py").read_bytes() == before
    assert not (tmp_path / "outside").exists()
    assert not (mine.root / "report.md").exists()


def test_the_number_of_a_run_asks_gh(origin: Origin, tmp_path: Path) -> None:
    mine = origin.clone(tmp_path / "mine")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gh").write_text(f"""#!{sys.executable}
import sys, zipfile
assert sys.argv[1:5] == ["run", "download", "123", "--name"], sys.argv
zipfile.ZipFile({str(origin.artifact)!r}).extractall(sys.argv[-1])
""")
    (tools / "gh").chmod(0o755)
    done = mine.script("results", "123", PATH=f"{tools}{os.pathsep}{mine.env['PATH']}")
    assert done.returncode == 0, done.stderr
    assert mine.metrics == origin.runner.metrics


def test_what_there_is_not_is_one_sentence(origin: Origin, tmp_path: Path, path_without) -> None:
    mine = origin.clone(tmp_path / "mine")
    mine.git("commit", "--quiet", "--allow-empty", "--message", "Go on")
    done = mine.script("results")
    assert done.returncode == 1
    assert done.stderr.startswith("ci results: CI has no results of the commit")
    assert done.stderr.count("\n") == 1
    done = mine.script("results", "nothing-of-that-name", PATH=path_without("gh"))
    assert done.returncode == 1
    assert done.stderr == (
        "ci results: The results of nothing-of-that-name could not be fetched: gh was not found\n"
    )


def test_pruning_leaves_what_a_branch_reaches(origin: Origin, tmp_path: Path) -> None:
    mine = origin.clone(tmp_path / "mine")
    assert "nothing to delete" in mine.script("results", "--prune", "--days", "0").stdout
    run("git", "branch", "--force", "main", "main~1", cwd=origin.bare)
    assert "nothing to delete" in mine.script("results", "--prune").stdout  # not old enough
    done = mine.script("results", "--prune", "--days", "0")
    assert f"/ci-{origin.sha[:7]}" in done.stdout, done.stderr
    assert origin.experiments == ""
