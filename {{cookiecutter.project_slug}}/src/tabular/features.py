"""What makes numbers of the columns of a table, for any model of scikit-learn."""

from typing import Any

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import VarianceThreshold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, TargetEncoder


def features(table: pd.DataFrame, kinds: dict[str, str]) -> pd.DataFrame:
    """Return the columns that a model takes, booleans as 0 and 1.

    Texts are categories, since of plain texts skrub would take 007 for the number 7.
    """
    types = {"boolean": "float64", "text": "category"}
    changed = {name: types[kind] for name, kind in kinds.items() if kind in types}
    return table[list(kinds)].astype(changed)


def table_step(kinds: dict[str, str], text: str) -> Any:
    """Return what makes numbers of a table: skrub of text and dates; numbers stay as they are."""
    others = [name for name, kind in kinds.items() if kind in ("text", "date")]
    numbers = [name for name in kinds if name not in others]
    if not others:
        return "passthrough"
    from skrub import DatetimeEncoder, StringEncoder, TableVectorizer  # takes seconds

    # Its last components may be nothing but rounding, which scaling would make as large as others.
    words = make_pipeline(StringEncoder(), VarianceThreshold(1e-12))
    target_mean = TargetEncoder({% if cookiecutter.task == 'regression' %}target_type="continuous"{% endif %})
    vectorizer = TableVectorizer(
        cardinality_threshold=100,
        low_cardinality=OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        high_cardinality=target_mean if text == "target" else words,
        datetime=DatetimeEncoder(add_weekday=True),
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
