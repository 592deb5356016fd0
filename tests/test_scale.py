"""Promise: with compute=dask a table is prepared part by part, by processes that may die."""

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import histories
import numpy as np
import pandas as pd
import psutil
import pytest
from conftest import BakedProject, run
from test_pipeline import set_params

pytestmark = pytest.mark.slow
FILES, ROWS = 12, 500
PREPARE = "src/prepare_data.py"


def write_parts(project: BakedProject, numbers: range) -> None:
    """Write files as people have them: gaps, texts and dates, kinds that differ from file to file."""
    folder = project.path / "data" / "source"
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        rng = np.random.default_rng(number)
        table = pd.DataFrame(rng.normal(size=(ROWS, 4)).round(3), columns=list("abcd"))
        table["code"] = rng.integers(100, 300, ROWS).astype(str)
        table["count"] = rng.integers(0, 50, ROWS)
        table["big"] = rng.integers(0, 9, ROWS) + (2**60 if number % 2 else 0)
        table["patient"] = rng.integers(0, 100, ROWS)
        table["id"] = np.arange(ROWS) + number * ROWS
        minutes = pd.to_timedelta(np.arange(ROWS) + number * ROWS, unit="min")
        table["when"] = pd.Timestamp("2024-01-01") + minutes
        table["flag"] = np.nan if number == 3 else rng.random(ROWS) < 0.5
        table["label"] = np.where(table["a"] + table["b"] > 0, "yes", "no")
        if number == 1:
            table.loc[7, "code"] = "A12"
        if number == 2:
            table.loc[:9, "label"] = np.nan
            table = pd.concat([table, table[20:40]])
        table.to_csv(folder / f"part{number:03}.csv", index=False)


def make(render: Callable[..., BakedProject], compute: str, files: int = FILES) -> BakedProject:
    """Return a project with a table in parts."""
    project = render(compute=compute, task="classification")
    write_parts(project, range(files))
    set_params(project, prepare={"target": "label"})
    return project


def digests(folder: Path) -> dict[str, str]:
    """Return the checksum of each file."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest() for path in files
    }


def both_sides(project: BakedProject) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what is for training and what for the test."""
    raw = project.path / "data" / "raw"
    return pd.read_parquet(raw / "train.parquet"), pd.read_parquet(raw / "test.parquet")


def numbers_of(project: BakedProject) -> dict:
    """Return what became of the rows, but for what is known only after the split."""
    rows = json.loads(project.read("data/raw/rows.json"))
    return {name: rows[name] for name in rows.keys() - {"train_rows", "test_rows", "test_hash"}}


@contextmanager
def started(project: BakedProject, *command: str, **env: str) -> Iterator[subprocess.Popen]:
    """Run a command in the project's environment, and end it."""
    python = project.environment / "bin" / "python"
    with subprocess.Popen(
        [python, *command], cwd=project.path, text=True, env=os.environ | env,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def wait_for_parts(project: BakedProject, process: subprocess.Popen) -> None:
    """Wait until the first part is written, which is when the split goes on."""
    unfinished = project.path / "data" / "raw" / ".unfinished" / "train.parquet"
    while not any(unfinished.glob("part-*")):
        assert process.poll() is None
        time.sleep(0.01)


def workers_of(process: subprocess.Popen) -> list[psutil.Process]:
    """Return the processes that a stage has started."""
    found = psutil.Process(process.pid).children(recursive=True)
    return [child for child in found if "spawn_main" in " ".join(child.cmdline())]


def test_parts_hold_what_one_table_would(render) -> None:
    """The rows, their keys and types are those of compute=local; so is the test where time decides."""
    local, dask = make(render, "local"), make(render, "dask")
    for project in (local, dask):
        project.run("python", PREPARE)
    one, parts = (pd.concat(both_sides(project)) for project in (local, dask))
    assert sorted(one.index) == sorted(parts.index)
    assert parts.dtypes.equals(one.dtypes)
    assert numbers_of(dask) == numbers_of(local)
    train, test = both_sides(dask)
    assert not set(train.index) & set(test.index)
    assert abs(len(test) / len(parts) - 0.2) < 0.03

    set_params(dask, compute={"workers": 1, "threads": 3})
    before = digests(dask.path / "data" / "raw")
    dask.run("python", PREPARE)
    assert digests(dask.path / "data" / "raw") == before

    for project in (local, dask):
        set_params(project, prepare={"time": "when"})
        project.run("python", PREPARE)
    assert sorted(both_sides(dask)[1].index) == sorted(both_sides(local)[1].index)

    set_params(dask, prepare={"time": None, "group": "patient", "id": "id"})
    dask.run("python", PREPARE)
    train, test = both_sides(dask)
    assert not set(train["patient"]) & set(test["patient"])

    dask.run("python", PREPARE, "--write-schema")
    local.run("python", PREPARE, "--write-schema")
    assert dask.read("data/schema.yaml") == local.read("data/schema.yaml")
    path = dask.path / "data" / "source" / "part000.csv"
    for name, row in (("part004.csv", 3), ("part009.csv", 8)):
        other = path.with_name(name)
        table = pd.read_csv(other).astype({"a": object})
        table.loc[row - 2, "a"] = "inf"
        table.to_csv(other, index=False)
    set_params(dask, prepare={"drop": ["weight"]})
    done = dask.run("python", PREPARE, check=False)
    assert done.returncode == 1
    assert "there is no column 'weight'" in done.stderr
    assert "row part004.csv 3; likewise in 1 more parts." in done.stderr


def test_one_percent_more_data_is_about_one_percent_more_to_push(render, server) -> None:
    project = make(render, "dask", files=100)
    (project.path / "dvc.yaml").unlink()  # of all that it runs only what is measured
    run("git", "init", "--quiet", cwd=project.path)
    run("dvc", "init", "--quiet", cwd=project.path)
    run("dvc", "remote", "add", "--default", "s3", "s3://bucket/scale", cwd=project.path)
    run("dvc", "remote", "modify", "s3", "endpointurl", server.endpoint, cwd=project.path)
    env = os.environ | dict.fromkeys(histories.SECRETS, "test-secret")

    def push() -> int:
        project.run("python", PREPARE)
        run("dvc", "add", "--quiet", "data/source", "data/raw", cwd=project.path)
        run("dvc", "push", "--quiet", cwd=project.path, env=env)
        listed = server.client().get_paginator("list_objects_v2").paginate(Bucket="bucket")
        return sum(item["Size"] for page in listed for item in page.get("Contents", []))

    first = push()
    write_parts(project, range(100, 101))
    assert 0.005 < push() / first - 1 < 0.02


def test_a_worker_that_dies_costs_time_only(render) -> None:
    """And Ctrl-C, like a polite kill, leaves no process."""
    project = make(render, "dask")
    project.run("python", PREPARE)
    before = digests(project.path / "data" / "raw")
    with started(project, PREPARE) as process:
        wait_for_parts(project, process)
        workers_of(process)[0].kill()
        assert process.wait(120) == 0
    assert digests(project.path / "data" / "raw") == before

    for number in (signal.SIGINT, signal.SIGTERM):
        with started(project, PREPARE) as process:
            wait_for_parts(project, process)
            workers = workers_of(process)
            assert len(workers) == 2
            process.send_signal(number)
            _, said = process.communicate(timeout=120)
        assert process.returncode == 128 + number
        assert "Traceback" not in said
        assert psutil.wait_procs(workers, timeout=30)[1] == []
        assert digests(project.path / "data" / "raw") == before


def test_a_scheduler_of_the_team_serves_or_says_why_not(render, tmp_path: Path) -> None:
    project = make(render, "dask")
    project.run("python", PREPARE)
    before = digests(project.path / "data" / "raw")
    nowhere = {"DASK_SCHEDULER_ADDRESS": "tcp://127.0.0.1:9"}
    done = project.run("python", PREPARE, check=False, env=nowhere)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "no scheduler answers there" in done.stderr

    file = str(tmp_path / "scheduler.json")
    scheduler = ["-m", "distributed.cli.dask_scheduler", "--port", "0", "--scheduler-file", file]
    worker = ["-m", "distributed.cli.dask_worker", "--scheduler-file", file, "--nthreads", "2"]
    old = tmp_path / "old" / "pandas-1.0.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: pandas\nVersion: 1.0\n")
    elsewhere = BakedProject(tmp_path, project.environment)
    with started(elsewhere, *scheduler, "--dashboard-address", "127.0.0.1:0"):
        while not Path(file).exists():
            time.sleep(0.05)
        address = json.loads(Path(file).read_text())["address"]
        there = {"DASK_SCHEDULER_ADDRESS": address}
        with started(elsewhere, *worker, "--no-dashboard") as first:
            with started(project, PREPARE, **there) as process:
                wait_for_parts(project, process)
                workers_of(first)[0].kill()  # it is started again, and told about the project anew
                assert process.wait(120) == 0
            with started(elsewhere, *worker, "--no-dashboard", PYTHONPATH=str(old.parent)) as other:
                assert other.stderr is not None
                assert any("Registered to" in line for line in other.stderr)
                done = project.run("python", PREPARE, check=False, env=there)
                assert done.returncode == 1
                assert "pandas is 1.0 there" in done.stderr
    assert digests(project.path / "data" / "raw") == before
