"""train.py on ten rows, with every model that params.yaml may name."""

from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from train import MODELS, build_model, check, cross_validate

PARAMS = YAML(typ="safe").load(Path("params.yaml"))["train"]
X = np.column_stack([np.arange(10.0), np.tile([0.0, 1.0], 5)])
y = np.tile([0, 1], 5)


def test_params_are_complete() -> None:
    check(PARAMS, rows=1000)


@pytest.mark.parametrize("name", MODELS)
def test_model_takes_its_settings(name: str) -> None:
    model = build_model(name, PARAMS[name] or {}, seed=0)
    assert model[-1].get_params().items() >= (PARAMS[name] or {}).items()


@pytest.mark.parametrize("name", MODELS)
def test_model_learns_and_predicts(name: str) -> None:
    model = build_model(name, {}, seed=0).fit(X, y)
    assert model.predict(X).shape == (10,)


def test_cross_validation_scores_every_fold() -> None:
    model = build_model(next(iter(MODELS)), {}, seed=0)
    scores = cross_validate(model, X, y, folds=5, seed=0)
    assert scores["folds"] == len(scores["scores"]) == 5
    assert scores["mean"] == pytest.approx(np.mean(scores["scores"]), abs=1e-6)
    assert scores == cross_validate(model, X, y, folds=5, seed=0)


def test_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SystemExit, match=next(iter(MODELS))):
        check(PARAMS | {"model": "oracle"}, rows=10)
