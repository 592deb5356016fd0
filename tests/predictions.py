"""What `evaluate` leaves for a report, for models that are right on chosen rows."""

import csv
import io
from collections.abc import Sequence

from histories import Project


def leave(project: Project, right: Sequence[bool], first_key: int = 0, **metrics: object) -> None:
    """Write the metrics and predictions of a model of two classes that is right on these rows.

    Row i has the key `first_key` + i; its actual class is "cat" where i is even, else "dog".
    """
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["row_key", "actual", "predicted"])
    for place, is_right in enumerate(right):
        actual, other = ("cat", "dog") if place % 2 == 0 else ("dog", "cat")
        lines.writerow([first_key + place, actual, actual if is_right else other])
    project.write("plots/test_rows.csv", text.getvalue())
    accuracy = round(sum(right) / len(right), 6)
    data = {"test_rows": len(right)}
    project.measure({"accuracy": accuracy, **metrics, "data": data})


def right_but(rows: int, *wrong: range) -> list[bool]:
    """Return that all rows are right but those in the ranges."""
    return [not any(row in some for some in wrong) for row in range(rows)]
