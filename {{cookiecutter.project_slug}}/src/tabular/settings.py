"""Where the files of the pipeline are, and what params.yaml may hold."""

import difflib
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML, YAMLError

from tabular.messages import DataError, list_problems, one_line

SOURCE = Path("data/source")
TRAIN, TEST = Path("data/raw/train.parquet"), Path("data/raw/test.parquet")
ROWS = Path("data/raw/rows.json")
MODEL = Path("models/model.joblib")
# Among the options of the reader, and no user's:
TEXTS = "columns as text"  # unlike dtype
TARGET = "may be without"  # the name that a table without a header may lack


class Block(BaseModel):
    """A block of params.yaml; further keys are the user's own."""

    model_config = ConfigDict(extra="allow", strict=True)
    seed: int = Field(42, ge=0, lt=2**32)


class Prepare(Block):
    target: str
    test_size: float = Field(gt=0, lt=1)
    drop_duplicates: bool = False
    drop: list[str] = []
    id: str | None = None
    group: str | None = None
    time: str | None = None
    read: dict[str, Any] = {}


class Train(Block):
    model: str
    text: str = Field("string", pattern="^(string|target)$")
    folds: int = Field(ge=2)
    threads: int = Field(ge=1)
{%- if cookiecutter.compute == 'dask' %}
    shares: int = Field(1, ge=1)
{%- endif %}


class Evaluate(Block):
    plot_rows: int = Field(ge=1)
    importance_columns: int = Field(ge=0)
    importance_rows: int = Field(ge=1)
    importance_repeats: int = Field(ge=1)

{%- if cookiecutter.compute == 'dask' %}


class Compute(Block):
    workers: int = Field(ge=1)
    threads: int = Field(ge=1)
    memory: str = Field(pattern=r"^(auto|[1-9]\d* ?[kMGT]i?B)$")
{%- endif %}


def read_params(kind: type[Block]) -> Any:
    """Return the block that is named like this class; exit with all that is wrong in it."""
    name = kind.__name__.lower()
    try:
        params = YAML(typ="safe").load(Path("params.yaml")) or {}
        block = params.get(name)
        if isinstance(block, dict):  # a key with nothing behind it is as if it were not there
            block = {key: value for key, value in block.items() if value is not None}
        return validate(kind, name, block)
    except DataError as error:
        sys.exit(list_problems("params.yaml", error.args))
    except AttributeError:
        sys.exit(f"params.yaml: it must hold blocks of settings, such as `{name}:`.")
    except (OSError, YAMLError) as error:
        sys.exit(f"params.yaml: {one_line(error)}")


def validate(kind: type[BaseModel], name: str, block: Any) -> Any:
    """Return a block of a YAML file as an object; DataError with all that is wrong in it."""
    problems = []
    for key in set(block if isinstance(block, dict) else []) - set(kind.model_fields):
        for near in difflib.get_close_matches(str(key), kind.model_fields, 1, 0.8):
            problems.append(f"{name}.{key} is unknown: did you mean {near!r}?")
    try:
        checked = kind.model_validate(block)
    except ValidationError as error:
        for wrong in error.errors():
            given = "" if wrong["type"] == "missing" else f", not {wrong['input']!r}"
            said = f"{wrong['msg']}{given}"
            if wrong["type"] == "extra_forbidden":
                said = "it is unknown"
            problems.append(f"{'.'.join(map(str, [name, *wrong['loc']]))}: {said}.")
    if problems:
        raise DataError(*problems)
    return checked


def given_types(options: dict[str, Any]) -> dict[str, Any]:
    """Return the columns whose type prepare.read names."""
    types = options.get("dtype") or {}
    return types if isinstance(types, dict) else {}


def as_text(options: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return the options of the reader with these columns as text, where no type is given."""
    if isinstance(options.get("dtype"), str):  # one type for all columns
        return options
    return options | {TEXTS: names}


def require(*paths: Path) -> None:
    """Exit where a file that an earlier stage writes is missing."""
    for path in paths:
        if not path.exists():
            sys.exit(f"{path.as_posix()} is missing: run `uv run dvc repro`.")
