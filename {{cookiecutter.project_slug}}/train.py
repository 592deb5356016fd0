"""Train the model that params.yaml names; write it and its cross-validation scores to models/."""

import json
import sys
from pathlib import Path

import joblib
import numpy as np
from ruamel.yaml import YAML, YAMLError
from sklearn import base, ensemble, linear_model, metrics, model_selection, neighbors
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from tqdm import tqdm

# To add a model, add a line here and a block of the same name to `train` in params.yaml.
{%- if cookiecutter.task == 'classification' %}
MODELS = {
    "logistic_regression": make_pipeline(StandardScaler(), linear_model.LogisticRegression()),
    "knn": make_pipeline(StandardScaler(), neighbors.KNeighborsClassifier()),
    "random_forest": make_pipeline(ensemble.RandomForestClassifier()),
    "gradient_boosting": make_pipeline(ensemble.HistGradientBoostingClassifier()),
}
SPLITTER, METRIC = model_selection.StratifiedKFold, "accuracy"
{%- else %}
MODELS = {
    "ridge": make_pipeline(StandardScaler(), linear_model.Ridge()),
    "knn": make_pipeline(StandardScaler(), neighbors.KNeighborsRegressor()),
    "random_forest": make_pipeline(ensemble.RandomForestRegressor()),
    "gradient_boosting": make_pipeline(ensemble.HistGradientBoostingRegressor()),
}
SPLITTER, METRIC = model_selection.KFold, "r2"
{%- endif %}


def check(params: dict, rows: int) -> None:
    """Exit with one sentence where the block `train` of params.yaml is not as it must be."""
    known = ["model", "folds", "seed", "threads", *MODELS]
    if wrong := set(known) ^ set(params):
        sys.exit(f"params.yaml: train takes the keys {known}; unknown or missing: {sorted(wrong)}.")
    if params["model"] not in MODELS:
        sys.exit(f"params.yaml: train.model must be one of {[*MODELS]}, not {params['model']!r}.")
    for key, least, most in ("folds", 2, rows // 2), ("seed", 0, 2**32 - 1), ("threads", 1, 1024):
        if type(params[key]) is not int or not least <= params[key] <= most:
            sys.exit(f"params.yaml: train.{key} must be a whole number from {least} to {most}.")


def build_model(name: str, settings: dict, seed: int) -> Pipeline:
    """Return the untrained model; ValueError where it has no such setting."""
    model = base.clone(MODELS[name])
    defaults = {"random_state": seed} if "random_state" in model[-1].get_params() else {}
    model[-1].set_params(**{**defaults, **settings})
    return model


def cross_validate(model: Pipeline, X: np.ndarray, y: np.ndarray, folds: int, seed: int) -> dict:
    """Return the score on each fold by a clone trained on the others, their mean and spread."""
    splits = SPLITTER(folds, shuffle=True, random_state=seed).split(X, y)
    score, scores = metrics.get_scorer(METRIC), []
    for rest, fold in tqdm(splits, desc="cross-validation", total=folds, disable=None):
        scores.append(round(score(base.clone(model).fit(X[rest], y[rest]), X[fold], y[fold]), 6))
    mean, std = (round(float(value), 6) for value in (np.mean(scores), np.std(scores, ddof=1)))
    return {"metric": METRIC, "mean": mean, "std": std, "folds": folds, "scores": scores}


def main() -> None:
    if not Path("data/raw/y_train.npy").exists():
        sys.exit("data/raw is missing: run `uv run python src/prepare_data.py`.")
    X, y = (np.load(f"data/raw/{array}_train.npy") for array in "Xy")
    try:
        params = (YAML(typ="safe").load(Path("params.yaml")) or {}).get("train", {})
    except (OSError, YAMLError, AttributeError) as error:
        sys.exit(f"params.yaml: {' '.join(str(error).split())}")
    check(params if isinstance(params, dict) else {}, rows=len(y))
    name, threads = params["model"], params["threads"]
    try:
        with threadpool_limits(threads), joblib.parallel_config(n_jobs=threads):
            model = build_model(name, params[name] or {}, params["seed"])
            scores = cross_validate(model, X, y, params["folds"], params["seed"])
            model.fit(X, y)
    except (TypeError, ValueError) as error:
        sys.exit(f"params.yaml: train.{name}: {' '.join(str(error).split())}")
    joblib.dump(model, "models/model.joblib")
    Path("models/cv.json").write_text(json.dumps(scores, indent=2) + "\n", newline="\n")
    print(f"{name}: {METRIC} {scores['mean']} ± {scores['std']} on {scores['folds']} folds")


if __name__ == "__main__":
    main()
