"""The models that params.yaml may name, and the pipeline that lets each take any table.

Own estimators, transformers and functions belong here or into another module of src/, where
evaluate.py and predict.py find them when they load the model.
"""

import hashlib
import json
import pickle
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
{%- if cookiecutter.task == 'classification' %}
import numpy as np
{%- endif %}
import pandas as pd
{%- if cookiecutter.compute == 'dask' %}
import xgboost
{%- endif %}
from sklearn import base, ensemble, linear_model, neighbors
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from project import MODEL, ROWS, Prepare, Train, one_line, require

# To add a model, add a line here and a block of the same name to `train` in params.yaml.
{%- if cookiecutter.task == 'classification' %}
MODELS = {
    "logistic_regression": linear_model.LogisticRegression(),
    "knn": neighbors.KNeighborsClassifier(),
    "random_forest": ensemble.RandomForestClassifier(),
    "gradient_boosting": ensemble.HistGradientBoostingClassifier(),
}
{%- else %}
MODELS = {
    "ridge": linear_model.Ridge(),
    "knn": neighbors.KNeighborsRegressor(),
    "random_forest": ensemble.RandomForestRegressor(),
    "gradient_boosting": ensemble.HistGradientBoostingRegressor(),
}
{%- endif %}
{%- if cookiecutter.compute == 'dask' %}
# The only one that never needs the whole table in memory.
MODELS["xgboost"] = xgboost.XGB{{ 'Classifier' if cookiecutter.task == 'classification' else 'Regressor' }}()
{%- endif %}


def build_model(params: Train, kinds: dict[str, str], has_gaps: bool = True) -> Pipeline:
    """Return the untrained pipeline for columns of these kinds; ValueError for a wrong setting.

    A plain key is a setting of the model (of its last step, where MODELS holds a pipeline), and
    `step__key` one of a step of this pipeline or of the one in MODELS.
    """
    model = base.clone(MODELS[params.model])
    steps: dict[str, Any] = {
        "table": table_step(kinds, params.text),
        # Where no cell is missing an indicator would say nothing, but cost a copy of the table.
        "impute": SimpleImputer(add_indicator=has_gaps, keep_empty_features=True, copy=False),
        "scale": StandardScaler(copy=False),
    }
    for key, value in dict(getattr(params, params.model, None) or {}).items():
        step, _, rest = key.partition("__")
        if rest and steps.get(step) == "passthrough":
            raise ValueError(f"{key} has no effect: the table holds numbers only.")
        if rest and step in steps:
            steps[step].set_params(**{rest: value})
        elif rest or not isinstance(model, Pipeline):
            model.set_params(**{key: value})
        else:
            model[-1].set_params(**{key: value})
{%- if cookiecutter.task == 'classification' %}
    if any(parent.__module__.startswith("xgboost") for parent in type(model).__mro__):
        model = NumberedClasses(model)
{%- endif %}
    pipeline = Pipeline([*steps.items(), ("model", model)])
    for key, value in pipeline.get_params().items():
        if key.endswith("random_state") and value is None:
            pipeline.set_params(**{key: params.seed})
    return pipeline


def table_step(kinds: dict[str, str], text: str) -> Any:
    """Return what makes numbers of a table: skrub of text and dates; numbers stay as they are."""
    others = [name for name, kind in kinds.items() if kind in ("text", "date")]
    numbers = [name for name in kinds if name not in others]
    if not others:
        return "passthrough"
    from skrub import StringEncoder, TableVectorizer  # takes seconds

    # Its last components may be nothing but rounding, which scaling would make as large as others.
    words = make_pipeline(StringEncoder(), VarianceThreshold(1e-12))
    target_mean = TargetEncoder({% if cookiecutter.task == 'regression' %}target_type="continuous"{% endif %})
    vectorizer = TableVectorizer(
        cardinality_threshold=100,
        low_cardinality=OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        high_cardinality=target_mean if text == "target" else words,
        drop_null_fraction=None,
    )
    return ColumnTransformer([("numbers", "passthrough", numbers), ("others", vectorizer, others)])


def places(model: Pipeline) -> dict[str, list[int]]:
    """Return which of the numbers that the trained step `table` makes come from which column."""
    if model.named_steps["table"] == "passthrough":
        return {name: [place] for place, name in enumerate(model.info["columns"])}
    (_, _, numbers), (_, others, _) = model["table"].transformers_
    found = {name: [place] for place, name in enumerate(numbers)}
    order = {output: len(numbers) + place for place, output in enumerate(others.all_outputs_)}
    for name, outputs in others.input_to_outputs_.items():
        found[name] = [order[output] for output in outputs]
    return found


def features(table: pd.DataFrame, kinds: dict[str, str]) -> pd.DataFrame:
    """Return the columns that a model takes, booleans as 0 and 1.

    Texts are categories, since of plain texts skrub would take 007 for the number 7.
    """
    types = {"boolean": "float64", "text": "category"}
    changed = {name: types[kind] for name, kind in kinds.items() if kind in types}
    return table[list(kinds)].astype(changed)


def check_loadable(model: Pipeline) -> None:
    """Exit where other scripts could not load it: they do not see what train.py defines."""
    with suppress(AttributeError, pickle.PicklingError):
        if b"__main__" not in pickle.dumps(model):
            return
    sys.exit("train.py: move the model's own classes and functions to src/models.py.")


def save_model(
    model: Pipeline, data: Prepare, params: Train, kinds: dict[str, str], cv: dict, data_md5: str
) -> None:
    """Write a trained model with what it knows of itself, its `info`, which JSON has as well."""
    model.info = {
        "model": params.model,
        "settings": dict(getattr(params, params.model, None) or {}),
        "target": data.target,
        "classes": getattr(model, "classes_", pd.Series()).tolist(),
        "columns": kinds,
        "read": data.read | {"dayfirst": json.loads(ROWS.read_bytes()).get("dayfirst", False)},
        "id": data.id,
        "threads": params.threads,
        "cv": cv,
        "data_md5": data_md5,
        "params_md5": hashlib.md5(params.model_dump_json().encode()).hexdigest(),
        "versions": {package: version(package) for package in ("pandas", "scikit-learn", "skrub")},
    }
    joblib.dump(model, MODEL)
    text = json.dumps(model.info, indent=2, ensure_ascii=False) + "\n"
    MODEL.with_suffix(".json").write_text(text, encoding="utf-8", newline="\n")


def load_model(path: Path) -> Pipeline:
    """Return a trained model with its `info`; exit where it cannot be loaded or is too old."""
    require(path)
    try:
        model = joblib.load(path)
    except (AttributeError, ImportError) as error:
        sys.exit(f"{path}: a class it needs is not in src/ or not installed: {one_line(error)}")
    if not hasattr(model, "info"):
        sys.exit(f"{path}: this model does not know the columns' names: train again.")
    return model
{%- if cookiecutter.task == 'classification' %}


class NumberedClasses(base.ClassifierMixin, base.BaseEstimator):
    """Lets XGBoost, which takes no classes but 0, 1, 2, …, predict any."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: np.ndarray, y: np.ndarray) -> "NumberedClasses":
        self.classes_, numbers = np.unique(y, return_inverse=True)
        self.estimator_ = base.clone(self.estimator).fit(X, numbers)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return self.estimator_.predict_proba(X)
{%- endif %}
