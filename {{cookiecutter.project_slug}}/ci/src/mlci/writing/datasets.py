"""The section on data and models: how much there is, and what changed in what DVC tracks."""

from typing import Any

from mlci.history.comparison import Comparison
from mlci.history.metadata import Output
from mlci.history.origins import Origin
from mlci.history.rules import lookup
from mlci.history.values import is_number
from mlci.markup import code, fold_away, table
from mlci.writing.folding import cut, write_rows
from mlci.writing.wording import Style, size

COUNTS = {
    "train_rows": "Rows to train on",
    "test_rows": "Rows to test with",
    "features": "Columns",
    "missing_cells": "Missing values",
}


def write(comparison: Comparison, style: Style) -> str:
    """List the data and models that changed, with the files in them where these are known."""
    parts = [balance(comparison, style)]
    if comparison.baseline:
        parts += changed_data(comparison, style)
        parts.append(changed_origins(comparison, style))
    return "\n\n".join(["### Data and models", *filter(None, parts)]) if any(parts) else ""


def changed_data(comparison: Comparison, style: Style) -> list[str]:
    """Return the paragraphs about what changed in the data and models that DVC tracks."""
    assert comparison.baseline
    if not comparison.data:
        return ["Nothing that DVC tracks changed."]
    command = f"uv run dvc diff {comparison.baseline.sha[:7]}"
    outputs, left_out = cut(comparison.data, style.rows, "outputs", command)
    rows = [output_row(*pair) for pair in outputs]
    parts = [write_rows(["Path", "Change", "Files", "Size"], rows, (2, 3), "outputs") + left_out]
    kinds = [change.kind for change in comparison.files]
    counts = {kind: kinds.count(kind) for kind in ("added", "modified", "deleted", "renamed")}
    total = " · ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    if len(kinds) > len(comparison.data):
        files, left_out = cut(comparison.files, style.rows, "files", command)
        lines = [
            f"- {file.kind}: " + " → ".join(map(code, filter(None, [file.old_path, file.path])))
            for file in files
        ]
        parts += [fold_away(f"Files: {total}", "\n".join(lines) + left_out)]
    if comparison.unlisted:
        folders = ", ".join(code(path) for path in comparison.unlisted[:10])
        parts.append(
            f"_Which files changed in {folders} is not known here, since the data was not"
            " downloaded; it is known after `uv run dvc fetch`._"
        )
    return parts


def changed_origins(comparison: Comparison, style: Style) -> str:
    """Say from where, and in which version, data are imported now and were before."""
    assert comparison.baseline
    old, new = comparison.baseline.declared.origins, comparison.head.declared.origins
    changed = [path for path in new | old if old.get(path) != new.get(path)]
    lines = [f"- {code(path)} {name_origins(old.get(path), new.get(path))}" for path in changed]
    shown, left_out = cut(lines, style.rows, "imports", "git diff --stat '*.dvc'")
    return "\n".join(shown) + left_out


def name_origins(old: Origin | None, new: Origin | None) -> str:
    """Say where one dataset comes from, and came from."""
    before, now = (name_origin(side) if side else "" for side in (old, new))
    if not old or not new:
        what, side, said = ("is", new, now) if new else ("is no longer", old, before)
        assert side
        return f"{what} imported from {said}, {name_version(side)}"
    versions = [name_version(side) for side in (old, new)]
    if before == now:
        return f"is imported from {now}: {' → '.join(versions)}"
    return f"was imported from {before}, {versions[0]}, and is now from {now}, {versions[1]}"


def name_origin(origin: Origin) -> str:
    """Write the address of a source."""
    inside = f"{code(origin.path)} of " if origin.path else ""
    return f"{inside}{code(origin.address)}"


def name_version(origin: Origin) -> str:
    """Write the version of a source: what was asked for, and the beginning of what it is."""
    short = code(origin.version[:7]) if origin.version else "version unknown"
    return f"{code(origin.revision)} ({short})" if origin.revision else short


def output_row(old: Output | None, new: Output | None) -> list[str]:
    """Write one changed output: where, what happened, files and bytes before and after."""
    kind = "added" if old is None else "deleted" if new is None else "modified"
    sides = [side for side in (old, new) if side]
    if old and new and old.path != new.path:
        kind = "renamed"
    path = " → ".join(dict.fromkeys(code(side.path) for side in sides))
    files = [f"{side.files or 1:,}" for side in sides]
    sizes = [size(side.size) for side in sides]
    return [path, kind, *(" → ".join(dict.fromkeys(column)) for column in (files, sizes))]


def balance(comparison: Comparison, style: Style) -> str:
    """Say how much data there is, and how its classes are balanced."""
    old, new = (side.metrics if side else {} for side in (comparison.baseline, comparison.head))
    rows = {what: lookup(new, f"data.{what}_rows") for what in ("train", "test")}
    if not all(map(is_number, rows.values())):
        return ""
    lines = [f"{rows['train']:,} rows to train on, {rows['test']:,} to test with."]
    for name, label in COUNTS.items():
        was, now = lookup(old, f"data.{name}"), lookup(new, f"data.{name}")
        if is_number(was) and is_number(now) and was != now:
            lines.append(f"{label}: {was:,} → {now:,}.")
    sizes, before = (rows_per_class(side) for side in (new, old))
    total = sum(sizes.values())
    if total > 0:
        least, most = (
            f"{code(name)} with {sizes[name]:,} ({sizes[name] / total:.1%})"
            for name in (min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__))
        )
        lines.append(f"Of {len(sizes):,} classes the smallest is {least}, the largest {most}.")
        body = []
        for name, count in [*sizes.items()][: style.rows]:
            was = f"{before.get(name, 0):,}" if before else "–"
            body.append([code(name), was, f"{count:,}", f"{count / total:.1%}"])
        named = table(["Class", "Old", "New", "Share"], body, (1, 2, 3))
        return f"{' '.join(lines)}\n\n{fold_away('Rows of each class', named)}"
    return " ".join(lines)


def rows_per_class(metrics: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Return how many rows each class has, from the metrics that `evaluate` writes."""
    prefix = "data.rows_per_class."
    return {
        name.removeprefix(prefix): count
        for values in metrics.values()
        for name, count in values.items()
        if name.startswith(prefix) and type(count) is int
    }
