"""Promise: a full disk, a kill or a merge stops one run, and the next one goes on."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import histories
import pytest
from histories import Project
from mlci.work import diagnosis, dvc_words, recovery


@pytest.mark.slow
@pytest.mark.parametrize("left", ["", "schema: '2.0'\nstages:\n  sample:\n    cmd: 'pyth"])
def test_a_lock_that_a_full_disk_left_is_restored(project: Project, left: str) -> None:
    """Empty or cut short; what the run before had, else the commit, takes its place."""
    whole = (project.root / "dvc.lock").read_text()
    project.write("dvc.lock", left)
    done = project.script("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dvc.lock was empty or cut short" in done.stdout
    assert project.stages_run() == []
    assert (project.root / "dvc.lock").read_text() == whole

    project.set_rate(0.6)
    project.write("train.py", histories.FILES["train.py"] + "\nraise SystemExit(1)\n")
    assert project.script("run").returncode == 3
    project.git("rm", "--quiet", "--cached", "dvc.lock")
    project.commit("Forget the lock")
    project.write("dvc.lock", left)
    assert project.script("run").returncode == 3
    assert (project.root / "dvc.lock").read_text() == whole


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("unshare"), reason="mounts a small disk")
def test_a_full_disk_is_one_sentence(project: Project, tmp_path: Path) -> None:
    """The whole project on a disk of some megabytes, which a stage's output does not fit on."""
    small = tmp_path / "small"
    small.mkdir()
    project.write(
        "prepare.py",
        histories.FILES["prepare.py"] + "\n(folder / 'big').write_text('1\\n' * 3_000_000)\n",
    )
    run = f"cd '{small}/p' && '{sys.executable}' ci run"
    script = (
        f"mount -t tmpfs -o size=10m none '{small}' && cp -a '{project.root}/.' '{small}/p'"
        f" && {{ {run}; echo \"code $?\"; head -c 20 dvc.lock; rm -f '{small}/filler'; }}; "
        f"cd '{small}/p'; mount -o remount,size=60m '{small}'; {run}; echo \"code $?\";"
        f" '{sys.executable}' -m dvc data status --json"
    )
    done = project.run("unshare", "--map-root-user", "--mount", "sh", "-c", script, check=False)
    if "mount:" in done.stderr:
        pytest.skip("this machine lets nobody mount a small disk")
    assert "code 5" in done.stdout, done.stdout + done.stderr
    code, status = done.stdout.splitlines()[-2:]
    assert code == "code 0", done.stdout + done.stderr
    assert "not_in_cache" not in json.loads(status)
    assert "the disk is full: make room, then run it again" in done.stderr
    assert "--force" not in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_what_is_half_written_in_the_run_cache_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many at once, since a clock's tick may lie between two files; whole ones stay."""
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / ".dvc/cache/runs"
    for number in range(1000):
        stage = runs / "ab" / f"ab{number}"
        stage.mkdir(parents=True)
        (stage / "half.tmp").write_text("cmd: pyth")
    (runs / "ab/ab0/whole").write_text("cmd: python")
    (runs / "ab/ab1/empty").touch()
    recovery.mend_run_cache()
    assert [path.name for path in runs.glob("*/*/*")] == ["whole"]
    assert [path.name for path in runs.glob("*/*")] == ["ab0"]


@pytest.mark.slow
def test_a_merge_in_conflict_is_recognised(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both sides trained; the sentence's own commands, typed as they are, end the merge."""
    project.git("switch", "--quiet", "--create", "change")
    for rate, branch in ((0.6, "change"), (0.7, "main")):
        project.git("switch", "--quiet", branch)
        project.set_rate(rate)
        project.dvc("repro", "--quiet")
        project.commit(f"Set the rate to {rate}")
    merge = project.run("git", "merge", "change", check=False)
    assert merge.returncode == 1
    done = project.script("run")
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "a merge left conflicts in dvc.lock, metrics.json, params.yaml" in done.stderr
    assert "'git checkout dvc.lock'" not in done.stderr
    with monkeypatch.context() as patch:
        patch.chdir(project.root)
        (check,) = diagnosis.unfinished_merge()
    assert check.state == "failed"
    assert check.mend in done.stderr
    remedy = done.stderr.partition("take one side of the results (")[2].partition(")")[0]
    assert remedy == "git checkout --ours -- dvc.lock metrics.json"
    project.run(*remedy.split())
    done = project.script("run")
    assert "a merge left conflicts in" in done.stderr
    project.set_rate(0.65)
    project.dvc("repro", "--quiet")
    project.git("add", "--all")
    project.git("commit", "--quiet", "--no-edit")
    assert project.metrics["accuracy"] == 0.65 / 0.9
    assert project.script("run").returncode == 0


@pytest.mark.slow
def test_what_dvc_says(project: Project, tmp_path: Path) -> None:
    """Each sentence of DVC that a run acts on, as this version of DVC says it."""
    dvc = [sys.executable, "-m", "dvc"]

    def say(*arguments: str) -> str:
        done = subprocess.run(
            [*dvc, *arguments],
            cwd=project.root,
            env=project.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        return done.stdout

    project.set_rate(0.8)
    project.dvc("repro", "train")
    project.git("checkout", "--", "params.yaml")
    assert dvc_words.cached_stages(say("repro", "train")) == ["train"]

    project.write("train.py", histories.FILES["train.py"] + "\nraise SystemExit(3)\n")
    failed = say("repro", "--single-item", "train")
    assert dvc_words.failed_stage(failed) == "train"
    assert "failed to reproduce 'train'" in dvc_words.error_of(failed)

    histories.set_remote(project, str(tmp_path / "storage"))
    (tmp_path / "storage").mkdir()
    shutil.rmtree(project.root / ".dvc/cache")
    absent = say("fetch", "data/raw")
    assert dvc_words.is_not_there(absent), absent
    assert dvc_words.is_disk_full("ERROR: unexpected error - [Errno 28] No space left on device")
    assert dvc_words.is_not_allowed("ERROR: unexpected error - Forbidden: An error occurred (403)")
    assert dvc_words.error_of("\n") == "it printed nothing"
