"""The trained model as a file, with what it knows of itself."""

import hashlib
import json
import pickle
import sys
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
from sklearn.pipeline import Pipeline

from tabular.messages import one_line
from tabular.settings import MODEL, ROWS, Prepare, Train, require


def check_loadable(model: Pipeline) -> None:
    """Exit where other scripts could not load it: they do not see what train.py defines."""
    try:
        if b"__main__" not in pickle.dumps(model):
            return
        reason = "move the model's own classes and functions to src/models.py"
    except (AttributeError, pickle.PicklingError):
        reason = "the model's own functions need a name and a place in src/models.py (no lambda)"
    sys.exit(f"train.py: {reason}.")


def save_model(
    model: Pipeline, data: Prepare, params: Train, kinds: dict[str, str], cv: dict, data_md5: str
) -> None:
    """Write a trained model with what it knows of itself, its `info`, which JSON has as well."""
    rows = json.loads(ROWS.read_bytes())
    if "dayfirst" not in rows:  # a prediction would read dates in another order
        sys.exit(f"{ROWS.as_posix()} lacks `dayfirst`, which read_tables returns: let it be written.")
    model.info = {
        "model": params.model,
        "settings": dict(getattr(params, params.model, None) or {}),
        "target": data.target,
        "classes": np.asarray(getattr(model, "classes_", [])).tolist(),
        "columns": kinds,
        "read": data.read | {"dayfirst": rows["dayfirst"]},
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
    if path == MODEL:
        require(path)
    try:
        model = joblib.load(path)
    except FileNotFoundError:
        sys.exit(f"{path}: there is no such file.")
    except (AttributeError, ImportError) as error:
        sys.exit(f"{path}: a class it needs is not in src/ or not installed: {one_line(error)}")
    except Exception as error:  # what a file that is no model raises has no common class
        sys.exit(f"{path}: it is no model, or only a part of one, fetch it again: {one_line(error)}")
    if not hasattr(model, "info"):
        sys.exit(f"{path}: this model does not know the columns' names: train again.")
    return model
