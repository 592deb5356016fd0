"""Train the model that params.yaml names, and write it with what it knows to models/."""

import hashlib
import json
import sys
from importlib.metadata import version
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn import base, metrics
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits
from tqdm import tqdm

sys.path.append("src")
from models import MODELS, build_model, check_loadable, features
from project import MODEL, TRAIN, Prepare, Train, one_line, read_params, require
from split import fingerprint, folds
from tables import kind_of

METRIC = "{{ 'accuracy' if cookiecutter.task == 'classification' else 'r2' }}"  # of the folds


def cross_validate(model: Pipeline, X: pd.DataFrame, y: np.ndarray, parts: list) -> dict[str, Any]:
    """Return the score on each fold by a clone trained on its other rows, their mean and spread."""
    score, scores = metrics.get_scorer(METRIC), []
    tested = pd.DataFrame({"actual": y, "fold": 0}, X.index)
    for rest, fold in tqdm(parts, desc="cross-validation", disable=None):
        trained = base.clone(model).fit(X[rest], y[rest])
        scores.append(round(float(score(trained, X[fold], y[fold])), 6))
        tested.loc[fold, "fold"] = len(scores)
    mean, std = round(float(np.mean(scores)), 6), round(float(np.std(scores, ddof=1)), 6)
    found = {"metric": METRIC, "mean": mean, "std": std, "folds": len(scores), "scores": scores}
    return found | {"rows": fingerprint(tested)}  # the same for the same folds


def main() -> None:
    require(TRAIN)
    data, params, table = read_params(Prepare), read_params(Train), pd.read_parquet(TRAIN)
    name, y = params.model, np.array(table[data.target].tolist())
    kinds = {column: kind_of(table[column]) for column in table}
    del kinds[data.target]
    kinds.pop(data.group, None)
    X = features(table, kinds)
    setting = step = f"params.yaml: train.{name}"
    if name not in MODELS:
        sys.exit(f"params.yaml: train.model must be one of {[*MODELS]}, not {name!r}.")
    try:
        settings = dict(getattr(params, name, None) or {})
        gaps = bool(X.isna().any(axis=None))
        model = build_model(name, settings, kinds, params.seed, params.text, gaps)
        check_loadable(model)
        with threadpool_limits(params.threads), joblib.parallel_config(n_jobs=params.threads):
            step = f"{name} cannot learn from {TRAIN.as_posix()}"
            scores = cross_validate(model, X, y, folds(table, data, params))
            model.fit(X, y)
    except (TypeError, ValueError) as error:
        is_setting = type(error).__name__ == "InvalidParameterError"
        sys.exit(f"{setting if is_setting else step}: {one_line(error)}")
    model.info = {
        "model": name,
        "settings": settings,
        "target": data.target,
        "classes": getattr(model, "classes_", np.array([])).tolist(),
        "columns": kinds,
        "read": data.read,
        "id": data.id,
        "threads": params.threads,
        "cv": scores,
        "data_md5": hashlib.md5(TRAIN.read_bytes()).hexdigest(),
        "params_md5": hashlib.md5(params.model_dump_json().encode()).hexdigest(),
        "versions": {package: version(package) for package in ("pandas", "scikit-learn", "skrub")},
    }
    joblib.dump(model, MODEL)
    text = json.dumps(model.info, indent=2, ensure_ascii=False) + "\n"
    MODEL.with_suffix(".json").write_text(text, encoding="utf-8", newline="\n")
    print(f"{name}: {METRIC} {scores['mean']} ± {scores['std']} on {scores['folds']} folds")


if __name__ == "__main__":
    main()
