"""What the pipeline of a project takes with `compute` local and dask, as its table grows.

`memory`: the most of a process that is its own (pages of files, which the system may drop, are left
out). `time`: beside plain pandas with scikit-learn, all in turn. `workers`: two beside one. Without
a name all of them, which takes two hours; rows other than 100,000 as the second argument.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import answers as asked
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.csv
import yaml
from cookiecutter.main import cookiecutter

ROUNDS = 5
COLUMNS = 33
FILE = 25_000  # rows of a file of data/source
PREPARE, TRAIN, EVALUATE = "src/prepare_data.py", "train.py", "src/evaluate.py"
SETTINGS = {"gradient_boosting": {"max_iter": 20}, "xgboost": {"n_estimators": 20}}
PLAIN = f"""
from pathlib import Path
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_score, train_test_split
from threadpoolctl import threadpool_limits
rows = pd.concat(map(pd.read_csv, sorted(Path("data/source").glob("*.csv"))))
train, _ = train_test_split(rows, test_size=0.2, random_state=0)
model = HistGradientBoostingClassifier(**{SETTINGS["gradient_boosting"]})
with threadpool_limits(1):
    X, y = train.drop(columns="label"), train["label"]
    print(cross_val_score(model, X, y, cv=3), model.fit(X, y))
"""

PLAIN_DASK = f"""
import dask.dataframe as dd
from distributed import Client, LocalCluster
from xgboost import dask as dxgb
with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster) as client:
    rows = dd.read_csv("data/source/*.csv")
    _, *folds = rows.random_split([0.2, 0.27, 0.27, 0.26], random_state=0)
    for left_out in range(4):
        learned = dd.concat([fold for number, fold in enumerate(folds) if number != left_out])
        learned = learned.persist()
        X, y = learned.drop(columns="label"), (learned["label"] == "yes").astype(int)
        matrix = dxgb.DaskQuantileDMatrix(client, *client.persist([X, y]))
        model = dxgb.train(
            client, {{"objective": "binary:logistic", "learning_rate": 0.1}}, matrix,
            {SETTINGS["xgboost"]["n_estimators"]},
        )
"""


def make(folder: Path, compute: str, rows: int, model: str, **train: object) -> Path:
    """Return a project with a table of so many rows, and keys of its own under `train`."""
    made = Path(
        cookiecutter(
            str(asked.TEMPLATE),
            no_input=True,
            accept_hooks=False,
            extra_context=asked.settle({"compute": compute, "task": "classification"}),
            output_dir=str(folder / f"{compute}-{rows}-{model}"),
        )
    )
    params = yaml.safe_load((made / "params.yaml").read_text(encoding="utf-8"))
    params["prepare"]["target"] = "label"
    params["train"] |= {"model": model, model: SETTINGS[model], "folds": 3} | train
    (made / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    (made / "data" / "source").mkdir(parents=True)
    for number in range(rows // FILE):
        numbers = np.random.default_rng(number).normal(size=(FILE, COLUMNS)).round(4)
        table = {f"x{index}": numbers[:, index] for index in range(COLUMNS)}
        label = np.where(numbers[:, 0] + numbers[:, 1] * numbers[:, 2] > 0, "yes", "no")
        path = made / "data" / "source" / f"{number:03}.csv"
        pa.csv.write_csv(pa.table(table | {"label": label}), path)
    return made


def measure(project: Path, python: Path, *commands: str) -> tuple[float, int]:
    """Return the seconds of Python's commands, and the most memory (MiB) of one of their processes."""
    start, most = time.perf_counter(), 0
    for command in commands:
        line = [str(python), *(["-c", command] if "\n" in command else [command])]
        with subprocess.Popen(
            line, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            family = psutil.Process(process.pid)
            while process.poll() is None:
                for member in (family, *family.children(recursive=True)):
                    try:
                        taken = member.memory_info()
                    except psutil.NoSuchProcess:
                        continue
                    most = max(most, (taken.rss - taken.shared) >> 20)
                time.sleep(0.05)
        assert process.returncode == 0, command
    return time.perf_counter() - start, most


def memory(folder: Path, python: Path, rows: int) -> None:
    """Print what each stage takes where trees learn by part."""
    print("| rows | prepare | train | evaluate |\n|--:|--:|--:|--:|")
    for times in (1, 4, 16):
        project = make(folder, "dask", times * rows, "xgboost")
        most = [measure(project, python, stage)[1] for stage in (PREPARE, TRAIN, EVALUATE)]
        print(f"| {times * rows:,} | {' | '.join(f'{each} MiB' for each in most)} |", flush=True)


def seconds(folder: Path, python: Path, rows: int) -> None:
    """Print how long it takes to prepare and train, beside plain pandas and scikit-learn."""
    print("| rows | | median | ratio to plain | memory |\n|--:|:--|--:|--:|--:|")
    for more in (rows, 10 * rows):
        local = make(folder, "local", more, "gradient_boosting")
        dask = make(folder, "dask", more, "gradient_boosting")
        parts = make(folder, "dask", more, "xgboost")
        kinds = {"plain": (local, [PLAIN]), "plain xgboost.dask": (parts, [PLAIN_DASK])}
        for name, project in {"local": local, "dask": dask, "dask, xgboost": parts}.items():
            kinds[name] = project, [PREPARE, TRAIN]
        found = [
            {
                kind: measure(project, python, *commands)
                for kind, (project, commands) in kinds.items()
            }
            for _ in range(ROUNDS)
        ]
        for kind in kinds:
            median = statistics.median(each[kind][0] for each in found)
            ratio = statistics.median(each[kind][0] / each["plain"][0] for each in found)
            most = max(each[kind][1] for each in found)
            print(f"| {more:,} | {kind} | {median:.1f} s | {ratio:.2f} | {most} MiB |", flush=True)


def workers(folder: Path, python: Path, rows: int) -> None:
    """Print how much faster two workers train eight times, seven of them for a fold, than one.

    Of the whole stage, and of the work alone, which begins when the workers are there.
    """
    many = {"max_iter": 100}
    project = make(folder, "dask", rows, "gradient_boosting", folds=7, gradient_boosting=many)
    measure(project, python, PREPARE)
    params, ratios = project / "params.yaml", []
    two = params.read_text(encoding="utf-8")
    for _ in range(ROUNDS):
        taken = []
        for text in (two.replace("workers: 2", "workers: 1"), two):
            params.write_text(text, encoding="utf-8")
            start = time.perf_counter()  # nobody looks at memory: that would take some of a core
            with subprocess.Popen(
                [python, TRAIN], cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            ) as process:
                assert process.stderr
                process.stderr.readline()  # the address of the dashboard
                begin = time.perf_counter()
                process.communicate()
            assert process.returncode == 0
            taken.append(time.perf_counter() - np.array([start, begin]))
        ratios.append(taken[0] / taken[1])
    for what, found in zip(("stage", "work"), np.array(ratios).T, strict=True):
        found.sort()
        print(f"two workers beside one, {what}: {found.round(2)}, median {np.median(found):.2f}")


def main() -> None:
    """Measure what the first argument names."""
    parts = {"memory": memory, "time": seconds, "workers": workers}
    rows = int(sys.argv[2]) if sys.argv[2:] else 100_000
    with tempfile.TemporaryDirectory() as name:
        project = make(Path(name), "dask", 0, "xgboost")
        subprocess.run(["uv", "sync", "--quiet"], cwd=project, check=True)
        for part in sys.argv[1:2] or parts:
            parts[part](Path(name), project / ".venv" / "bin" / "python", rows)


if __name__ == "__main__":
    main()
