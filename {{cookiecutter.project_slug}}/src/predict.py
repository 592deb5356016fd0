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
from pathlib import Path

from tabular.artifact import load_model
from tabular.messages import DataError, list_problems
from tabular.prediction import predict_file
from tabular.settings import MODEL


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
    if arguments.output and Path(arguments.output).is_dir():
        sys.exit(f"{arguments.output}: it is a folder; name a file in it.")
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
