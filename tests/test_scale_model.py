"""With compute=dask a table that outgrows a machine is learned and predicted by parts, alike."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import BakedProject
from test_pipeline import TASKS, files, refusal, set_params

PARTS = 4
FIRST = {"classification": "logistic_regression", "regression": "ridge"}
# The sample of the steps before the trees, smaller than the table: so there is one beside parts.
BY_PARTS = """
import sys
sys.path[:0] = ["src", "."]
import boosting, train
boosting.SAMPLE = 500
train.main()
"""
IN_MEMORY = """
import json, sys
sys.path.insert(0, "src")
import numpy as np, pandas as pd
from models import build_model, features, load_model
from project import MODEL, TEST, TRAIN
trained = load_model(MODEL)
info, train, test = trained.info, pd.read_parquet(TRAIN), pd.read_parquet(TEST)
y, test_y = (np.array(rows[info["target"]].tolist()) for rows in (train, test))
plain = build_model("xgboost", info["settings"], info["columns"], 42)
plain.fit(features(train, info["columns"]), y)
X = features(test, info["columns"])
print(json.dumps([model.score(X, test_y) for model in (trained, plain)]))
"""
# A model of which the first worker that learns or predicts waits to be killed.
MORTAL = """

class Mortal(linear_model.{name}):
    def fit(self, X, y):
        wait_for_death("learns")
        return super().fit(X, y)

    def predict(self, X):
        wait_for_death("predicts")
        return super().predict(X)


def wait_for_death(place):
    import os, time
    try:
        with open(place, "x") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        return
    Path(place + ".ready").touch()
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
    (raw / "rows.json").write_text("{}")
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


def learned(project: BakedProject) -> dict[str, object]:
    """Return what the trained model says of itself."""
    info: dict[str, object] = json.loads(project.read("models/model.json"))
    return info


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_trees_by_parts_are_as_in_memory(
    render: Callable[..., BakedProject], tmp_path: Path, task: str
) -> None:
    """Within 0.02 of the accuracy or r2; the cross-validation agrees with the test."""
    project = render(compute="dask", task=task)
    prepare(project, task)
    before, folder = set(project.path.rglob("*")), tmp_path / "temporary"
    folder.mkdir()
    done = project.run("python", "-c", BY_PARTS, env={"TMPDIR": str(folder)})
    assert "XGBoost sees no GPU for device: cuda, so it takes the CPU." in done.stderr
    assert not [path for path in folder.iterdir() if not path.name.startswith("uv-")]
    new = {path.name for path in set(project.path.rglob("*")) - before if path.is_file()}
    assert {name for name in new if not name.endswith(".pyc")} <= {
        "model.joblib", "model.json", "uv.lock",
    }  # fmt: skip
    by_parts, in_memory = json.loads(project.run("python", "-c", IN_MEMORY).stdout)
    assert by_parts == pytest.approx(in_memory, abs=0.02)
    cv = learned(project)["cv"]
    assert isinstance(cv, dict)
    assert cv["folds"] == 3
    assert cv["mean"] == pytest.approx(by_parts, abs=0.05)
    set_params(project, train={"xgboost": {"n_estimator": 3}})
    assert "XGBoost has no settings {'n_estimator'}" in refusal(project, "train.py")


@pytest.mark.slow
def test_other_models_are_the_same_on_workers_though_one_is_killed(
    render: Callable[..., BakedProject],
) -> None:
    """Each number is that of compute=local; nothing is left running after Ctrl-C."""
    task = "classification"
    projects = {compute: render(compute=compute, task=task) for compute in ("local", "dask")}
    results = {}
    for compute, project in projects.items():
        prepare(project, task, parts=compute == "dask")
        models = project.path / "src" / "models.py"
        text = models.read_text(encoding="utf-8")
        mortal = MORTAL.format(name="LogisticRegression")
        models.write_text(text.replace("\n\ndef build_model", f"{mortal}\n\ndef build_model"))
        set_params(project, train={"model": "mortal", "mortal": {}})
        for script, place in ("train.py", "learns"), ("src/evaluate.py", "predicts"):
            (project.path / "learns").touch()
            (project.path / "predicts").touch()
            if compute == "dask":
                (project.path / place).unlink()
            running = start(project, script)
            if compute == "dask":
                os.kill(victim(project, place), signal.SIGKILL)
            assert running.wait(timeout=300) == 0
        results[compute] = project.read("metrics.json"), files(project.path / "plots")
    assert results["dask"] == results["local"]

    project = projects["dask"]
    (project.path / "learns").unlink()
    (project.path / "learns.ready").unlink()
    running = start(project, "train.py")
    worker = victim(project, "learns")
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(timeout=60) != 0
    assert not alive(worker)


def start(project: BakedProject, script: str) -> subprocess.Popen[bytes]:
    """Start a script in a process group of its own."""
    variables = os.environ | {"UV_PROJECT_ENVIRONMENT": str(project.environment)}
    command = ["uv", "run", "--quiet", "python", script]
    return subprocess.Popen(command, cwd=project.path, env=variables, start_new_session=True)


def victim(project: BakedProject, place: str) -> int:
    """Return the process that waits to be killed."""
    for _ in range(1200):
        if (project.path / f"{place}.ready").exists():
            return int(project.read(place))
        time.sleep(0.1)
    pytest.fail(f"nobody {place}")


def alive(process: int) -> bool:
    """Tell whether a process is still there after a while."""
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    return True
