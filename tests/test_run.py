"""`ci run`: one run anywhere. Each test runs it on a real history, most of them against S3."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import histories
import psutil
import pytest
from histories import Project, S3Server
from mlci.work import upload

ALL_STAGES = ["sample", "prepare", "train", "evaluate"]


@pytest.mark.slow
def test_only_what_changed_is_fetched(laptop: Project, tmp_path: Path, server: S3Server) -> None:
    """Nothing changed: no data. Only training changed: its inputs, and nothing else."""
    clone = histories.clone(laptop, tmp_path / "clone", CI="true")
    server.requests.clear()
    done = clone.script("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [name for name in server.data_requests("GET") if not name.endswith(".dir")] == []
    assert server.data_requests("PUT") == []
    assert clone.stages_run() == []
    assert "Nothing to reproduce" in done.stdout

    clone.write(
        "train.py",
        histories.FILES["train.py"].replace("rows =", "number_of_rows = rows ="),
    )
    clone.commit()
    done = clone.script("run", baseline="HEAD~1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert clone.stages_run() == ["train"]  # the same model came of it: nothing to evaluate
    data = laptop.root / "data/raw"
    size = sum(path.stat().st_size for path in data.iterdir()) / 1000
    # The folder's files, which are all alike, and the listing that names them.
    fetched = re.search(r"- (\d) files, ([\d.]+) kB, fetched", clone.report)
    assert fetched
    assert size <= float(fetched[2]) < size + 1
    assert int(fetched[1]) == len(set(laptop.checksums("prepare").values()))
    made = laptop.checksums("prepare").values()
    assert {name for name in server.data_requests("GET") if not name.endswith(".dir")} == {
        name for name in made if not name.endswith(".dir")
    }

    clone.set_rate(0.7)
    clone.commit()
    server.requests.clear()
    assert clone.script("run", baseline="HEAD~1").returncode == 0
    assert clone.stages_run() == ["train", "evaluate"]
    assert all(name.endswith(".dir") for name in server.data_requests("GET"))
    assert set(server.data_requests("PUT")) == set(clone.checksums("train").values())
    assert f"{0.7 / 0.9:.4f}" in clone.report

    said = clone.report.partition("<summary>This run: 2 stages in ")[2]
    assert re.match(r"[\d.]+ s, on \d+ cores? with [\d.]+ [GT]B of memory", said)
    seconds = re.findall(r"`(train|evaluate)` ([\d.]+) s", said)
    assert [name for name, _ in seconds] == ["train", "evaluate"]
    assert "unchanged: `sample`, `prepare`" in said
    assert "fetched" not in said  # what `train` reads came with the run before
    size = (clone.root / "models/model.json").stat().st_size
    sent = re.search(rf"- {size} B of data made · (\d+) files sent", said)
    assert sent
    # The model, and of each stage that ran what the run cache knows of it.
    assert int(sent[1]) == len([path for verb, path in server.requests if verb == "PUT"])
    assert clone.script("report").returncode == 0
    assert "This run:" not in clone.report  # nothing was run


@pytest.mark.slow
def test_a_result_pushed_from_a_laptop_is_not_trained_again(
    laptop: Project, tmp_path: Path
) -> None:
    """The laptop commits its parameters only; CI finds the model by the run cache."""
    laptop.set_rate(0.8)
    assert laptop.script("run").returncode == 0
    assert laptop.stages_run() == ["train", "evaluate"]
    laptop.git("checkout", "--", "dvc.lock", "metrics.json")
    laptop.commit("Change the rate")
    clone = histories.clone(laptop, tmp_path / "clone", CI="true")
    done = clone.script("run", baseline="HEAD~1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert clone.stages_run() == ["evaluate"]  # its metrics are in Git, not in the run cache
    assert clone.metrics == laptop.metrics or clone.metrics["accuracy"] == 0.8 / 0.9
    assert f"{0.8 / 0.9:.4f}" in clone.report
    assert "- `train` from the run cache · `evaluate` " in clone.report


@pytest.mark.slow
def test_a_fork_has_no_secrets(laptop: Project, tmp_path: Path, server: S3Server) -> None:
    """It asks nothing of the remote, makes again what it can, and reports; CI stays green."""
    empty = dict.fromkeys(histories.SECRETS, "")
    fork = histories.clone(laptop, tmp_path / "fork")
    fork.env |= empty | {"CI": "true"}
    fork.set_rate(0.6)
    fork.commit()
    server.requests.clear()
    done = fork.script("run", baseline="HEAD~1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.requests == []
    assert "train" in fork.stages_run()
    assert f"{0.6 / 0.9:.4f}" in fork.report
    assert "`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`. Nothing was pulled" in fork.report

    # the same with own data, which nobody can make again
    own = histories.clone(laptop, tmp_path / "own")
    own.env |= empty | {"CI": "true"}
    pipeline = histories.PIPELINE
    start, end = pipeline.index("  sample:"), pipeline.index("  prepare:")
    own.write("dvc.yaml", pipeline[:start] + pipeline[end:])
    own.write("data/source/a.csv", "1\n2\n")
    own.dvc("add", "--quiet", "data/source")
    shutil.rmtree(own.root / "data" / "source")
    shutil.rmtree(own.root / ".dvc" / "cache")
    own.commit()
    done = own.script("run", baseline="HEAD~1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "needs data that is only in the remote" in own.report
    assert own.stages_run() == []


@pytest.mark.slow
def test_a_failed_stage_is_named_with_the_end_of_its_log(laptop: Project) -> None:
    """It is run once, what had worked before it is pushed, no secret of the log is in the report.

    DVC's own line about the stage is further back than the log that is kept.
    """
    laptop.write(
        "train.py",
        "import os\nfor n in range(25_000): print('line', n)\n"
        "print('key is', os.environ['AWS_SECRET_ACCESS_KEY'])  # which `stage_env` allows\n"
        "print('id is', os.environ.get('AWS_ACCESS_KEY_ID'))\n"
        "print('tokens:', os.environ.get('REPO_TOKEN'), os.environ.get('repo_token'))\n"
        "raise SystemExit('no `convergence`')\n",
    )
    tokens = {"REPO_TOKEN": "test-token", "repo_token": "test-token"}
    done = laptop.script("run", "--stage-env", "AWS_SECRET_ACCESS_KEY", **tokens)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "$ dvc push --run-cache" in done.stdout
    assert laptop.report.startswith("## ❌ Stage `train` failed: no &#96;convergence&#96;\n")
    assert "no `convergence`" in laptop.report
    assert re.search(
        r"- `train` [\d.]+ s · not run: `sample`, `prepare`, `evaluate`", laptop.report
    )
    assert done.stdout.count("Running stage 'train'") == 1
    assert "line 24999" in laptop.report
    assert "line 12\n" not in laptop.report
    assert "key is ***" in laptop.report
    assert "id is None" in laptop.report
    assert "tokens: None None" in laptop.report
    assert "test-secret" not in laptop.report


def test_the_remotes_answer_is_found_and_silence_is_none() -> None:
    """It may stand behind a progress bar; a process that says nothing has not found everything."""
    assert upload.absent_paths(f'100%|###| 3/3{upload.ANSWER}["data/a"]\n') == ["data/a"]
    assert upload.absent_paths(f"100%|###| 3/3{upload.EVERYTHING}\n") == []
    assert upload.absent_paths(f'{upload.ANSWER}["{upload.EVERYTHING}"]\n') == [upload.EVERYTHING]
    assert upload.absent_paths("Everything is up to date.\n") is None


@pytest.mark.slow
def test_any_text_can_be_printed(laptop: Project) -> None:
    """Also where the output goes to a pipe on Windows, whose code page has few letters."""
    windows = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"}
    laptop.write("train.py", histories.FILES["train.py"] + "\nprint('loss ≈ 0.5 ✓')\n")
    done = laptop.script("run", dvc_pull="-", **windows)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "loss ≈ 0.5 ✓" in done.stdout
    assert "⚪ Nothing that is measured changed" in done.stdout
    assert laptop.script("report", **windows).returncode == 0


@pytest.mark.slow
def test_a_remote_that_never_answers(laptop: Project) -> None:
    """A sentence within the limit, the run goes on with what is here, and the report is written."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts by its backlog, never answers
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        histories.set_remote(laptop, "s3://bucket/once", endpoint)
        laptop.set_rate(0.6)
        done = laptop.script("run", "--time-limit", "3", baseline="HEAD")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "The remote failed while fetching the run cache: it did nothing for 3 s" in laptop.report
    assert laptop.stages_run() == ["train", "evaluate"]
    assert f"{0.6 / 0.9:.4f}" in laptop.report


@pytest.mark.slow
def test_a_remote_that_refuses(laptop: Project) -> None:
    """DVC's own reason is in the report, and the exit code is that of the remote."""
    config = laptop.root / ".dvc" / "config"
    config.write_text(config.read_text().replace("bucket/once", "no-such-bucket/once"))
    done = laptop.script("run", "--baseline", "HEAD", "--dvc-pull", "data/source")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "bucket does not exist" in laptop.report


@pytest.mark.slow
def test_data_that_was_never_pushed_is_made_again(laptop: Project, tmp_path: Path) -> None:
    """With an empty remote, the stages that lead to what is needed run again, and are pushed."""
    clone = histories.clone(laptop, tmp_path / "clone", CI="true")
    config = clone.root / ".dvc" / "config"
    config.write_text(config.read_text().replace("bucket/once", f"bucket/{tmp_path.name}"))
    clone.set_rate(0.6)
    done = clone.script("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(clone.stages_run()) >= {"prepare", "train", "evaluate"}
    fresh = histories.clone(clone, tmp_path / "fresh")
    fresh.git("pull", "--quiet")
    shutil.copy(clone.root / "dvc.lock", fresh.root)
    shutil.copy(config, fresh.root / ".dvc" / "config")
    fresh.dvc("pull", "models/model.json")
    assert json.loads((fresh.root / "models/model.json").read_text())["rate"] == 0.6


@pytest.mark.slow
def test_a_local_remote_of_another_machine(tmp_path: Path) -> None:
    """On a hosted runner nothing is pulled or pushed, the report says so, and the run is green."""
    project = histories.new_project(tmp_path / "project")
    histories.set_remote(project, "../../storage")
    done = project.script("run", CI="true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.stages_run() == ALL_STAGES
    assert "which this machine does not have: nothing was pulled or pushed" in project.report
    assert "(first results)" in project.report
    assert not (tmp_path / "storage").exists()

    done = project.script("run")  # on a laptop the folder is made by the first push
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((tmp_path / "storage").rglob("*.dir"))
    assert project.stages_run() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"repro_targets": "trian"},
            "the stages are: sample, prepare, train, evaluate",
        ),
        ({"repro_targets": "--force"}, "'--force' is not a stage"),
        ({"repro_targets": "train,,"}, "empty entry"),
        ({"dvc_pull": "data/nothing"}, "allowed are: data/source, data/raw"),
        ({"metrics_diff_targets": "scores.json"}, "they are: metrics.json"),
        ({"baseline": "no-such-branch"}, "'no-such-branch' is not a commit"),
        ({"baseline": "--all"}, "'--all' is not a commit"),
        ({"metrics_format": "%d"}, "not a numeral.js pattern such as"),
        ({"tag_prefix": "exp ..~"}, "Git accepts no tag that begins with"),
        ({"commit_results": "perhaps"}, "neither 'true' nor 'false'"),
        ({"time_limit": "soon"}, "whole number of seconds"),
    ],
)
def test_bad_input_is_one_sentence(
    laptop_once: Project, variables: dict[str, str], sentence: str
) -> None:
    """Whether it is a variable or a flag; nothing is run or written."""
    before = laptop_once.git("status", "--porcelain")
    ((name, value),) = variables.items()
    for done in (
        laptop_once.script("run", **variables),
        laptop_once.script("run", f"--{name.replace('_', '-')}={value}", **{name: "-"}),
    ):
        assert done.returncode == 2, done.stdout + done.stderr
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert "$ dvc" not in done.stdout
    assert laptop_once.git("status", "--porcelain") == before
    assert not (laptop_once.root / "report.md").exists()


def test_help_explains_every_variable(laptop_once: Project) -> None:
    """Each flag of `--help` has its default and the name of its variable."""
    text = " ".join(laptop_once.script("run", "--help").stdout.split())
    for name in (
        "baseline",
        "repro_targets",
        "metrics_diff_targets",
        "tag_prefix",
        "dvc_pull",
    ):
        assert f"--{name.replace('_', '-')} VALUE" in text
        assert f"variable: {name}" in text
    assert "default: 0[.][0000000]; variable: metrics_format" in text


@pytest.mark.slow
def test_skips(laptop: Project, server: S3Server) -> None:
    """`-` leaves a step out, an empty variable is unset, and `[ci skip]` skips everything."""
    laptop.set_rate(0.6)
    server.requests.clear()
    empty = dict.fromkeys(("baseline", "tag_prefix", "metrics_format", "commit_results"), "")
    done = laptop.script("run", repro_targets="-", dvc_pull="-", **empty)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dvc repro" not in done.stdout
    assert "dvc pull" not in done.stdout
    assert laptop.stages_run() == []
    done = laptop.script("run", "--dvc-pull=-", "--repro-targets=train")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "$ dvc repro --single-item train" in done.stdout
    assert laptop.stages_run() == ["train"]
    laptop.commit("Try something [skip ci]")
    done = laptop.script("run")
    assert done.returncode == 0
    assert "[ci skip] or [skip ci]: nothing is run" in done.stdout
    assert "$ dvc" not in done.stdout


@pytest.mark.slow
def test_a_step_that_must_be_green_leaves_its_code(tmp_path: Path) -> None:
    """Whatever goes wrong, be it a fault of the run itself: Bitbucket goes on from green steps."""
    project = histories.new_project(tmp_path / "project")
    outcome = project.root / "outcome.txt"
    project.write(".dvc/tmp", "a file where a folder has to be")
    done = project.script("run", "--exit-zero", CI="true")
    assert (done.returncode, outcome.read_text()) == (0, "1\n")
    assert "Traceback" in done.stderr
    assert project.script("run", CI="true").returncode == 1

    (project.root / ".dvc/tmp").unlink()
    project.write("params.yaml", {"report": {}})
    done = project.script("run", "--exit-zero", CI="true")
    assert (done.returncode, outcome.read_text()) == (0, "2\n")
    assert "report takes the keys" in done.stderr
    assert "report takes the keys" in project.report


@pytest.mark.slow
def test_a_report_that_cannot_be_written(laptop: Project) -> None:
    """It has an exit code of its own."""
    (laptop.root / "report.md").mkdir()
    done = laptop.script("run")
    assert done.returncode == 5, done.stdout + done.stderr
    assert "the report could not be written" in done.stderr


@pytest.mark.slow
def test_a_damaged_cache_is_found_named_and_fetched_again(laptop: Project) -> None:
    """A flipped byte, with the file's time and mode put back as they were."""
    assert laptop.script("run").returncode == 0
    (checksum,) = laptop.checksums("train").values()
    cached = laptop.root / ".dvc/cache/files/md5" / checksum[:2] / checksum[2:]
    good, stat = cached.read_bytes(), cached.stat()
    cached.chmod(0o644)
    cached.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    cached.chmod(stat.st_mode)
    os.utime(cached, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    done = laptop.script("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "`models/model.json` was damaged and has been removed and fetched again" in laptop.report
    assert cached.read_bytes() == good
    assert laptop.stages_run() == []


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="kills a POSIX process group")
@pytest.mark.parametrize("orphan", [False, True], ids=["all killed", "DVC goes on alone"])
def test_killed_while_reproducing(laptop: Project, orphan: bool) -> None:
    """The next run ends what is left of the first, completes, and gives the same results."""
    laptop.set_rate(0.6)
    slow = histories.FILES["train.py"] + "\nif 'SLOW' in os.environ: time.sleep(60)\n"
    laptop.write("train.py", slow)
    with laptop.start(SLOW="1") as running:
        wait_for(laptop.stages_log.exists)
        second = laptop.script("run")
        assert second.returncode == 7, second.stdout + second.stderr
        assert "another run is going on in this checkout" in second.stderr
        dvc = psutil.Process(running.pid).children()
        (os.kill if orphan else os.killpg)(running.pid, signal.SIGKILL)
    done = laptop.script("run", baseline="HEAD")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not any(process.is_running() for process in dvc)
    assert laptop.metrics["accuracy"] == 0.6 / 0.9
    assert f"{0.6 / 0.9:.4f}" in laptop.report


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="kills a POSIX process group")
@pytest.mark.parametrize("moment", ["GET /bucket/once/files/md5", "PUT /bucket/once/files/md5"])
def test_killed_while_pulling_or_pushing(
    laptop: Project, tmp_path: Path, server: S3Server, moment: str
) -> None:
    """The next run completes, and the remote then has what a fresh clone needs."""
    clone = histories.clone(laptop, tmp_path / "clone", CI="true")
    clone.set_rate(0.1 + len(moment) / 1000 + (0.01 if "PUT" in moment else 0))
    server.hold = moment
    with clone.start() as running:
        assert server.held.wait(60)
        os.killpg(running.pid, signal.SIGKILL)
    server.hold = ""
    server.released.set()
    done = clone.script("run")
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(clone.root / "models")
    shutil.rmtree(clone.root / ".dvc" / "cache")
    clone.dvc("pull", "models/model.json")
    rate = json.loads((clone.root / "models/model.json").read_text())["rate"]
    assert clone.metrics["accuracy"] == rate / 0.9


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="kills a POSIX process group")
def test_killed_while_reporting(laptop: Project) -> None:
    """There is no half report, and the next run writes a whole one."""
    with laptop.start() as running:
        for line in running.stdout or ():
            if line.startswith("$ ci report"):
                os.killpg(running.pid, signal.SIGKILL)
                break
    assert not (laptop.root / "report.md").exists()
    assert laptop.script("run").returncode == 0
    assert "(first results)" in laptop.report


@pytest.mark.slow
@pytest.mark.parametrize("content", ["", '{"write": {"/x": {"pid": PID, "cmd": "dvc repro"}}}'])
def test_locks_that_a_kill_left_behind(laptop: Project, content: str) -> None:
    """DVC's list of paths in use, cut short, or naming a process number that is used again."""
    with subprocess.Popen(["sleep", "60"]) as other:  # not DVC, though it has that number
        lock = content.replace("PID", str(other.pid)).replace("/x", str(laptop.root / "models"))
        (laptop.root / ".dvc" / "tmp").mkdir(exist_ok=True)
        (laptop.root / ".dvc" / "tmp" / "rwlock").write_text(lock)
        laptop.set_rate(0.3 + len(content) / 1000)
        done = laptop.script("run")
        other.kill()
    assert done.returncode == 0, done.stdout + done.stderr
    assert laptop.stages_run() == ["train", "evaluate"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to catch")
def test_a_cancelled_job_leaves_no_process(laptop: Project) -> None:
    """CI ends a job by SIGTERM: DVC and its stage end with it, and the next run goes on."""
    laptop.write(
        "train.py", histories.FILES["train.py"] + "\ntime.sleep(60 * ('SLOW' in os.environ))\n"
    )
    with laptop.start(SLOW="1") as running:
        wait_for(laptop.stages_log.exists)
        family = psutil.Process(running.pid).children(recursive=True)
        running.terminate()
        assert running.wait(30) == 143
    assert family
    assert not any(process.is_running() for process in family)
    assert laptop.script("run").returncode == 0


@pytest.mark.slow
def test_a_broken_pipeline_file_is_one_sentence(laptop: Project) -> None:
    """Conflict markers, say; nothing is run, and nothing is restored behind the user's back."""
    laptop.write("dvc.lock", "<<<<<<< HEAD\nschema: '2.0'\n")
    done = laptop.script("run")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "'git checkout dvc.lock' restores it" in done.stderr
    assert "Traceback" not in done.stderr
    assert (laptop.root / "dvc.lock").read_text().startswith("<<<<<<<")
