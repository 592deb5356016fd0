"""Measure the model on the test rows: metrics.json, and in plots/ what dvc.yaml draws from.

Numbers are written with six significant digits: enough to read, few enough for quiet diffs.
"""

import json
import math
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import metrics as measures
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from tabular.artifact import load_model
{% if cookiecutter.compute == 'dask' %}from tabular.cluster import connect, spread
{% endif %}from tabular.features import features, places
from tabular.settings import MODEL, ROWS, TEST, Evaluate, read_params, require

PLOTS = Path("plots")
MOST_COMPARED = 20_000  # test rows; of more, those with the smallest keys
RESAMPLES = 100

{% if cookiecutter.task == 'classification' %}
def predict(model: Pipeline, test: pd.DataFrame) -> pd.DataFrame:
    """Return what is true of each row, what the model predicts, and a score of each class.

    The rows keep their keys. A score is a probability or, where the model knows none, what decides.
    """
    numbers = model[:-1].transform(features(test, model.info["columns"]))
    predicted = model[-1].predict(numbers)
    if hasattr(model, "predict_proba"):
        scores = model[-1].predict_proba(numbers)
    elif hasattr(model, "decision_function"):
        scores = model[-1].decision_function(numbers).reshape(len(test), -1)
    else:
        scores = predicted[:, np.newaxis] == model.classes_
    found = pd.DataFrame({"actual": test[model.info["target"]], "predicted": predicted})
    return pd.concat([found, pd.DataFrame(scores, test.index)], axis=1)


def evaluate(model: Pipeline, found: pd.DataFrame) -> tuple[dict[str, float], dict]:
    """Return the metrics of what `predict` found, and by name the tables of the plots.

    Of two classes a curve is that of the second. Of more it is the micro-average of one against
    the rest: every pair of a row and a class counts once.
    See https://scikit-learn.org/stable/modules/model_evaluation.html#roc-metrics
    """
    y, predicted = np.array(found["actual"].tolist()), np.array(found["predicted"].tolist())
    truth, scores = y[:, np.newaxis] == model.classes_, found.iloc[:, 2:].to_numpy()
    chances = scores if hasattr(model, "predict_proba") else None
    if len(model.classes_) == 2:
        truth, scores = truth[:, 1], scores[:, -1]
    scores = scores.astype(float)
    is_skewed = np.unique(y, return_counts=True)[1].max() >= 0.9 * len(y)

    def measure(rows: np.ndarray) -> dict[str, float]:
        """Return the metrics of these rows; add those of your own here."""
        actual, said = y[rows], predicted[rows]
        metrics = {
            "accuracy": measures.accuracy_score(actual, said),
            "f1_macro": measures.f1_score(actual, said, average="macro"),
            "roc_auc": measures.roc_auc_score(truth[rows].ravel(), scores[rows].ravel()),
        }
        if chances is not None:
            metrics["log_loss"] = measures.log_loss(actual, chances[rows], labels=model.classes_)
        if is_skewed:
            metrics["balanced_accuracy"] = measures.balanced_accuracy_score(actual, said)
        return metrics

    metrics, resamples = measure(np.arange(len(y))), resample(measure, found.index.to_numpy())
    truth, scores = truth.ravel(), scores.ravel()
    even = np.linspace(0, 1, 101)
    fall, hit, _ = measures.roc_curve(truth, scores)
    hit = np.interp(even, fall, hit)
    hit[0] = 0.0  # every ROC curve begins at (0, 0)
    roc = pd.DataFrame({"false_positive_rate": even, "true_positive_rate": hit})
    precision, recall, _ = measures.precision_recall_curve(truth, scores)
    precision = np.interp(even, recall[::-1], precision[::-1])
    curve = pd.DataFrame({"recall": even, "precision": precision})
    predictions = pd.DataFrame({"actual": y, "predicted": predicted})
    tables = {"predictions": predictions, "roc": roc, "precision_recall": curve}
    return metrics, tables | {"resamples": resamples}

{% else %}
def predict(model: Pipeline, test: pd.DataFrame) -> pd.DataFrame:
    """Return what is true of each row, which keeps its key, and what the model predicts."""
    predicted = model.predict(features(test, model.info["columns"]))
    return pd.DataFrame({"actual": test[model.info["target"]], "predicted": predicted})


def evaluate(model: Pipeline, found: pd.DataFrame) -> tuple[dict[str, float], dict]:
    """Return the metrics of what `predict` found, and by name the tables of the plots.

    All but r2 have the unit of the target; a residual is actual minus predicted, so it is positive
    where the model predicts too little.
    """
    y, predicted = np.array(found["actual"].tolist()), found["predicted"].to_numpy()

    def measure(rows: np.ndarray) -> dict[str, float]:
        """Return the metrics of these rows; add those of your own here."""
        actual, said = y[rows], predicted[rows]
        return {
            "r2": measures.r2_score(actual, said),
            "rmse": measures.root_mean_squared_error(actual, said),
            "mae": measures.mean_absolute_error(actual, said),
        }

    metrics, resamples = measure(np.arange(len(y))), resample(measure, found.index.to_numpy())
    table = pd.DataFrame({"actual": y, "predicted": predicted, "residual": y - predicted})
    return metrics, {"predictions": table, "resamples": resamples}

{% endif %}
def resample(measure: Callable[[np.ndarray], dict[str, float]], keys: np.ndarray) -> pd.DataFrame:
    """Return the metrics of resamples of the rows: how far apart they are is what chance can do.

    Its key (keys is (rows,), uint64) tells how often a row is drawn, so every commit resamples
    alike: a Poisson variable with mean 1. See https://doi.org/10.1016/j.cmpb.2006.04.006
    """
    rows, found = np.argsort(keys, kind="stable")[:MOST_COMPARED], []
    at_most = np.cumsum([math.exp(-1) / math.factorial(times) for times in range(12)])
    for number in range(RESAMPLES):
        chances = pd.util.hash_array(keys[rows] + np.uint64(number)) / 2**64
        drawn = np.repeat(rows, np.searchsorted(at_most, chances))
        try:
            with warnings.catch_warnings(action="ignore"):
                found.append(measure(drawn))
        except ValueError:  # of a few rows, the drawn ones may all be of one class
            found.append({})
    return pd.DataFrame(found)


def importance(model: Pipeline, test: pd.DataFrame, params: Evaluate) -> pd.DataFrame:
    """Return by how much the metric of the folds falls when a column is shuffled, on average.

    See https://scikit-learn.org/stable/modules/permutation_importance.html
    """
    repeats, rng = params.importance_repeats, np.random.default_rng(0)
    score = measures.get_scorer(model.info["cv"]["metric"])
    # What a column becomes depends on its own cells only, so it can be shuffled afterwards.
    rows = test.head(params.importance_rows)
    numbers = np.asarray(model[:1].transform(features(rows, model.info["columns"])))
    names = getattr(model["impute"], "feature_names_in_", None)
    y = np.array(rows[model.info["target"]].tolist())
    unshuffled = score(model[1:], pd.DataFrame(numbers, columns=names, copy=True), y)
    falls, found = {}, places(model)
    if 0 < params.importance_columns < len(found):
        first = f"the first {params.importance_columns} of {len(found)} columns"
        print(f"note: importance is that of {first}; see params.yaml.", file=sys.stderr)
    for name, columns in list(found.items())[: params.importance_columns]:
        changed = np.tile(numbers, (repeats, 1))
        order = np.concatenate([rng.permutation(len(y)) for _ in range(repeats)])
        changed[:, columns] = numbers[order][:, columns]
        changed = pd.DataFrame(changed, columns=names)
        falls[name] = unshuffled - score(model[1:], changed, np.tile(y, repeats))
    table = pd.DataFrame({"column": falls.keys(), "importance": falls.values()})
    return table.sort_values("importance", ascending=False, kind="stable").head(20)


def row_by_row(model: Pipeline, found: pd.DataFrame) -> pd.DataFrame:
    """Return what a report compares two models by: the prediction of each test row, by its key."""
    table = found[["actual", "predicted"]].rename_axis("row_key").reset_index()
{%- if cookiecutter.task == 'classification' %}
    if hasattr(model, "predict_proba"):
        chances = found.iloc[:, 2:].to_numpy()
        actual = np.searchsorted(model.classes_, table["actual"])
        table["likelihood"] = chances[np.arange(len(table)), actual]
        if len(model.classes_) == 2:
            table[f"score {model.classes_[1]}"] = chances[:, 1]
{%- endif %}
    return table.sort_values("row_key", kind="stable").head(MOST_COMPARED)

{%- if cookiecutter.compute == 'dask' %}


def predict_part(path: Path) -> pd.DataFrame:
    """Return what `predict` does for the rows of a file; a worker has no other."""
    model = load_model(MODEL)
    with threadpool_limits(model.info["threads"]):
        return predict(model, pd.read_parquet(path))
{%- endif %}


def main() -> None:
    require(TEST, ROWS)
    params, model = read_params(Evaluate), load_model(MODEL)
{%- if cookiecutter.compute == 'dask' %}
    paths = sorted(TEST.glob("*.parquet"))
    with connect(max(path.stat().st_size for path in paths)) as client:
        parts = spread(client, "predicting", predict_part, paths)
    found = pd.concat(parts).sort_index(kind="stable")
    last = found.index[: params.importance_rows][-1]
    test = pd.read_parquet(TEST, filters=[("row_key", "<=", last)]).sort_index(kind="stable")
{%- else %}
    test = pd.read_parquet(TEST)
{%- endif %}
    with threadpool_limits(model.info["threads"]):
{%- if cookiecutter.compute == 'local' %}
        found = predict(model, test)
{%- endif %}
        metrics, plots = evaluate(model, found)
        plots["importance"] = importance(model, test, params)
        plots["test_rows"] = row_by_row(model, found)
    if undefined := [name for name, value in metrics.items() if math.isnan(value)]:
        print(f"note: of these test rows {', '.join(undefined)} cannot be told.", file=sys.stderr)
    metrics = {name: float(f"{metrics[name]:.6g}") for name in metrics if name not in undefined}
    rows = json.loads(ROWS.read_text(encoding="utf-8"))
    rows.pop("dayfirst", None)
    report = metrics | {"cv": model.info["cv"], "data": rows}
    PLOTS.mkdir(exist_ok=True)
    Path("metrics.json").write_text(json.dumps(report, indent=2) + "\n", newline="\n")
    # The split has shuffled the rows, so the first ones are a fair sample of them all.
    plots["predictions"] = plots["predictions"].head(params.plot_rows)
    for name, table in plots.items():
        table.to_csv(PLOTS / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")
    print(", ".join(f"{name} {value}" for name, value in metrics.items()))


if __name__ == "__main__":
    main()
