"""Predict for each row of a table: uv run python src/predict.py new.csv [-o predictions.csv]

The columns are found by name. It reads what prepare_data.py reads, and `-` is CSV from the standard
input; it writes CSV, with the probability of each class where the model knows it.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from models import features, load_model
from project import LARGEST, MODEL, DataError, list_problems
from tables import as_text, convert, name_rows, read_chunks, tell

CHUNK = 50_000  # rows in memory at a time


def predict(model: Pipeline, table: pd.DataFrame) -> pd.DataFrame:
    """Return a prediction per row; DataError where a column is missing or not of its kind."""
    kinds, X = model.info["columns"], pd.DataFrame(index=table.index)
    problems = [f"there is no column {name!r}." for name in kinds if name not in table]
    if table.empty:
        problems.append("it has no rows.")
    for name in table.columns.intersection([*kinds]):
        X[name] = convert(table[name], kinds[name], model.info["read"].get("dayfirst"))
        bad = X[name].isna() & table[name].notna()
        if kinds[name] == "number":
            bad |= X[name].abs() > LARGEST
        if bad.any():
            rows = table.index[bad]
            example = f"{name_rows(rows)}, such as {str(table[name][rows[0]])!r}"
            problems.append(f"column {name!r} is no {kinds[name]} in {example}.")
    if problems:
        raise DataError(*problems)
    numbers = model[:-1].transform(features(X, kinds))
    found = pd.DataFrame({"prediction": model[-1].predict(numbers)}, table.index)
    if hasattr(model, "predict_proba"):
        names = [f"probability_{name}" for name in model.classes_]
        found[names] = model[-1].predict_proba(numbers)
    if model.info["id"] in found:
        raise DataError(f"the id {model.info['id']!r} is called like a column of the predictions.")
    if model.info["id"] in table:
        found.insert(0, model.info["id"], table[model.info["id"]])
    return found


def predict_file(model: Pipeline, source: Path) -> Iterator[pd.DataFrame]:
    """Yield the predictions for a file, by chunks, so that one of any length fits into memory."""
    info = model.info
    texts = [name for name, kind in info["columns"].items() if kind == "text"]
    texts += [info["id"]] if info["id"] else []
    options = as_text(info["read"] | find_names(source, info), texts)
    for number, chunk in enumerate(read_chunks(source, options, rows=CHUNK)):
        ignored = [name for name in chunk if name not in [*info["columns"], info["id"]]]
        if ignored and number == 0:
            tell(f"the model takes no notice of {', '.join(ignored)}.")
        if chunk.empty and number > 0:
            continue  # the empty rows at the end of what a spreadsheet wrote
        with threadpool_limits(info["threads"]):
            yield predict(model, chunk)


def find_names(source: Path, info: dict) -> dict[str, list[str]]:
    """Return the names of a table without a header, which may be without the target."""
    given = info["read"].get("names") or []
    shorter = [name for name in given if name != info["target"]]
    for names in [given, shorter] if given else []:
        with suppress(DataError):
            next(read_chunks(source, info["read"] | {"names": names}, rows=1))
            return {"names": names}
    return {}


def find_commit(path: Path) -> str | None:
    """Return the first commit whose dvc.lock has this model; None where that is not known."""
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    git = ["git", "log", "--reverse", "--format=%H", "-S", md5, "--", "dvc.lock"]
    if not shutil.which("git"):
        return None
    commits = subprocess.run(git, capture_output=True, text=True, check=False).stdout.split()
    return commits[0] if commits else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", nargs="?", help="a table, or - for CSV from the standard input")
    parser.add_argument("-o", "--output", help="where to write; else to the standard output")
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--info", action="store_true", help="print what the model knows")
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    if arguments.info:
        info = model.info | {"commit": find_commit(arguments.model)}
        print(json.dumps(info, indent=2, ensure_ascii=False))
        return
    if not arguments.table:
        parser.error("which table?")
    if arguments.output and not Path(arguments.output).parent.is_dir():
        sys.exit(f"{arguments.output}: there is no such folder.")
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(arguments.table), Path(folder, "predictions.csv")
        if arguments.table == "-":
            source = Path(folder, "input.csv")
            with source.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        try:
            for number, found in enumerate(predict_file(model, source)):
                found.to_csv(result, mode="a", header=number == 0, index=False, lineterminator="\n")
        except DataError as error:
            sys.exit(list_problems(arguments.table, error.args))
        if arguments.output:
            shutil.copyfile(result, arguments.output)
        else:
            with result.open(encoding="utf-8") as file:
                shutil.copyfileobj(file, sys.stdout)


if __name__ == "__main__":
    main()
