"""What counts, by the block `report` of params.yaml, and how far apart the folds' scores are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlci.history import formats
from mlci.history.pipelines import PARAMS
from mlci.history.values import ABSENT, Values, direction, is_finite, is_number

DIRECTIONS = {"maximize": 1, "minimize": -1}

KEYS = ["primary_metric", "direction", "max_regression", "strict"]


@dataclass(frozen=True)
class Rules:
    """What counts: the metric, whether more (1) or less (-1) of it is better, the worst loss."""

    metric: str = ""
    direction: int = 0
    max_regression: float | None = None  # in the metric's own unit
    strict: bool = False  # what cannot be judged fails the run too


def read_rules() -> Rules:
    """Read the block `report` of params.yaml; a project without one has rules that say nothing.

    Raises:
        ValueError: a value that cannot be, in one sentence.
    """
    try:
        params = formats.parse(Path(PARAMS).read_bytes(), PARAMS)
    except formats.TooLargeError as error:
        raise ValueError(f"{PARAMS}: {error}; do its aliases (*name) repeat too much?") from None
    except (OSError, ValueError):
        return Rules()  # DVC says what is wrong with the file
    block = params.get("report") if isinstance(params, dict) else None
    return make_rules(block)


def rules_at(params: Values) -> Rules:
    """Return the rules that a revision had; those that cannot be say nothing."""
    values = params.get(PARAMS, {})
    block = {key: values[f"report.{key}"] for key in KEYS if f"report.{key}" in values}
    try:
        return make_rules(block or None)
    except ValueError:
        return Rules()


def make_rules(block: Any) -> Rules:
    """Check the block `report`.

    Raises:
        ValueError: a value that cannot be, in one sentence.
    """
    if block is None:
        return Rules()
    if not isinstance(block, dict) or set(block) - set(KEYS) or not block.get("primary_metric"):
        raise ValueError(
            f"{PARAMS}: report takes the keys {', '.join(KEYS)}, the first one is required; for"
            " example `primary_metric: accuracy`"
        )
    metric, limit = str(block["primary_metric"]), block.get("max_regression")
    if block.get("direction", "maximize") not in DIRECTIONS:
        raise ValueError(f"{PARAMS}: report.direction must be 'maximize' or 'minimize'")
    if limit is not None and not (is_finite(limit) and limit >= 0):
        raise ValueError(
            f"{PARAMS}: report.max_regression must be a number from 0 up, in the unit of"
            f" {metric!r}, for example 0.02; or null, so that no loss fails the run"
        )
    strict = block.get("strict", False)
    if strict not in (True, False):
        raise ValueError(f"{PARAMS}: report.strict must be true or false")
    better = DIRECTIONS[block["direction"]] if "direction" in block else direction(metric)
    return Rules(metric, better, limit, strict)


def lookup(metrics: dict[str, dict[str, Any]], name: str) -> Any:
    """Return a metric, whichever file it is in; ABSENT where no file or more than one has it."""
    found = [values[name] for values in metrics.values() if name in values]
    return found[0] if len(found) == 1 else ABSENT


def primary(metrics: dict[str, dict[str, Any]], rules: Rules) -> Rules:
    """Return the rules; where none were set, for the first number among the metrics."""
    if rules.metric:
        return rules
    numbers = (name for values in metrics.values() for name in values if is_number(values[name]))
    metric = next(numbers, "")
    return Rules(metric, direction(metric))


def spread(metrics: dict[str, dict[str, Any]], metric: str) -> float | None:
    """Return the metric's standard deviation over the folds, None where it was not measured."""
    std = lookup(metrics, "cv.std")
    measured = lookup(metrics, "cv.metric") == metric and is_finite(std)
    return float(std) if measured else None
