"""Prepare, train, evaluate and predict, with every model that params.yaml may name."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

import evaluate
import prepare_data
import train
from models import MODELS, build_model
from tabular.artifact import load_model
from tabular.prediction import predict
from tabular.settings import MODEL, TEST, Train

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def set_params(folder: Path, block: str, **values: Any) -> None:
    params = YAML().load(folder / "params.yaml")
    params[block].update(values)
    YAML().dump(params, folder / "params.yaml")


def make_model() -> None:
    """Run the stages that lead to a model."""
    for stage in (prepare_data, train):
        stage.main()


@pytest.mark.parametrize("name", MODELS)
def test_pipeline_runs(folder: Path, table: pd.DataFrame, name: str) -> None:
    set_params(folder, "train", model=name)
    make_model()
    evaluate.main()
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["cv"]["folds"] == 5
    assert abs(metrics["data"]["test_rows"] - 8) < 4  # a fifth of forty, about
    assert {path.name for path in (folder / "plots").iterdir()} >= {"importance.csv"}
    resamples = pd.read_csv(folder / "plots" / "resamples.csv")
    assert len(resamples) == evaluate.RESAMPLES
    assert set(resamples) < set(metrics)

    model = load_model(MODEL)
    found = predict(model, table[["day", "colour", "height"]])
    assert len(found) == len(table)
    test = pd.read_parquet(TEST)
    again = predict(model, test)["prediction"].to_numpy()
    assert np.array_equal(again, model.predict(test[list(model.info["columns"])]))
    parts = [evaluate.predict(model, part) for part in (test[:3], test[3:])]
    pd.testing.assert_frame_equal(pd.concat(parts), evaluate.predict(model, test))


def test_resamples_are_drawn_by_the_keys_of_the_rows() -> None:
    values, keys = np.random.default_rng(0).normal(size=400), np.arange(400, dtype=np.uint64)
    order = np.random.default_rng(1).permutation(400)
    means = evaluate.resample(lambda rows: {"mean": values[rows].mean()}, keys)["mean"]
    values, keys = values[order], keys[order]
    again = evaluate.resample(lambda rows: {"mean": values[rows].mean()}, keys)["mean"]
    assert np.allclose(means, again)
    assert 0.04 < means.std() < 0.06  # 1 / √400 is 0.05


def test_new_data_may_have_gaps_and_unknown_categories(folder: Path, table: pd.DataFrame) -> None:
    make_model()
    table["colour"] = "violet"
    table.loc[0, "height"] = np.nan
    assert predict(load_model(MODEL), table)["prediction"].notna().all()


def test_settings_reach_the_model_and_each_step() -> None:
    settings = {"n_neighbors": 3, "impute__strategy": "median"}
    params = Train(model="knn", folds=2, threads=1, knn=settings)
    model = build_model(params, {"a": "number"})
    assert model["model"].n_neighbors == 3
    assert model["impute"].strategy == "median"
    params.knn["k"] = 3
    with pytest.raises(ValueError, match="'k'"):
        build_model(params, {"a": "number"})
{%- if cookiecutter.task == 'regression' %}


def test_residual_is_positive_where_the_prediction_is_too_low(folder: Path) -> None:
    for stage in (prepare_data, train, evaluate):
        stage.main()
    plotted = pd.read_csv(folder / "plots" / "predictions.csv")
    expected = plotted["actual"] - plotted["predicted"]
    assert np.allclose(plotted["residual"], expected, atol=1e-3)
{%- endif %}
