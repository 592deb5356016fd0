"""The models that params.yaml may name, and the pipeline that lets each take any table.

Own estimators, transformers and functions belong here or into another module of src/, where
evaluate.py and predict.py find them when they load the model.
"""

from typing import Any
{% if cookiecutter.task == 'classification' %}
import numpy as np
{%- endif %}
{%- if cookiecutter.compute == 'dask' %}
import xgboost
{%- endif %}
from sklearn import base, ensemble, linear_model, neighbors
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from tabular.features import table_step
from tabular.settings import Train

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
    """Return the untrained pipeline for columns of these kinds.

    Raises TypeError or ValueError for a wrong setting.

    A plain key is a setting of the model (of its last step, where MODELS holds a pipeline), and
    `step__key` one of a step of this pipeline or of the one in MODELS. The steps keep their names,
    by which others find them.
    """
    model = base.clone(MODELS[params.model])
    settings = getattr(params, params.model, {})
    if not isinstance(settings, dict):
        raise TypeError(f"it must be a block of settings, not {settings!r}.")
    steps: dict[str, Any] = {
        "table": table_step(kinds, params.text),
        # Where no cell is missing an indicator would say nothing, but cost a copy of the table.
        "impute": SimpleImputer(add_indicator=has_gaps, keep_empty_features=True),
        "scale": StandardScaler(copy=False),
    }
    for key, value in settings.items():
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
    last = model[-1] if isinstance(model, Pipeline) else model
    if any(parent.__module__.startswith("xgboost") for parent in type(last).__mro__):
        model = NumberedClasses(model)
{%- endif %}
    pipeline = Pipeline([*steps.items(), ("model", model)])
    for key, value in pipeline.get_params().items():
        if key.endswith("random_state") and value is None:
            pipeline.set_params(**{key: params.seed})
    return pipeline


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
