"""The chart of the latest experiments."""

import re

from mlci.history.experiments import Experiment
from mlci.history.rules import Rules, lookup
from mlci.history.values import is_finite
from mlci.markup import code, shorten, table
from mlci.writing.mermaid import NOW_COLOUR, label, write_chart
from mlci.writing.plots import Picture
from mlci.writing.wording import Style, write_value

LATEST = 10  # experiments
FEWEST = 3


def over_time(experiments: list[Experiment], rules: Rules, style: Style) -> list[Picture]:
    """Draw the primary metric of the latest experiments; nothing where these are too few."""
    scored = [(one, lookup(one.metrics, rules.metric)) for one in experiments]
    known = [(one, float(value)) for one, value in scored if is_finite(value)]
    known = sorted(known, key=lambda pair: pair[0].time)[-LATEST:]
    if len(known) < FEWEST:
        return []
    names = [one.names[0] for one, _ in known]
    values = [value for _, value in known]
    title = f"{rules.metric} of the latest experiments"
    short = ", ".join(f'"{label(shorten(name, 12))}"' for name in names)
    chart = write_chart(title, f"x-axis [{short}]", rules.metric, [values], [NOW_COLOUR])
    rows = [[code(one.names[0]), write_value(value, style), one.age] for one, value in known]
    numbers = table(["Experiment", code(rules.metric), "Age"], rows, (1,))
    points = [
        {"experiment": name, rules.metric: value} for name, value in zip(names, values, strict=True)
    ]
    field_name = re.sub(r"([\[\].\\'\"])", r"\\\1", rules.metric)  # a dot would mean a nested field
    spec = {
        "title": title,
        "data": {"values": points},
        "width": 360,
        "height": 300,
        "mark": {
            "type": "line",
            "point": {"color": NOW_COLOUR},
            "color": NOW_COLOUR,
            "tooltip": True,
        },
        "encoding": {
            "x": {"field": "experiment", "type": "ordinal", "sort": None, "title": None},
            "y": {
                "field": field_name,
                "type": "quantitative",
                "title": rules.metric,
                "scale": {"zero": False},
            },
        },
    }
    return [Picture("latest-experiments", title, chart, numbers, spec)]
