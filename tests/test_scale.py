"""Promise: with compute=dask a table is prepared part by part, by processes that may die."""

import hashlib
import json
import re
import signal
from collections.abc import Callable
from pathlib import Path

import histories
import numpy as np
import pandas as pd
import psutil
import pytest
from conftest import BakedProject
from histories import Project
from test_pipeline import copies, run_each, set_params
from test_scale_model import add_model, prepare
from workers import ADDRESS, scheduler, started, wait_for, worker, workers_of

pytestmark = pytest.mark.slow
ROWS = 500
PREPARE = "src/prepare_data.py"
# A model that takes more memory than a worker has.
GREEDY = """

class Greedy(linear_model.LogisticRegression):
    def fit(self, X, y):
        import time
        taken = b"x" * 2**30
        time.sleep(600)


MODELS["greedy"] = Greedy()
"""
# Asks schedulers in turn, and not for a minute each whether a worker comes.
IMPATIENT = """
import os, runpy, sys
sys.path.insert(0, "src")
from tabular import cluster
cluster.WORKERS = 1
for os.environ["DASK_SCHEDULER_ADDRESS"] in sys.argv[1:]:
    try:
        runpy.run_path("src/prepare_data.py", run_name="__main__")
    except SystemExit as refusal:
        print(refusal.code)
"""
# What a worker does that has a disk of its own; to have no folder that others have takes root.
HIDE = """
import sys


def hide(event, arguments):
    if event in ("os.chdir", "open") and str(arguments[0]).startswith({folder!r}):
        raise FileNotFoundError(2, "No such file or directory", arguments[0])


sys.addaudithook(hide)
"""


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


@pytest.fixture(autouse=True)
def same_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not lock each project: all have the environment of the first one."""
    monkeypatch.setenv("UV_NO_SYNC", "1")


def make(render: Callable[..., BakedProject], compute: str, files: int) -> BakedProject:
    """Return a project with a table in parts, and the packages of compute=dask."""
    project, dask = (render(compute=kind, task="classification") for kind in (compute, "dask"))
    dask.make_environment()
    project = BakedProject(project.path, dask.environment)
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


def add_infinity(path: Path, row: int) -> None:
    """Put a cell that is no number of a table into a row of a file."""
    table = pd.read_csv(path).astype({"a": object})
    table.loc[row - 2, "a"] = "inf"
    table.to_csv(path, index=False)


def test_parts_hold_what_one_table_would(render, team) -> None:
    """The rows, their keys and types are those of compute=local; so is the test where time decides."""
    project = make(render, "local", files=6)
    local = copies(project, ["plain", "time"])
    set_params(local["time"], prepare={"time": "when"})
    assert not any(run_each(project, PREPARE, [case.path for case in local.values()]))
    project.run("python", PREPARE, "--write-schema")

    own = make(render, "dask", files=6)
    dask = copies(own, ["plain", "time", "group", "wrong"])
    set_params(dask["time"], prepare={"time": "when"})
    set_params(dask["group"], prepare={"group": "patient", "id": "id"})
    set_params(dask["wrong"], prepare={"drop": ["weight"]})
    for name, row in (("part004.csv", 3), ("part005.csv", 8)):
        add_infinity(dask["wrong"].path / "data" / "source" / name, row)
    *good, said = run_each(own, PREPARE, [case.path for case in dask.values()], team(own))
    assert not any(good)
    own.run("python", PREPARE, "--write-schema", env=team(own))

    one, parts = (pd.concat(both_sides(cases["plain"])) for cases in (local, dask))
    assert sorted(one.index) == sorted(parts.index)
    assert parts.dtypes.equals(one.dtypes)
    assert numbers_of(dask["plain"]) == numbers_of(local["plain"])
    train, test = both_sides(dask["plain"])
    assert not set(train.index) & set(test.index)
    assert abs(len(test) / len(parts) - 0.2) < 0.03
    assert sorted(both_sides(dask["time"])[1].index) == sorted(both_sides(local["time"])[1].index)
    train, test = both_sides(dask["group"])
    assert len(train) + len(test) == len(parts)
    assert not set(train["patient"]) & set(test["patient"])
    assert own.read("data/schema.yaml") == project.read("data/schema.yaml")
    assert said is not None
    assert "there is no column 'weight'" in said
    assert "row part004.csv 3: correct or leave out these rows; likewise in 1 more parts." in said


def test_two_percent_more_data_are_about_two_percent_more_to_push(render, server, team) -> None:
    project = make(render, "dask", files=50)
    (project.path / "dvc.yaml").unlink()  # of all that it runs only what is measured
    (project.path / ".dvc").mkdir()
    laptop = Project(project.path, **dict.fromkeys(histories.SECRETS, "test-secret"))
    laptop.git("init", "--quiet")
    histories.set_remote(laptop, "s3://bucket/scale", server.endpoint)

    def push() -> int:
        project.run("python", PREPARE, env=team(project))
        laptop.dvc("add", "--quiet", "data/source", "data/raw")
        laptop.dvc("push", "--quiet")
        listed = server.client().get_paginator("list_objects_v2").paginate(Bucket="bucket")
        return sum(item["Size"] for page in listed for item in page.get("Contents", []))

    first = push()
    write_parts(project, range(50, 51))
    assert 0.01 < push() / first - 1 < 0.04


def test_a_worker_that_dies_costs_time_only(render, team) -> None:
    """Of a stage or of a team; what is written is the same, and a kill leaves no process."""
    project = make(render, "dask", files=12)
    raw, place = project.path / "data" / "raw", (project.environment, project.path)
    unfinished = raw / ".unfinished" / "train.parquet"

    def is_writing() -> bool:
        return any(unfinished.glob("part-*"))

    project.run("python", PREPARE, env=team(project))
    before = digests(raw)
    with started(*place, PREPARE) as process:
        wait_for(process, is_writing)
        workers_of(process)[0].kill()
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert digests(raw) == before

    with started(*place, PREPARE) as process:
        wait_for(process, is_writing)
        workers = workers_of(process)
        assert len(workers) == 2
        process.terminate()
        _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in said
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    assert digests(raw) == before


def test_a_scheduler_of_the_team_serves_or_says_why_not(render, team, tmp_path: Path) -> None:
    """Each in one sentence: nobody there, another version, too small a worker, another folder."""
    project = render(compute="dask", task="classification")
    prepare(project, "classification")
    add_model(project, GREEDY)
    set_params(project, train={"model": "greedy", "greedy": {}}, compute={"memory": "60MiB"})
    cases = copies(project, ["greedy", "large", "hidden"])
    large = cases["large"].path / "data" / "raw" / "train.parquet" / "part-0.parquet"
    pd.concat([pd.read_parquet(large)] * 2000).to_parquet(large)

    served, environment = team(project), project.environment
    old = tmp_path / "old" / "pandas-1.0.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: pandas\nVersion: 1.0\n")
    done = project.run(
        "python", "train.py", check=False, env=served | {"PYTHONPATH": str(old.parent)}
    )
    assert done.returncode == 1
    assert "pandas is 3" in done.stderr
    assert "there and 1.0 here" in done.stderr
    assert len(done.stderr.splitlines()) == 1

    with scheduler(environment, tmp_path, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as own:
        done = project.run("python", "-c", IMPATIENT, "", "tcp://127.0.0.1:9", own)
        small, nobody, empty = done.stdout.splitlines()[-3:]
        assert re.search("^a task needs about 30.* MiB of memory, and the smallest worker", small)
        assert "has 60.00 MiB for each of its threads. Give compute.memory in params.yaml" in small
        assert "no scheduler answers there" in nobody
        assert "the scheduler has no workers; start some." in empty

        preload = tmp_path / "hide.py"
        preload.write_text(HIDE.format(folder=str(cases["hidden"].path)))
        options = ["--memory-limit", "500MiB", "--nthreads", "1", "--preload", str(preload)]
        with worker(environment, tmp_path, own, *options):
            folders = [cases[name].path for name in ("large", "greedy", "hidden")]
            refused = run_each(project, "train.py", folders, {ADDRESS: own})
            for project in cases["large"], cases["greedy"]:  # the worker has served others before
                path = project.path / "src" / "tabular" / "parts.py"
                code = path.read_text(encoding="utf-8")
                begin = code.index("    found, is_empty = Look")
                raised = f"    raise ValueError({project.path.name!r})\n"
                path.write_text(code[:begin] + raised + code[begin:], encoding="utf-8")
                done = project.run("python", PREPARE, check=False, env={ADDRESS: own})
                assert f"ValueError: {project.path.name}" in done.stderr
    large_said, greedy, hidden = map(str, refused)
    assert re.search("^a task needs about .* has 500.00 MiB .* the workers of the", large_said)
    assert "or take train.model: xgboost" in large_said
    assert re.search("^workers die at a task, time and again: a task needs about 30", greedy)
    assert "its workers do not see this folder; share it: " in hidden
