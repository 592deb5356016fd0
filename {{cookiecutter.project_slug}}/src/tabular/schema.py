"""What the table in data/source must look like, where data/schema.yaml says so."""

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, model_validator
from ruamel.yaml import YAML, YAMLError

from tabular.cells import convert, kind_of
from tabular.messages import DataError, name_rows, one_line, tell
from tabular.settings import Prepare, validate

SCHEMA = Path("data/schema.yaml")


class Column(BaseModel):
    """What data/schema.yaml says of a column."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["number", "integer", "boolean", "date", "text"]
    required: bool = True
    missing: bool = True
    range: tuple[float, float] | None = None
    categories: list[str] | None = None

    @model_validator(mode="after")
    def check_range(self) -> "Column":
        is_number = self.type in ("number", "integer")
        if self.range is not None and (not is_number or self.range[0] > self.range[1]):
            raise ValueError("a range is for numbers, the least before the most")
        return self


class Schema(BaseModel):
    """What data/schema.yaml may hold."""

    columns: dict[str, Column]


def infer_rule(column: pd.Series, is_key: bool, rows: int) -> dict[str, Any]:
    """Return what holds for a column; a range goes as far beyond its values as they are apart.

    A key, that is an id, a group or a time, has others in each new table. Of so many rows the
    column may have some only.
    """
    if column.isna().all():
        return {"type": "text", "required": True, "missing": True}
    rule = {"type": kind_of(column), "required": True, "missing": bool(column.hasnans)}
    if rule["type"] == "number" and (column.dropna() % 1 == 0).all():
        rule["type"] = "integer"
    if is_key:
        return rule
    if rule["type"] in ("number", "integer"):
        least, most = column.min().item(), column.max().item()
        distance = most - least or abs(most) or 1
        if not math.isfinite(distance):
            return rule
        lowest = max(least - distance, 0) if least >= 0 else least - distance
        digits = 3 - math.floor(math.log10(distance))  # more than these say nothing
        rule["range"] = [round(lowest, digits), round(most + distance, digits)]
    if rule["type"] == "text" and column.nunique() <= min(40, rows / 2):
        rule["categories"] = sorted(column.dropna().unique())
    return rule


def write_schema(table: pd.DataFrame | dict[str, pd.Series], params: Prepare, rows: int) -> None:
    """Write data/schema.yaml, and name it in dvc.yaml as a dependency of the stage `prepare`."""
    yaml = YAML()
    yaml.width = sys.maxsize  # a folded line would lose spaces of a category
    keys = (params.id, params.group, params.time)
    rules = {str(name): infer_rule(table[name], name in keys, rows) for name in table}
    yaml.dump({"columns": rules}, SCHEMA)
    print(f"Wrote {SCHEMA.as_posix()}: edit it, and commit it with dvc.yaml")
    pipeline = yaml.load(Path("dvc.yaml"))
    stage = pipeline["stages"].get("prepare")
    if stage is None:
        tell(f"add {SCHEMA.as_posix()} to the deps of the stage that checks the data, in dvc.yaml.")
    elif SCHEMA.as_posix() not in stage["deps"]:
        stage["deps"].append(SCHEMA.as_posix())
        yaml.dump(pipeline, Path("dvc.yaml"))


def find_violations(table: pd.DataFrame) -> Iterator[str]:
    """Yield where the table is not as data/schema.yaml says, if there is one."""
    if not SCHEMA.exists():
        return
    try:
        rules = validate(Schema, SCHEMA.as_posix(), YAML(typ="safe").load(SCHEMA)).columns
    except YAMLError as error:
        raise DataError(f"{SCHEMA.as_posix()}: {one_line(error)}") from error
    for name in table.columns.difference([*rules]):
        yield f"column {name!r} is not in {SCHEMA.as_posix()}."
    for name, rule in rules.items():
        if name in table:
            yield from find_wrong_cells(table[name], rule)
        elif rule.required:
            yield f"column {name!r} is not there, but {SCHEMA.as_posix()} requires it."


def find_wrong_cells(column: pd.Series, rule: Column) -> Iterator[str]:
    """Yield which cells of a column break its rule."""
    kind = "number" if rule.type == "integer" else rule.type
    found = kind_of(column) if column.notna().any() else kind
    if found not in (kind, "text"):  # of a text the cells are named that do not fit
        yield f"column {column.name!r} is {found}, not {rule.type}: see dtype in prepare.read."
        return
    cells = convert(column, kind)
    wrong = {f"no {rule.type}": column.notna() & cells.isna()}
    if rule.type == "integer":
        wrong["no integer"] |= cells % 1 > 0
    if not rule.missing:
        wrong["empty"] = column.isna()
    if rule.categories is not None:
        wrong["none of the categories"] = cells.notna() & ~cells.isin(rule.categories)
    if rule.range is not None:
        least, most = rule.range
        wrong[f"not from {least:.15g} to {most:.15g}"] = (cells < least) | (cells > most)
    for words, where in wrong.items():
        if where.any():
            rows = column.index[where]
            example = "" if words == "empty" else f", such as {column[rows[0]]}"
            remedy = f"correct it, or {SCHEMA.as_posix()}"
            yield f"column {column.name!r} is {words} in {name_rows(rows)}{example}: {remedy}."
