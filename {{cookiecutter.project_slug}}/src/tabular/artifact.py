"""The trained model as a file, with what it knows of itself."""

import hashlib
import json
import pickle
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import joblib
import pandas as pd
from sklearn.pipeline import Pipeline

from tabular.messages import one_line
from tabular.settings import MODEL, ROWS, Prepare, Train, require


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
