"""With compute=dask a table that outgrows a machine is learned and predicted by parts, alike."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from conftest import BakedProject
from test_pipeline import TASKS, files, set_params
from workers import started, wait_for, workers_of

PARTS = 4
# The sample of the steps before the trees, smaller than the table: so there is one beside parts.
# Then what a model that had the table in memory scores on the test, and a setting that there is not.
BY_PARTS = """
import json, sys
from pathlib import Path
sys.path[:0] = ["src", "."]
import numpy as np, pandas as pd
import train
from models import build_model
from tabular import boosting
from tabular.artifact import load_model
from tabular.features import features
from tabular.settings import MODEL, TEST, TRAIN, Train, read_params
boosting.SAMPLE = 500
train.main()
trained = load_model(MODEL)
info, rows, test = trained.info, pd.read_parquet(TRAIN), pd.read_parquet(TEST)
y, test_y = (np.array(table[info["target"]].tolist()) for table in (rows, test))
plain = build_model(read_params(Train), info["columns"])
plain.fit(features(rows, info["columns"]), y)
X = features(test, info["columns"])
print(json.dumps([model.score(X, test_y) for model in (trained, plain)]))
params = Path("params.yaml")
params.write_text(params.read_text().replace("n_estimators: 20", "n_estimator: 20"))
try:
    train.main()
except SystemExit as refusal:
    print(refusal.code)
"""
# Most of the seconds of a stage are imports.
BOTH = """
import runpy
for script in ("train.py", "src/evaluate.py"):
    runpy.run_path(script, run_name="__main__")
"""
# A model of which the first worker that learns or predicts waits to be killed.
MORTAL = """

class Mortal(linear_model.LogisticRegression):
    def fit(self, X, y):
        wait_for_death("learns")
        return super().fit(X, y)

    def predict(self, X):
        wait_for_death("predicts")
        return super().predict(X)


def wait_for_death(place):
    import os, pathlib, time
    try:
        with open(place, "x") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        return
    pathlib.Path(place + ".ready").touch()
    time.sleep(600)


MODELS["mortal"] = Mortal()
"""


def table(task: str, rows: int, seed: int) -> pd.DataFrame:
    """Return rows whose target depends on numbers with gaps and on a text."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, 5))
    colours = rng.choice(["red", "green", "blue"], rows)
    score = numbers @ [3, 2, 1, 0, 0] + numbers[:, 0] * numbers[:, 1] + 2.0 * (colours == "red")
    found = pd.DataFrame(numbers, columns=list("abcde")).mask(rng.random((rows, 5)) < 0.05)
    found["colour"] = colours
    found["label"] = np.where(score > 0, "yes", "no") if task == "classification" else score
    keys = rng.integers(0, 2**64, rows, dtype=np.uint64)
    return found.set_index(pd.Index(keys, name="row_key")).sort_index()


def prepare(project: BakedProject, task: str, parts: bool = True, rows: int = 2000) -> None:
    """Write what `prepare` makes of a table: files, or folders of parts; set few rounds."""
    raw = project.path / "data" / "raw"
    raw.mkdir(parents=True)
    (raw / "rows.json").write_text('{"dayfirst": false}')
    for seed, side in enumerate(["train", "test"]):
        whole, path = table(task, rows, seed), raw / f"{side}.parquet"
        if parts:
            path.mkdir()
            for number in range(PARTS):
                whole.iloc[number::PARTS].to_parquet(path / f"part-{number}.parquet")
        else:
            whole.to_parquet(path)
    set_params(project, prepare={"target": "label"}, train={"folds": 3})
    if parts:
        settings = {"n_estimators": 20, "learning_rate": 0.3, "device": "cuda"}
        set_params(project, train={"model": "xgboost", "xgboost": settings})


def add_model(project: BakedProject, code: str) -> None:
    """Let a project have one model more."""
    models = project.path / "src" / "models.py"
    text = models.read_text(encoding="utf-8")
    models.write_text(text.replace("\n\ndef build_model", f"{code}\n\ndef build_model"))


@pytest.fixture(autouse=True)
def same_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not lock each project: all have the environment of the first one."""
    monkeypatch.setenv("UV_NO_SYNC", "1")


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_trees_by_parts_are_as_in_memory(
    render: Callable[..., BakedProject], tmp_path: Path, task: str
) -> None:
    """Within 0.02 of the accuracy or r2; the cross-validation agrees with the test."""
    project = render(compute="dask", task=task)
    prepare(project, task)
    project.make_environment()  # where no test before has, which locks this project
    before, folder = set(project.path.rglob("*")), tmp_path / "temporary"
    folder.mkdir()
    done = project.run("python", "-c", BY_PARTS, env={"TMPDIR": str(folder)})
    assert "XGBoost sees no GPU for device: cuda, so it takes the CPU." in done.stderr
    assert not [path for path in folder.iterdir() if not path.name.startswith("uv-")]
    new = {path.name for path in set(project.path.rglob("*")) - before if path.is_file()}
    assert {name for name in new if not name.endswith(".pyc")} <= {
        "model.joblib", "model.json",
    }  # fmt: skip
    *_, scores, refusal = done.stdout.splitlines()
    by_parts, in_memory = json.loads(scores)
    assert by_parts == pytest.approx(in_memory, abs=0.02)
    cv = json.loads(project.read("models/model.json"))["cv"]
    assert cv["folds"] == 3
    assert cv["mean"] == pytest.approx(by_parts, abs=0.05)
    assert "XGBoost has no settings {'n_estimator'}" in refusal


@pytest.mark.slow
def test_other_models_are_the_same_on_workers_though_one_is_killed(
    render: Callable[..., BakedProject], team: Callable[[BakedProject], dict[str, str]]
) -> None:
    """Each number is that of compute=local; nothing is left running after Ctrl-C."""
    task = "classification"
    projects = {compute: render(compute=compute, task=task) for compute in ("local", "dask")}
    environment = projects["dask"].environment
    results = {}
    for compute, project in projects.items():
        prepare(project, task, parts=compute == "dask", rows=600)
        add_model(project, MORTAL)
        set_params(project, train={"model": "mortal", "mortal": {}})
        if compute == "local":  # which has nobody to kill
            (project.path / "learns").touch()
            (project.path / "predicts").touch()
        served = team(projects["dask"])
        with started(environment, project.path, "-c", BOTH, env=served) as process:
            if compute == "dask":
                for place in ("learns", "predicts"):
                    os.kill(victim(project, process, place), signal.SIGKILL)
            _, said = process.communicate(timeout=300)
            assert process.returncode == 0, said
        results[compute] = project.read("metrics.json"), files(project.path / "plots")
    assert results["dask"] == results["local"]

    project = projects["dask"]
    (project.path / "learns").unlink()
    (project.path / "learns.ready").unlink()
    set_params(project, compute={"workers": 1})
    with started(project.environment, project.path, "train.py") as process:
        worker = psutil.Process(victim(project, process, "learns"))
        workers = workers_of(process)
        assert worker in workers
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGINT
    assert "Traceback" not in said
    assert psutil.wait_procs(workers, timeout=30)[1] == []


def victim(project: BakedProject, process: subprocess.Popen[str], place: str) -> int:
    """Return the worker process that waits to be killed."""
    wait_for(process, (project.path / f"{place}.ready").exists)
    return int(project.read(place))
