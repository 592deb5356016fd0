"""Tables that people brought, each of which was refused, misread or believed too much before."""

import gzip
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas as pd
import pytest
import tables
from answers import CHOICES
from conftest import BakedProject, run
from sklearn.svm import SVC
from test_pipeline import TASKS, copies, give, set_params

pytestmark = pytest.mark.slow
Render = Callable[..., BakedProject]

# Runs the stages in each folder; tells the sentence that they ended with, if so, and what they
# printed. One process runs them all, since most of a stage's seconds are imports. `predict` has the
# arguments that the file `arguments` holds.
DRIVER = """
import contextlib, importlib, io, json, os, pathlib, sys, warnings
warnings.simplefilter("ignore")
root, stages, folders = os.getcwd(), sys.argv[1].split(","), sys.argv[2:]
sys.path[:0] = [root, os.path.join(root, "src")]
said = []
for folder in folders:
    os.chdir(folder)
    code = None
    with contextlib.redirect_stderr(io.StringIO()) as notes:
        with contextlib.redirect_stdout(io.StringIO()) as text:
            try:
                for stage in stages:
                    given = pathlib.Path("arguments") if stage == "predict" else None
                    sys.argv = [stage, *(given.read_text().split() if given else [])]
                    importlib.import_module(stage).main()
            except SystemExit as refusal:
                code = str(refusal.code)
    said.append([code, notes.getvalue(), text.getvalue()])
print(json.dumps(said))
"""
STAGES = "prepare_data,train,evaluate"
SIDES = ("train", "test")


def run_stages(
    project: BakedProject,
    cases: dict[str, BakedProject],
    stages: str = STAGES,
    packages: tuple[str, ...] = (),
) -> dict[str, tuple[str | None, str, str]]:
    """Return for each case the sentence of refusal, or None, the notes, and what was printed."""
    folders = [case.path for case in cases.values()]
    done = project.run(*packages, "python", "-c", DRIVER, stages, *folders)
    said = json.loads(done.stdout.splitlines()[-1])
    return {name: tuple(texts) for name, texts in zip(cases, said, strict=True)}


class Table(NamedTuple):
    """A file, the parameters that it needs, and what is said."""

    content: str | bytes
    said: str
    target: str = "y"
    name: str = "own.csv"
    params: dict[str, Any] = {}  # noqa: RUF012 (never written to)


def lines(header: str, row: Callable[[int], str], count: int = 60) -> str:
    """Return a CSV."""
    return "\n".join([header, *(row(number) for number in range(count))]) + "\n"


def word(number: int) -> str:
    """Return a class that depends on the number."""
    return "ab"[number * 7 % 5 > 2]


IDS = lines("id,x,y", lambda n: f"{n},{n * n % 7},{'a' if n < 30 else 'b'}")
UNCLEAR_DATES = lines("day,x,y", lambda n: f"0{n % 9 + 1}/02/2020,{n},{word(n)}")


def cells_of(number: int) -> list[str]:
    """Return a number, a word, a boolean and a date, or no, one or two spaces for each."""
    if number % 7 == 3:
        return [" " * (number % 3)] * 4
    is_sure, day = str(number % 3 > 0).upper(), f"2020-01-{number % 28 + 1:02}"
    return [str(number), "uv"[number % 2], is_sure, day]


def small_numbers() -> bytes:
    """Return a Parquet file with numbers of one byte."""
    table = pd.DataFrame({"x": np.arange(60, dtype="uint8"), "z": np.arange(60, dtype="int8")})
    file = io.BytesIO()
    table.assign(y=[word(n) for n in range(60)]).to_parquet(file)
    return file.getvalue()


UNITS = lines("x,y\nkg,", lambda n: f"{n},{word(n)}") + "\n"
CLASSES = {
    "missing words are classes": Table(
        lines("x,y", lambda n: f"{n % 11},{'None' if n % 11 > 5 else 'Mild'}"), ""
    ),
    "likert answers": Table(
        lines("p,q,y", lambda n: f"{n % 3},{n % 4},{word(n)}", 300), "stay on one side"
    ),
    "spaces": Table(
        lines("x, y", lambda n: f"{n},{word(n)}{' ' * (n % 2)}"), "spaces around the names"
    ),
    "an id": Table(
        IDS,
        "column 'id' is different in each row: if it is an id",
    ),
    "the id orders": Table(
        IDS,
        "column 'id' tells 'y' by itself",
    ),
    "a patient": Table(
        lines("patient_id,x,y", lambda n: f"{n // 6},{n},{word(n)}"),
        "column 'patient_id' looks like an id of several rows: set prepare.group",
    ),
    "unbalanced": Table(
        lines("x,y", lambda n: f"{n},{'a' if n % 20 else 'b'}", 200), "balanced_accuracy"
    ),
    "long ids": Table(
        lines("code,x,y", lambda n: f"{2**60 + n // 2},{n},{word(n)}"), "whole numbers beyond 2**53"
    ),
    "text among numbers": Table(
        lines("x,y", lambda n: f"{'?' if n == 7 else n},{word(n)}"),
        "column 'x' is text because of cells such as '?' in row 9",
    ),
    "unclear dates": Table(
        UNCLEAR_DATES,
        "read with the month first: if the day is, set prepare.read.dayfirst",
    ),
    "dates with the day first": Table(
        UNCLEAR_DATES,
        "",
        params={"read": {"dayfirst": True}},
    ),
    "many categories": Table(
        lines("city,x,y", lambda n: f"town {n % 150},{n},{word(n)}", 450), "150 categories"
    ),
    "longer ids": Table(
        lines("code,x,y", lambda n: f"{2**70 + n // 2},{n},{word(n)}"), "whole numbers beyond 2**53"
    ),
    "other words for the classes": Table(
        lines("vital,x,y", lambda n: f"{word(n).upper()},{n},{word(n)}"),
        "column 'vital' tells 'y' by itself",
    ),
    "postcodes as text": Table(
        lines("zip,x,y", lambda n: f"0{n % 9},{n},{word(n)}"),
        "",
        params={"read": {"dtype": {"zip": "str"}}},
    ),
    "no header": Table(
        lines("", lambda n: f"{n},u{n % 3},{word(n)}").removeprefix("\n"),
        "",
        params={"read": {"names": ["x", "z", "y"]}},
    ),
    "a title above": Table(
        "Exported\n" + lines("x,y", lambda n: f"{n},{word(n)}"),
        "",
        params={"read": {"skiprows": 1}},
    ),
    "a row of units": Table(
        UNITS, "row 2 left out, as prepare.read.skiprows has it", params={"read": {"skiprows": [1]}}
    ),
    "an empty line below units": Table(
        UNITS, "row 63 empty and left out", params={"read": {"skiprows": [1]}}
    ),
    "empty lines": Table(
        lines("x,y", lambda n: f"{n},{word(n)}") + "\n\n", "2 rows (62, 63) empty and left out"
    ),
    "a constant": Table(
        lines("one,x,y", lambda n: f"1,{n},{word(n)}"), "constant or empty columns: 'one'"
    ),
    "row numbers": Table(
        lines(",x,y", lambda n: f"{n},{n * n % 13},{word(n)}"),
        "column 1 has no name and is left out",
    ),
    "semicolons": Table(
        lines("x;z;y", lambda n: f"{n},5;{n};{word(n)}"), "is read with ';' between columns and ','"
    ),
    "tabs": Table(lines("x\ty", lambda n: f"{n}\t{word(n)}"), "", name="own.tsv"),
    "a comment": Table(
        "# exported\n" + lines("x,y", lambda n: f"{n},{word(n)}"),
        "",
        params={"read": {"comment": "#"}},
    ),
    "another encoding": Table(
        lines("größe,y", lambda n: f"{n},{word(n)}").encode("cp1252"),
        "",
        params={"read": {"encoding": "cp1252"}},
    ),
    "missing by a word": Table(
        lines("x,y", lambda n: f"{'-9' if n % 9 == 1 else n},{word(n)}"),
        "",
        params={"read": {"na_values": {"x": ["-9"]}}},
    ),
    "booleans with gaps": Table(
        lines("sure,x,y", lambda n: f"{['True', 'False', ''][n % 3]},{n},{word(n)}"), ""
    ),
    "no answer in some rows": Table(
        lines("x,y", lambda n: f"{n},{'' if n % 6 == 1 else word(n)}"), ""
    ),
    "dates of Europe": Table(
        lines("day,born,x,y", lambda n: f"{n % 28 + 1}.02.2020,2020-02-0{n % 9 + 1},{n},{word(n)}"),
        "",
    ),
    "addresses beside dates": Table(
        lines("ip,day,x,y", lambda n: f"10.0.{n % 7}.1,0{n % 9 + 1}/02/2020,{n},{word(n)}"),
        "",
        params={"read": {"dayfirst": True}},
    ),
    "no such day": Table(
        lines("day,x,y", lambda n: f"2023-02-{n % 30 + 1:02},{n},{word(n)}"),
        "column 'day' is text, though it has dates such as 2023-02-",
    ),
    "dates in two orders": Table(
        lines("day,x,y", lambda n: f"{'13/02' if n % 2 else '02/13'}/2020,{n},{word(n)}"),
        "column 'day' is text, though it has dates such as ",
    ),
    "dates as classes": Table(
        lines("x,y", lambda n: f"{n},{['1/2/2020', '2/2/2020'][n * 7 % 5 > 2]}"), ""
    ),
    "percentages": Table(
        lines("share,x,y", lambda n: f"{n}%,{n * n % 7},{word(n)}"),
        "column 'share' holds numbers such as ",
    ),
    "twins with an id": Table(
        lines("id,x,y", lambda n: f"{n},{n // 2},{word(n // 2)}"),
        "identical ones may be on both sides",
        params={"id": "id"},
    ),
    "semicolons in a name": Table(lines('"Rating (1;2;3;4)",y', lambda n: f"{n},{word(n)}"), ""),
    "several answers in a cell": Table(
        lines("told;x;y", lambda n: f"1,{n % 3};{n}.5;{word(n)}"), "and '.' in numbers"
    ),
    "leading zeros": Table(
        lines("zip,x,y", lambda n: f"0{n % 9},{n},{word(n)}"),
        "column 'zip' has '00', read as a number: to keep it, set prepare.read.dtype to zip: str",
    ),
    "names of months": Table(lines("when,x,y", lambda n: f"{n % 28 + 1}-Feb-24,{n},{word(n)}"), ""),
    "a two-digit year": Table(
        lines("when,x,y", lambda n: f"22-02-{n % 28 + 1:02},{n},{word(n)}"),
        "column 'when' has dates such as 22-02-01, read with the day first",
    ),
    "a column that is of no use": Table(
        lines("x,far,y", lambda n: f"{n},{'inf' if n == 9 else n},{word(n)}"),
        "",
        params={"drop": ["far"]},
    ),
    "thousands": Table(
        lines("sold,x,y", lambda n: f'"{n * 40:,}",{n * n % 7},{word(n)}'),
        "column 'sold' holds numbers such as '",
    ),
    "a word among classes that are numbers": Table(
        lines("x,y", lambda n: f"{n},{'NA' if n in (5, 40) else n * 7 % 5 // 3}"),
        "column 'y' has the class 'NA' in 2 rows (7, 42): if it means missing",
    ),
    "empty columns of a spreadsheet": Table(
        lines("x,y,,", lambda n: f"{n},{word(n)},,"), "columns without a name and values"
    ),
    "commas in the names": Table(
        lines("1, age;2, income;y", lambda n: f"{n};{n % 7},5;{word(n)}"),
        "is read with ';' between columns and ','",
    ),
    "a line break in a name": Table(
        lines('"x\nin m";z;y', lambda n: f"{n},5;{n % 7};{word(n)}"),
        "is read with ';' between columns and ','",
    ),
    "a word among decimal commas": Table(
        lines("x;z;y", lambda n: f"{'k.A.' if n == 9 else f'{n},37'};{n % 7},5;{word(n)}"),
        "text because of cells such as 'k.A.' in row 11:",
    ),
    "hours and prices": Table(
        lines("h,p,y", lambda n: f"{n % 5}.2,{n % 7}.{n % 3 + 19},{word(n)}", 200), ""
    ),
    "another decimal mark": Table(
        lines("x;z;lat;y", lambda n: f"{n},5;{n % 9},2;{52 + n / 1000:.4f};{word(n)}"),
        "column 'lat' holds numbers such as '52.0",
    ),
    "a missing word among words": Table(
        lines("x,y", lambda n: f"{n},{['yes', 'no', 'NA'][n % 3]}", 90),
        "column 'y' has the class 'NA' in 30 rows",
    ),
    "months": Table(
        lines("m,x,y", lambda n: f"{n % 12 + 1:02}.{2018 + n // 30},{n % 9},{word(n)}"),
        "column 'm' seems to have dates such as",
    ),
    "codes with an exponent": Table(
        lines("code,x,y", lambda n: f"{n % 7}E{n % 3},{n},{word(n)}"), "'0E0', read as a number"
    ),
    "UTF-8, whatever is set": Table(
        lines("größe,x,y", lambda n: f"{n % 7},{n},{word(n)}"),
        "own.csv is UTF-8, and read so, not as cp1252",
        params={"read": {"encoding": "cp1252"}},
    ),
    "a mark or nothing": Table(
        lines("flag,day,y", lambda n: f"{'x' * (n % 2)},0{n % 9 + 1}/02/2020,{word(n)}"),
        "read with the month first",
    ),
    "a quotation mark that nothing closes": Table(
        lines("told,x,y", lambda n: f"{chr(34) * (n in (9, 50))}t{n},{n},{word(n)}"),
        "own.csv, row 11: a cell holds whole rows",
    ),
    "versions": Table(
        lines("version,x,y", lambda n: f"1.{n % 9}.1{n % 2},{n},{word(n)}"),
        "",
        params={"read": {"dtype": {"version": "str"}}},
    ),
    "spaces for nothing": Table(
        lines("x,plan,sure,day,y", lambda n: ",".join([*cells_of(n), word(n)])), ""
    ),
    "small whole numbers": Table(small_numbers(), "", name="own.parquet"),
    "as many commas as semicolons": Table(
        lines("", lambda n: f"{n},1;{n % 7},0;{word(n)}").removeprefix("\n"),
        "and ',' in numbers",
        params={"read": {"names": ["x", "z", "y"]}},
    ),
    "exponents after decimal commas": Table(
        lines("x;z;y", lambda n: f"{n},257E+02;{n % 7},5;{word(n)}"), "and ',' in numbers"
    ),
    "a word where no class is": Table(
        lines("x,y", lambda n: f"{'-,' if n == 7 else f'{n},{word(n)}'}"),
        "column 'x' is text because of cells such as '-' in row 9",
    ),
    "rows that are too short": Table(
        lines("y,x,z", lambda n: f"{word(n)},{n}" + f",{n % 7}" * (n != 5)),
        "fewer values than columns in row 7",
    ),
    "below a limit": Table(
        lines("x,y", lambda n: f"{'<0.5' if n % 3 else n},{word(n)}"), "such as '<0.5' in 40 rows"
    ),
    "signs that keyboards lack": Table(
        lines("x,z,y", lambda n: f"\u2212{n}.5,{n % 7},{word(n)}"), "holds numbers such as '\u2212"
    ),
    "losses in brackets": Table(
        lines("x,z,y", lambda n: f"({n}.5),{n % 7},{word(n)}"), "holds numbers such as '("
    ),
    "units": Table(
        lines("x,z,y", lambda n: f"{n} kg,{n % 7},{word(n)}"), "leave out signs and units"
    ),
    "two units": Table(
        lines("x,z,y", lambda n: f"{n % 20} {['kg', 'g'][n % 2]},{n % 7},{word(n)}"), ""
    ),
    "ranges": Table(
        lines("x,z,y", lambda n: f"{['<50', '50-99', '>99'][n % 3]},{n % 7},{word(n)}"), ""
    ),
    "seasons": Table(
        lines("x,z,y", lambda n: f"{2001 + n % 9}-{2 + n % 9:02},{n % 7},{word(n)}"), ""
    ),
    "several answers, with semicolons": Table(
        lines("x,told (a;b),y", lambda n: f"{n},u;v,{word(n)}"), ""
    ),
    "capitals of Turkey": Table(
        lines("x,z,y", lambda n: f"{['İzmir', 'İZMİR', 'Ankara'][n % 3]},{n % 7},{word(n)}"),
        ": if they are the same",
    ),
    "points between thousands": Table(
        lines("x;z;y", lambda n: f"1.{n + 100}.000;{n % 7},5;{word(n)}"), "or set thousands"
    ),
    "a point between thousands": Table(
        lines("x;z;y", lambda n: f"1.{n + 100};{n % 7},5;{word(n)}"),
        "set prepare.read.thousands to",
    ),
    "thousands or a fraction": Table(
        lines("x;z;y", lambda n: f"{'1.250' if n % 9 == 1 else n};{n % 7};{word(n)}"),
        "column 'x' has 1.250, read as a fraction: if '.' separates thousands",
    ),
    "thousands only": Table(
        lines("x,z,y", lambda n: f"{n + 12}.{n % 7 * 100:03},{n % 7},{word(n)}"),
        "column 'x' has 12.000, read as a fraction: if '.' separates thousands",
    ),
    "three decimals": Table(
        lines("x,z,y", lambda n: f"{n + 12}.{n * 377 % 1000:03},{n % 7},{word(n)}"), ""
    ),
    "fractions beside thousands": Table(
        lines("x;z;y", lambda n: f"1.{n + 100};{n % 7}.5;{word(n)}"),
        "column 'z' holds numbers such as '",
        params={"read": {"thousands": "."}},
    ),
    "dates beside thousands": Table(
        lines("day;x;y", lambda n: f"{n % 28 + 1:02}.01.23;1.{n + 100},5;{word(n)}"),
        "",
        params={"read": {"thousands": ".", "decimal": ","}},
    ),
    "thousands with a space that does not break": Table(
        lines("x;z;y", lambda n: f"1\u00a0{n + 100},5;{n % 7};{word(n)}"),
        "",
        params={"read": {"thousands": "\u00a0", "decimal": ","}},
    ),
    "names of American months": Table(
        lines("day,x,y", lambda n: f'"Jan {n % 28 + 1:02}, 2023",{n},{word(n)}'), ""
    ),
    "months of years": Table(
        lines("day,x,y", lambda n: f"{2000 + n % 9}-{n % 12 + 1:02},{n},{word(n)}"),
        " as text: set prepare.read.parse_dates to [day]",
    ),
    "months of years, as advised": Table(
        lines("day,x,y", lambda n: f"{2000 + n % 9}-{n % 12 + 1:02},{n},{word(n)}"),
        "",
        params={"read": {"parse_dates": ["day"]}},
    ),
    "times of day": Table(
        lines("at,x,y", lambda n: f"{n % 24:02}:30,{n},{word(n)}"), ":30 as text: write hours"
    ),
    "points in dates": Table(
        lines("day,x,y", lambda n: f"0{n % 9 + 1}.02.2020,{n},{word(n)}"), "read with the day first"
    ),
    "a category None": Table(
        lines("pain,x,y", lambda n: f"{['None', 'mild', ''][n % 3]},{n},{word(n)}"),
        "column 'pain' has 'None', read as missing",
    ),
    "capitals": Table(
        lines("x,y", lambda n: f"{n},{['Yes', 'yes', 'no'][n % 3]}"), "has 'Yes' and 'yes': if"
    ),
    "many notes": Table(
        lines(
            ",".join([*(f"t{n}" for n in range(9)), "told", "x", "y"]),
            lambda n: f"{'10:30,' * 9}{word(n).upper()},{n},{word(n)}",
        ),
        "column 'told' tells 'y' by itself",
    ),
    "a separator that is given": Table(
        lines("x, m;y", lambda n: f"{n},5;{word(n)}"),
        "and ',' in numbers",
        params={"read": {"sep": ";"}},
    ),
}


KINDS = {
    "semicolons": {"x": "number", "z": "number"},
    "spaces for nothing": {"x": "number", "plan": "text", "sure": "boolean", "day": "date"},
    "as many commas as semicolons": {"x": "number", "z": "number"},
    "exponents after decimal commas": {"x": "number", "z": "number"},
    "dates beside thousands": {"day": "date", "x": "number"},
    "names of American months": {"day": "date", "x": "number"},
    "months of years, as advised": {"day": "date", "x": "number"},
    "fractions beside thousands": {"x": "number", "z": "text"},
    "two units": {"x": "text", "z": "number"},
    "ranges": {"x": "text", "z": "number"},
    "seasons": {"x": "text", "z": "number"},
    "several answers, with semicolons": {"x": "number", "told (a;b)": "text"},
    "thousands with a space that does not break": {"x": "number", "z": "number"},
    "booleans with gaps": {"sure": "boolean", "x": "number"},
    "dates with the day first": {"day": "date", "x": "number"},
    "row numbers": {"x": "number"},
    "postcodes as text": {"zip": "text", "x": "number"},
    "no header": {"x": "number", "z": "text"},
    "unclear dates": {"day": "date", "x": "number"},
    "dates of Europe": {"day": "date", "born": "date", "x": "number"},
    "addresses beside dates": {"ip": "text", "day": "date", "x": "number"},
    "no such day": {"day": "text", "x": "number"},
    "dates in two orders": {"day": "text", "x": "number"},
    "UTF-8, whatever is set": {"größe": "number", "x": "number"},
    "several answers in a cell": {"told": "text", "x": "number"},
    "a separator that is given": {"x, m": "number"},
}
NOT_SAID = {
    "thousands with a space that does not break": "holds numbers",
    "three decimals": "fraction",
    "two units": "column 'x'",
    "ranges": "column 'x'",
    "seasons": "column 'x'",
    "a mark or nothing": "constant",
    "hours and prices": "dates",
}


def test_classes_of_people_are_learned(render: Render) -> None:
    project = render(task="classification")
    cases = copies(project, CLASSES)
    for name, case in cases.items():
        give(case, CLASSES[name].content, CLASSES[name].name)
        set_params(case, prepare={"target": "y"} | CLASSES[name].params, train={"folds": 2})
    heard = run_stages(project, cases)
    assert {name: code for name, (code, *_) in heard.items() if code} == {}
    silent = {name for name, (_, said, _) in heard.items() if CLASSES[name].said not in str(said)}
    assert not silent, [heard[name] for name in silent]

    metrics = {name: json.loads(case.read("metrics.json")) for name, case in cases.items()}
    assert set(metrics["missing words are classes"]["data"]["rows_per_class"]) == {"Mild", "None"}
    assert set(metrics["spaces"]["data"]["rows_per_class"]) == {"a", "b"}
    assert metrics["likert answers"]["data"]["rows_read"] == 300
    assert "balanced_accuracy" in metrics["unbalanced"]
    assert metrics["no answer in some rows"]["data"]["rows_without_target"] == 10
    assert metrics["missing by a word"]["data"]["missing_cells"] == 7
    assert metrics["spaces for nothing"]["data"]["missing_cells"] == 4 * 9
    assert metrics["no header"]["data"]["rows_read"] == 60
    assert set(metrics["dates as classes"]["data"]["rows_per_class"]) == {"1/2/2020", "2/2/2020"}
    for name, columns in KINDS.items():
        assert json.loads(cases[name].read("models/model.json"))["columns"] == columns, name
    for name, words in NOT_SAID.items():
        assert words not in heard[name][1], name
    # What a model learned from it takes as well.
    used = {name: cases[name] for name in ("spaces for nothing", "dates beside thousands")}
    for name, case in used.items():
        source = case.path / "data" / "source" / "own.csv"
        odd = "01.01.23;90.5;a\n" if name == "dates beside thousands" else ""
        (case.path / "new.csv").write_text(
            source.read_text(encoding="utf-8") + odd, encoding="utf-8"
        )
        (case.path / "arguments").write_text("new.csv", encoding="utf-8")
    (code, _, printed), (refusal, *_) = run_stages(project, used, "predict").values()
    assert code is None
    assert len(printed.splitlines()) == 61
    said = "new.csv: column 'x' has 90.5, where prepare.read.thousands is '.': write it without."
    assert refusal == said


def dated(day: Callable[[int], str], count: int = 365) -> str:
    """Return a CSV of so many rows, one a day, in the order of time."""
    return lines("when,x,y", lambda n: f"{day(n)},{n},{word(n)}", count)


def day_of(form: str) -> Callable[[int], str]:
    """Return what writes a day of 2023, by its number, in some form."""
    return lambda n: (pd.Timestamp("2023-01-01") + pd.Timedelta(days=n)).strftime(form)


TIMES: dict[str, tuple[str, dict[str, Any]]] = {
    "ISO": (dated(day_of("%Y-%m-%d")), {}),
    "ISO, another column with the day first": (dated(day_of("%Y-%m-%d")), {"dayfirst": True}),
    "Europe": (dated(day_of("%d.%m.%Y")), {}),
    "Europe, as given": (dated(day_of("%d/%m/%Y")), {"dayfirst": True}),
    "America": (dated(day_of("%m/%d/%Y %H:%M:%S")), {}),
    "a weekday before": (dated(day_of("%a %d/%m/%Y")), {}),
    "a time before": (dated(day_of("%H:%M %d.%m.%Y")), {}),
    "a time before ISO": (dated(day_of("%H:%M %Y-%m-%d")), {}),
    "names of months": (dated(day_of("%d-%b-%y")), {}),
    "digits of a form that is given": (
        dated(day_of("%d%m%Y")),
        {"parse_dates": ["when"], "date_format": "%d%m%Y"},
    ),
    "a form that is given": (
        dated(lambda n: f"{n // 20 % 12 + 1:02}.{2022 + n // 240}"),
        {"parse_dates": ["when"], "date_format": "%m.%Y"},
    ),
    "two years": (dated(lambda n: str(2022 + (n > 180))), {}),
    "one large day": (dated(lambda n: str(2000 + min(n // 5, 20))), {}),
}
DIGITS: dict[str, tuple[str, dict[str, Any]]] = {  # they do not sort as the days that they are
    "months": (dated(lambda n: f"{n // 20 % 12 + 1:02}.{2022 + n // 240}"), {}),
    "days": (dated(day_of("%d%m%Y")), {}),
}
NO_TIMES: dict[str, tuple[str, dict[str, Any]]] = {
    "time of day": (dated(lambda n: f"{n % 24:02}:00"), {}),
    "months": (dated(day_of("%b")), {}),
    "two orders": (dated(lambda n: "13/02/2020" if n % 2 else "02/13/2020"), {}),
    "the other order": (dated(day_of("%d.%m.%Y")), {"dayfirst": False}),
    "weeks": (dated(day_of("%G-W%V")), {}),
}


def test_the_latest_rows_are_the_test(render: Render) -> None:
    """However the time is written; a time that is none is refused, with rows."""
    project = render()
    written = TIMES | NO_TIMES | {f"digits: {name}": case for name, case in DIGITS.items()}
    cases = copies(project, written)
    for name, case in cases.items():
        content, read = written[name]
        give(case, content)
        set_params(case, prepare={"target": "y", "time": "when", "read": read})
    heard = run_stages(project, cases, "prepare_data")
    for name, case in cases.items():
        if name.startswith("digits: "):
            assert "column 'when' seems to have dates such as " in str(heard[name][0]), name
            continue
        if name in NO_TIMES:
            assert "column 'when' is no date in " in str(heard[name][0]), name
            continue
        assert heard[name][0] is None, name
        train, test = (
            set(pd.read_parquet(case.path / "data" / "raw" / f"{side}.parquet")["x"])
            for side in SIDES
        )
        assert len(train) + len(test) == 365
        assert max(train) < min(test), name


WRITE = """\
import pandas
table = pandas.read_csv('{0}/own.csv')
table['x'] = table['x'].astype(str)  # numbers as text, as people paste them
with pandas.ExcelWriter('{0}/own.xlsx') as writer:
    table.to_excel(writer, sheet_name='data', index=False)
    table.to_excel(writer, sheet_name='notes', index=False)
"""


def test_every_format_gives_the_same_table(render: Render) -> None:
    """One table in each format is the same table: the same rows on the same sides."""
    project = render()
    table = pd.DataFrame({"x": [n / 2 for n in range(60)], "z": [f"u{n % 5}" for n in range(60)]})
    table["sure"] = [[True, False, None][n % 3] for n in range(60)]
    table["y"] = [word(n) for n in range(60)]
    parquet, indexed = io.BytesIO(), io.BytesIO()
    table.to_parquet(parquet)
    table.set_index("x").to_parquet(indexed)
    csv = table.to_csv(index=False).encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("own.csv", csv)
    formats: dict[str, dict[str, bytes]] = {
        "csv": {"own.csv": csv, ".hidden.csv": b"a,b"},
        "tabs": {"own.tsv": table.to_csv(index=False, sep="\t").encode()},
        "decimal commas": {"own.csv": table.to_csv(index=False, sep=";", decimal=",").encode()},
        "gzip": {"own.csv.gz": gzip.compress(csv)},
        "zip": {"own.csv.zip": archive.getvalue()},
        "parquet": {"own.parquet": parquet.getvalue()},
        "an index": {"own.parquet": indexed.getvalue()},
        "weekly": {f"{n}.csv": table[n : n + 20].to_csv(index=False).encode() for n in (0, 20, 40)},
        "excel": {},
        "other files of Spark": {"part-0.parquet": parquet.getvalue(), "_SUCCESS": b""},
        "a sheet that is open": {"own.csv": csv, "~$own.xlsx": b"somebody"},
        # A column of numbers in one file and of text in the other is text in both.
        "other kinds": {"1.csv": b"x,z,y\n1,01,a\n2,,b\n3,3,a\n", "2.csv": b"x,z,y\n4,u,b\n"},
    }
    cases = copies(project, formats)
    for name, case in cases.items():
        for file_name, content in formats[name].items():
            give(case, content, file_name)
        set_params(case, prepare={"target": "y"})
    path = cases["excel"].path / "data" / "source"
    shutil.copytree(cases["csv"].path / "data" / "source", path)
    code = f"{WRITE.format(path)}\nimport os; os.remove('{path}/own.csv')\n{DRIVER}"
    codes = f"""
import datetime
import pandas
pandas.DataFrame({{"zip": ["01067", "1067"], "n": ["3.5", "4"], "t": [datetime.time(9), None]}}).to_excel("{project.path}/codes.xlsx")
from pathlib import Path
from tabular.files import read_chunks
table = next(read_chunks(Path("{project.path}/codes.xlsx"), {{}}))
print(table["zip"].tolist(), table["n"].tolist())
"""
    printed = project.run("--with", "openpyxl", "python", "-c", codes, env={"PYTHONPATH": "src"})
    assert printed.stdout == "['01067', '1067'] [3.5, 4.0]\n"
    excel = project.run("--with", "openpyxl", "python", "-c", code, "prepare_data", path.parents[1])
    assert excel.stdout.startswith("[[null, \"note: own.xlsx: sheet 'data' is read")
    heard = run_stages(project, cases, "prepare_data")
    assert "own.xlsx: to read Excel files, uv add openpyxl" in str(heard.pop("excel")[0])
    assert not [code for code, *_ in heard.values() if code]

    raw = {
        name: [pd.read_parquet(case.path / "data" / "raw" / f"{side}.parquet") for side in SIDES]
        for name, case in cases.items()
    }
    assert set(pd.concat(raw.pop("other kinds"))["z"].dropna()) == {"01", "3", "u"}
    for name, sides in raw.items():
        for found, expected in zip(sides, raw["csv"], strict=True):
            pd.testing.assert_frame_equal(found[list(expected)], expected, obj=name)


@pytest.mark.parametrize("task", TASKS)
def test_public_tables_train_at_the_first_go(render: Render, task: str) -> None:
    """With nothing edited but the target; benchmarks/scores.py takes all tables."""
    all_tables = tables.CLASSIFICATION if task == "classification" else tables.REGRESSION
    targets = dict([*all_tables.items()][::2])
    project = render(task=task)
    cases = copies(project, targets)
    for name, case in cases.items():
        tables.write(name, case.path / "data" / "source")
        set_params(case, prepare={"target": targets[name]})
    refused = {name: code for name, (code, *_) in run_stages(project, cases).items() if code}
    assert len(refused) <= len(cases) / 20, refused


def test_new_rows_do_not_move_old_ones(render: Render) -> None:
    """Of the test rows at least 98 of 100 stay when the table grows by one in a hundred.

    Also where the new rows have words for ids that were numbers, or the first cell of a column.
    """
    project = render()
    table = tables.read("carData TitanicSurvival").drop(columns="").reset_index(names="number")
    few = len(table) * 99 // 100
    named = table.astype({"number": object})
    named.loc[few:, "number"] = "B" + named.loc[few:, "number"].astype("str")
    noted = table.assign(note=["" if n < few else "new" for n in range(len(table))])
    cases = copies(project, ["rows", "rows more", "ids", "ids more", "notes", "notes more"])
    for (name, case), whole in zip(
        cases.items(), [table] * 2 + [named] * 2 + [noted] * 2, strict=True
    ):
        give(case, whole.iloc[: None if "more" in name else few].to_csv(index=False))
        key = {"id": "number"} if "ids" in name else {"drop": ["number"]}
        set_params(case, prepare={"target": "survived"} | key)
    run_stages(project, cases, "prepare_data")
    tested = {
        name: set(pd.read_parquet(case.path / "data" / "raw" / "test.parquet").index)
        for name, case in cases.items()
    }
    for name in ("rows", "ids", "notes"):
        kept = tested[name] & tested[f"{name} more"]
        assert len(kept) / len(tested[name]) >= 0.98, name


ONE_BY_ONE = """
import sys
sys.path.insert(0, "src")
import numpy as np
import pandas as pd
from tabular.schema import infer_rule
from tabular.split import hash_cells, hash_names
days = pd.to_datetime(["2024-01-05", None, "2024-01-06 10:30", "9999-12-31"], format="ISO8601")
columns = {
    "floats": pd.Series([1.0, 12.0, 2.5, 1e20, 3e300]),
    "days": pd.Series(days),
    "texts": pd.Series(["12", "B7", None]),
    "truths": pd.Series([True, False]),
}
for name, column in columns.items():
    for digest in (hash_names, hash_cells):
        alone = [digest(column[place : place + 1])[0] for place in range(len(column))]
        assert alone == digest(column).tolist(), (name, digest)
texts, whole, floats = (hash_names(pd.Series(cells))[0] for cells in (["12"], [12], [12.0]))
assert texts == whole == floats
assert "range" not in infer_rule(pd.Series([1.0, np.inf]), False, 2)
"""


def test_the_hash_of_a_cell_is_that_of_the_cell_alone(render: Render) -> None:
    """In a part of a table, and whatever comes later."""
    render().run("python", "-c", ONE_BY_ONE)


FREQUENT: dict[str, Callable[[int], str]] = {  # by a number from 0 to 999 that looks like chance
    "below a limit": lambda n: f"{'<0.5' if n < 550 else n // 50},{'ill' if n > 800 else 'ok'}",
    "symptoms": lambda n: (
        f"{n % 7 == 0} {n % 9 == 0},{'ill' if n % 7 == 0 or n % 41 == 0 else 'ok'}"
    ),
    "a class alike": lambda n: f"{max(n - 700, 0) // 9},{'ill' if n >= 709 else 'ok'}",
    "zeros": lambda n: f"{max(n - 500, 0)},{'ab'[n % 2]}",
}


def test_what_is_frequent_is_on_both_sides(render: Render) -> None:
    """More than half of the rows may have the same features, and a fold is still like the data."""
    project = render(task="classification")
    cases = copies(project, FREQUENT)
    for name, case in cases.items():
        give(case, "\n".join(["x,y", *(FREQUENT[name](n * 377 % 1000) for n in range(1000)), ""]))
        set_params(case, prepare={"target": "y"})
    heard = run_stages(project, cases)
    assert not [code for code, *_ in heard.values() if code]
    for name, case in cases.items():
        metrics = json.loads(case.read("metrics.json"))
        assert 180 < metrics["data"]["test_rows"] < 220, name
        if name != "zeros":  # where nothing can be learned
            assert min(*metrics["cv"]["scores"], metrics["accuracy"]) > 0.6, (name, metrics)
    train, test = (
        pd.read_parquet(cases["zeros"].path / "data" / "raw" / f"{side}.parquet") for side in SIDES
    )
    assert 0.4 < (train["x"] == 0).mean() < 0.6
    assert 0.4 < (test["x"] == 0).mean() < 0.6


@pytest.mark.parametrize("compute", CHOICES["compute"])
def test_what_was_copied_is_on_one_side(render: Render, compute: str) -> None:
    """Rare rows that somebody copied thirty times would be known before the test."""
    project = render(task="classification", compute=compute)
    for file in range(4):
        rare = "".join(f"{-n},{n},b\n" * 30 for n in range(5 * file + 1, 5 * file + 6))
        rows = lines("x,z,y", lambda n: f"{n},{n * 7 % 11},a", 600).splitlines(keepends=True)
        own = "".join(rows[1 + 150 * file : 151 + 150 * file])
        give(project, rows[0] + own + rare, f"{file}.csv")
    set_params(project, prepare={"target": "y"})
    assert run_stages(project, {"": project}, "prepare_data")[""][0] is None
    train, test = (
        pd.read_parquet(project.path / "data" / "raw" / f"{side}.parquet") for side in SIDES
    )
    assert set(train["x"]).isdisjoint(test["x"])
    assert 30 <= (test["y"] == "b").sum() <= 210
    again = project.path.parent / "again"
    shutil.copytree(project.path, again, ignore=shutil.ignore_patterns("source", "raw"))
    alike = BakedProject(again, project.environment)
    give(alike, "x,y\n" + "".join(f"{max(n - 700, 0) // 9},{n // 709}\n" for n in range(1000)))
    heard = run_stages(alike, {"": alike}, "prepare_data")[""]
    assert heard[0] is None, heard  # a class of one kind of row, which are many
    sides = [pd.read_parquet(again / "data" / "raw" / f"{side}.parquet") for side in SIDES]
    assert all(set(side["y"]) == {0, 1} for side in sides)


LONG = "a category of many words and   of more blanks   than one " * 3 + "m"


def test_schema_finds_what_changed(render: Render) -> None:
    """The four changes of which pandera's inferred schema misses three, and a whole number."""
    project = render()
    good = lines("age,sex,y", lambda n: f"{20 + n},{[LONG, 'f'][n % 2]},{word(n)}")
    give(project, good)
    set_params(project, prepare={"target": "y"})
    done = project.run("python", "src/prepare_data.py", "--write-schema")
    assert done.stdout.startswith("Wrote data/schema.yaml")
    assert "    - data/schema.yaml\n" in project.read("dvc.yaml")
    project.run("python", "src/prepare_data.py")
    (keyed,) = copies(project, ["an id"]).values()
    set_params(keyed, prepare={"id": "age"})
    keyed.run("python", "src/prepare_data.py", "--write-schema")
    assert (
        "  age:\n    type: integer\n    required: true\n    missing: false\n  sex:"
        in keyed.read("data/schema.yaml")
    )
    changes = {
        "category": (
            good.replace("25,f", "25,x"),
            "'sex' is none of the categories in row 7, such as x",
        ),
        "gone": (good.replace("age,sex,y", "age,kind,y"), "column 'sex' is not there"),
        "come": (good.replace("age,sex,y", "age,kind,y"), "column 'kind' is not in data/schema"),
        "text": (good.replace("25,f", "old,f"), "column 'age' is no integer in row 7, such as old"),
        "empty": (good.replace("25,f", ",f"), "column 'age' is empty in row 7"),
        "fraction": (
            good.replace("25,f", "25.5,f"),
            "column 'age' is no integer in row 7, such as 25.5",
        ),
        "kind": (
            lines("age,sex,y", lambda n: f"{20 + n},{n % 2},{word(n)}"),
            "is number, not text",
        ),
        "far": (good.replace("25,f", "500,f"), "'age' is not from 0 to 138 in row 7, such as 500"),
        "long": (good.replace("25,f", f"25,{LONG}x"), f"in row 7, such as {LONG}x: correct it"),
    }
    cases = copies(project, changes, start=1)
    for name, case in cases.items():
        give(case, changes[name][0])
    bad_rules = {
        "no rules": ("", "data/schema.yaml: Input should be a valid dictionary"),
        "no YAML": ("a: [", "data/schema.yaml: while parsing"),
        "no rule": ("columns: {age: 3}", "data/schema.yaml.columns.age: Input should be"),
        "misspelt": ("columns: {age: {type: text, mising: true}}", "age.mising: it is unknown"),
        "no type": ("columns: {age: {type: whole}}", "age.type: Input should be 'number',"),
        "no range": ("columns: {age: {type: number, range: [1]}}", "age.range.1: Field required"),
        "turned": ("columns: {age: {type: number, range: [9, 1]}}", "the least before the most"),
        "of text": ("columns: {sex: {type: text, range: [1, 2]}}", "a range is for numbers"),
    }
    for name, case in copies(project, bad_rules, start=len(cases) + 1).items():
        (case.path / "data" / "schema.yaml").write_text(bad_rules[name][0], encoding="utf-8")
        changes[name], cases[name] = bad_rules[name], case
    heard = run_stages(project, cases, "prepare_data")
    assert not {n: code for n, (code, *_) in heard.items() if changes[n][1] not in str(code)}


def test_model_is_used(render: Render) -> None:
    """By names of columns, from any format, with an error for text among numbers."""
    project = render()
    table = tables.read("palmerpenguins penguins").drop(columns="")
    give(project, table.to_csv(index=False))
    set_params(project, prepare={"target": "species"}, train={"folds": 2})
    assert run_stages(project, {"": project}, "prepare_data,train")[""][0] is None
    new = table.drop(columns="species").iloc[:, ::-1].assign(note="new")
    new.to_csv(project.path / "new.csv", index=False)
    new.to_parquet(project.path / "new.parquet")
    new.head(0).to_csv(project.path / "empty.csv", index=False)
    new.assign(note="größer").to_csv(project.path / "legacy.csv", index=False, encoding="cp1252")
    bad = new.drop(columns="sex").astype({"year": object})
    bad.loc[3, "year"] = "last"
    bad.to_csv(project.path / "bad.csv", index=False)
    shutil.copy(project.path / "models" / "model.joblib", project.path / "fetched")
    joblib.dump(SVC(), project.path / "arrays")
    arguments = {
        "by name": "new.csv -o found.csv",
        "fetched": "new.parquet --model fetched",  # by `dvc artifacts get`, say
        "known": "--info",
        "bad": "bad.csv -o none.csv",
        "empty": "empty.csv",
        "legacy": "legacy.csv",
        "no folder": "new.csv -o nowhere/found.csv",
        "a folder": "new.csv -o data",
        "no file": "none.csv",
        "no model": "new.csv --model README.md",
        "arrays": "new.csv --model arrays",
    }
    cases = copies(project, arguments)
    for name, case in cases.items():
        (case.path / "arguments").write_text(arguments[name], encoding="utf-8")
    heard = run_stages(project, cases, "predict")
    assert "takes no notice of note" in heard["by name"][1]
    found = pd.read_csv(cases["by name"].path / "found.csv")
    assert (found["prediction"] == table["species"].to_numpy()).mean() > 0.97
    assert list(found)[1:] == [f"probability_{name}" for name in sorted(set(table["species"]))]
    assert heard["fetched"][2] == cases["by name"].read("found.csv")
    known = json.loads(project.read("models/model.json"))
    assert json.loads(heard["known"][2]) == known | {"commit": None}
    assert known["classes"] == sorted(set(table["species"]))

    assert "- there is no column 'sex'." in str(heard["bad"][0])
    assert "- column 'year' is no number in row 5, such as 'last'." in str(heard["bad"][0])
    assert not (cases["bad"].path / "none.csv").exists()
    remedy = "set prepare.read.encoding to cp1252 and train again, or change this file."
    assert str(heard["legacy"][0]).endswith(remedy)
    assert heard["empty"][0] == "empty.csv: it has no rows."
    assert heard["no folder"][0] == "nowhere/found.csv: there is no such folder."
    assert heard["a folder"][0] == "data: it is a folder; name a file in it."
    assert heard["no file"][0] == "none.csv: there is no such file."
    assert str(heard["no model"][0]).startswith("README.md: it is no model, or only a part of one")
    assert str(heard["arrays"][0]).endswith("does not know the columns' names: train again.")

    # As the README says it, and what the table looks like, in the browser.
    readme = project.read("README.md")
    code = readme[readme.index("## Use the model") :].split("```python\n")[1].split("```")[0]
    assert "probability_Adelie" in project.run("python", "-c", code).stdout
    project.run("python", "src/look.py", env={"BROWSER": "true"})
    assert "Adelie" in project.read("look.html")
    run("git", "init", cwd=project.path)
    assert "look.html" not in project.git("status", "--porcelain", "--untracked-files=all")


def test_a_single_row_is_read_as_the_table_was(render: Render) -> None:
    """Where its few cells do not tell the decimal mark, or say something else."""
    project = render(task="classification")
    rows = lines(
        "id;size;v;z;y",
        lambda n: f"{n},50;{['2,50', 'viel'][n % 2]};1.{n % 3};{n % 9},8;{'ab'[n % 2]}",
        120,
    )
    give(project, rows)
    set_params(project, prepare={"target": "y", "id": "id"}, train={"folds": 2})
    assert run_stages(project, {"": project})[""][0] is None
    new = {"whole": "1,50;2,50;1.1;7", "tie": "1,50;2,50;1.1;5,8", "word": "1,50;viel;1.0;5,8"}
    cases = copies(project, new)
    for name, case in cases.items():
        text = f"id;size;v;z\n{new[name]}\n"
        (case.path / "new.csv").write_text(text, encoding="utf-8")
        (case.path / "arguments").write_text("new.csv", encoding="utf-8")
    heard = run_stages(project, cases, "predict")
    found = {name: printed.splitlines()[-1][:6] for name, (_, _, printed) in heard.items()}
    assert found == {"whole": '"1,50"', "tie": '"1,50"', "word": '"1,50"'}
    classes = {name: printed.split('",')[-1][0] for name, (_, _, printed) in heard.items()}
    assert classes == {"whole": "a", "tie": "a", "word": "b"}


def test_a_date_is_that_of_the_clock_that_wrote_it(render: Render) -> None:
    """With points the day is first, where no other date says more, and a time zone moves no day."""
    project = render(task="classification")
    days = day_of("%Y-%m-%d")  # the first one is a Sunday
    give(
        project, lines("day,y", lambda n: f"{days(n)},{'rest' if n % 7 in (0, 6) else 'work'}", 350)
    )
    set_params(project, prepare={"target": "y"}, train={"folds": 2})
    assert run_stages(project, {"": project})[""][0] is None
    saturday = {
        "points": "06.07.2024",
        "zone": "2024-07-06T00:00:00+02:00",
        "another zone": "2024-07-06 23:30:00-0700",
        "UTC": "2024-07-06T12:00:00.000Z",
        "by name": '"Jul 6, 2024"',
        "a point in the time": "7/6/2024 10:00:00.5",
    }
    cases = copies(project, saturday)
    for name, case in cases.items():
        (case.path / "new.csv").write_text(f"day\n{saturday[name]}\n", encoding="utf-8")
        (case.path / "arguments").write_text("new.csv", encoding="utf-8")
    heard = run_stages(project, cases, "predict")
    assert {
        name: text.splitlines()[-1][:4] for name, (_, _, text) in heard.items()
    } == dict.fromkeys(saturday, "rest")
    assert "such as 06.07.2024, read with the day first" in heard["points"][1]


def test_cells_are_predicted_as_they_were_learned(render: Render) -> None:
    """Codes are texts and dates are dates, however a new file writes them, or it is refused."""
    project = render(task="classification")
    days = day_of("%d.%m.%Y")
    rows = lines(
        "id,code,day,seen,y", lambda n: f"{n:03},0{n % 9},{days(n)},{n:06},{'ab'[n % 9 > 4]}", 300
    )
    give(project, rows)
    read = {"dtype": {"code": "str"}, "parse_dates": ["seen"], "date_format": "%H%M%S"}
    prepare = {"target": "y", "id": "id", "drop": ["seen"], "read": read}
    set_params(project, prepare=prepare, train={"folds": 2})
    assert run_stages(project, {"": project})[""][0] is None
    assert json.loads(project.read("metrics.json"))["accuracy"] > 0.95  # 05 is no number
    new = {
        "as learned": "id,code,day\n007,01,03.02.2023\n,08,03.02.2023\n",
        "ISO": "id,code,day\n007,01,2023-02-03\n,08,2023-02-03\n",
        "with a time": "id,code,day\n007,01,2023-02-03 00:00:00\n,08,03.02.2023 00:00\n",
        "the month first": "id,code,day\n007,01,02/13/2023\n",
        "no date": "id,code,day\n007,01,yesterday\n",
    }
    cases = copies(project, new)
    for name, case in cases.items():
        (case.path / "new.csv").write_text(new[name], encoding="utf-8")
        (case.path / "arguments").write_text("new.csv", encoding="utf-8")
    heard = run_stages(project, cases, "predict")
    found = heard["as learned"][2]
    assert [line.split(",")[:2] for line in found.splitlines()[1:]] == [["007", "a"], ["", "b"]]
    assert heard["ISO"][2] == heard["with a time"][2] == found
    assert "'day' is no date (the day first) in row 2, such as '02/13/2023'" in str(
        heard["the month first"][0]
    )
    assert "'day' is no date (the day first) in row 2, such as 'yesterday'" in str(
        heard["no date"][0]
    )


@pytest.mark.parametrize("text", ["string", "target"])
def test_an_unknown_category_is_one_of_many(render: Render, text: str) -> None:
    """Words of which few say something: what is left must not be blown up by scaling."""
    project = render(task="regression")
    pairs = [f"{a}{b} {c}{d}" for a in "pqr" for b in "123456" for c in "xyz" for d in "789"]
    rows = lines("x,pair,y", lambda n: f"{n % 9},{pairs[n % 162]},{n % 9 * 100 + n % 7}", 600)
    give(project, rows)
    set_params(project, prepare={"target": "y"}, train={"folds": 2, "text": text})
    (project.path / "new.csv").write_text("x,pair\n4,p1 y7\n4,p1 y1\n4,new\n4,\n")
    (project.path / "arguments").write_text("new.csv", encoding="utf-8")
    code, _, printed = run_stages(project, {"": project}, f"{STAGES},predict")[""]
    assert code is None
    found = [float(line) for line in printed.splitlines()[-4:]]
    assert found == pytest.approx([403] * 4, abs=60)


def test_parquet_keeps_what_it_holds(render: Render) -> None:
    """Ids that float64 would mix up, and what `na_values` calls missing."""
    project = render(task="classification")
    table = pd.DataFrame({"x": [-9.0 if n % 9 == 1 else n for n in range(60)]})
    table["y"] = [word(n) for n in range(60)]
    ids = [10**18 + n for n in range(60)]
    kinds = {"decimal": list(map(Decimal, ids)), "nullable": pd.array(ids, dtype="Int64")}
    cases = copies(project, kinds)
    for name, case in cases.items():
        parquet = io.BytesIO()
        table.assign(id=kinds[name]).to_parquet(parquet)
        give(case, parquet.getvalue(), "own.parquet")
        set_params(case, prepare={"target": "y", "id": "id", "read": {"na_values": ["-9"]}})
    assert not [code for code, *_ in run_stages(project, cases, "prepare_data").values() if code]
    for case in cases.values():
        keys = pd.read_parquet(case.path / "data" / "raw" / "train.parquet").index
        assert keys.is_unique
        assert json.loads(case.read("data/raw/rows.json"))["missing_cells"] == 7


def test_patterns_that_grow_keep_their_side(render: Render) -> None:
    """The eleventh row of the same features, with other targets, moves itself only."""
    project = render(task="classification")
    cases = copies(project, ["10", "11"])
    for name, case in cases.items():
        rows = [f"{x},{n},{'ab'[n % 2]}" for x in range(90) for n in range(int(name))]
        give(case, "\n".join(["x,n,y", *rows, ""]))
        set_params(case, prepare={"target": "y", "drop": ["n"]})
    run_stages(project, cases, "prepare_data")
    less, more = (
        pd.read_parquet(case.path / "data" / "raw" / "test.parquet") for case in cases.values()
    )
    counts = more["x"].value_counts()
    assert (counts.reindex(less["x"].unique(), fill_value=0) >= 10).mean() > 0.9


def test_numbers_of_any_kind_are_learned(render: Render) -> None:
    """Durations, numbers as text, no header; lists and bytes are left out, and infinity refused."""
    project = render(task="regression")
    table = pd.DataFrame({"x": pd.to_timedelta(range(80), unit="h")})
    table["y"] = [str(2.5 * number) for number in range(80)]
    table["image"], table["tags"] = b"\x89PNG", [["a", "b"]] * 80
    parquet = io.BytesIO()
    table.to_parquet(parquet)
    headless = lines("", lambda n: f"{2.5 * n},{n % 7},{n}").removeprefix("\n")
    contents: dict[str, str | bytes] = {"own.parquet": parquet.getvalue(), "own.csv": headless}
    cases = copies(project, contents)
    for name, case in cases.items():
        give(case, contents[name], name)
        read = {"names": ["y", "p", "q"]} if name == "own.csv" else {}
        set_params(case, prepare={"target": "y", "read": read}, train={"folds": 2})
        (case.path / "arguments").write_text("new.csv", encoding="utf-8")
    (cases["own.csv"].path / "new.csv").write_text("3,20\n3,inf\n", encoding="utf-8")
    pd.DataFrame({"x": [3600.0 * 100]}).to_csv(cases["own.parquet"].path / "new.csv", index=False)
    heard = run_stages(project, cases, f"{STAGES},predict")
    assert heard["own.csv"][0] == "new.csv: column 'q' is no number in row 2, such as 'inf'."
    assert "new.csv has 2 columns: they are taken for p, q." in heard["own.csv"][1]
    twice = """
import joblib, pandas
model = joblib.load("models/model.joblib")
table = pandas.DataFrame({"p": [1.0, 2.0], "q": [3.0, 5.0]})
print(*model.predict(table), *model.predict(table))
"""
    first, second, *again = cases["own.csv"].run("python", "-c", twice).stdout.split()
    assert again == [first, second]
    code, notes, printed = heard["own.parquet"]
    assert code is None
    assert "image, tags left out" in notes
    assert float(printed.splitlines()[-1]) == pytest.approx(250, rel=0.05)
    set_params(project, train={"ridge": {"table__others__cardinality_threshold": 9}})
    project.run("python", "src/prepare_data.py")
    refused = project.run("python", "train.py", check=False)
    assert refused.returncode == 1
    assert "has no effect: the table holds numbers only" in refused.stderr


OWN_MODELS = """\
    "svc": SVC(),
    "linear_svc": LinearSVC(),
    "ridge": linear_model.RidgeClassifier(),
    "bayes": GaussianNB(),
    "lightgbm": LGBMClassifier(verbose=-1),
    "xgboost": XGBClassifier(n_estimators=20),
    "scaled_xgboost": make_pipeline(StandardScaler(), XGBClassifier(n_estimators=20)),
    "selected": make_pipeline(SelectKBest(), linear_model.LogisticRegression()),
    "ours": Ours(),
    "logged": make_pipeline(FunctionTransformer(magnitude), linear_model.LogisticRegression()),
"""
OWN_CODE = """\
from lightgbm import LGBMClassifier
from sklearn.dummy import DummyClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC, LinearSVC
from xgboost import XGBClassifier

class Ours(DummyClassifier):
    pass

def magnitude(X):
    return abs(X)

"""
OWN_PACKAGES = ("--with", "lightgbm", "--with", "xgboost-cpu")


def test_own_models_are_trained_measured_and_used(render: Render) -> None:
    """With text to predict, scores where there are no probabilities, and settings of steps."""
    project = render(task="classification")
    path = project.path / "src" / "models.py"
    code = project.read("src/models.py").replace(
        "from tabular.settings import", OWN_CODE + "from tabular.settings import"
    )
    path.write_text(code.replace("MODELS = {\n", "MODELS = {\n" + OWN_MODELS), encoding="utf-8")
    give(project, tables.read("palmerpenguins penguins").drop(columns="").to_csv(index=False))
    set_params(project, prepare={"target": "species"})
    names = [line.split('"')[1] for line in OWN_MODELS.splitlines()]
    cases = copies(project, names)
    for name, case in cases.items():
        own = {"model": name, "folds": 2, "selected": {"selectkbest__k": 1, "C": 2.0}}
        set_params(case, train=own, evaluate={"importance_columns": 2})
        (case.path / "arguments").write_text("data/source/own.csv", encoding="utf-8")
    heard = run_stages(project, cases, f"{STAGES},predict", OWN_PACKAGES)
    assert not [code for code, *_ in heard.values() if code]
    assert all("\nAdelie" in printed for _, _, printed in heard.values())
    assert "importance is that of the first 2 of 7 columns" in heard["svc"][1]
    metrics = {name: json.loads(case.read("metrics.json")) for name, case in cases.items()}
    assert all("roc_auc" in found for found in metrics.values())
    has_probabilities = {name for name, found in metrics.items() if "log_loss" in found}
    assert has_probabilities == {
        "bayes", "lightgbm", "xgboost", "scaled_xgboost", "selected", "ours", "logged"
    }  # fmt: skip
    assert min(metrics[name]["accuracy"] for name in ("svc", "lightgbm", "xgboost")) > 0.9
    assert metrics["selected"]["accuracy"] < 0.9  # by one column


def test_a_class_that_nobody_can_load_is_refused_before_training(render: Render) -> None:
    project = render(task="regression")
    own = "class Ours(MODELS['ridge'].__class__):\n    pass\n\n\nMODELS['ridge'] = Ours()\n\n\n"
    code = project.read("train.py").replace("def main", own + "def main", 1)
    (project.path / "train.py").write_text(code, encoding="utf-8")
    project.run("python", "src/prepare_data.py")
    done = project.run("python", "train.py", check=False)
    assert done.returncode == 1
    assert "move the model's own classes and functions to src/models.py" in done.stderr
    unnamed = "from sklearn.preprocessing import FunctionTransformer\nMODELS['ridge'] = "
    unnamed += "make_pipeline(FunctionTransformer(lambda x: x), MODELS['ridge'])\n\n\n"
    imports = "from sklearn.pipeline import Pipeline, make_pipeline"
    code = project.read("src/models.py").replace("from sklearn.pipeline import Pipeline", imports)
    code = code.replace("def build_model", unnamed + "def build_model", 1)
    (project.path / "src" / "models.py").write_text(code, encoding="utf-8")
    text = project.read("train.py").replace(own, "")
    (project.path / "train.py").write_text(text, encoding="utf-8")
    done = project.run("python", "train.py", check=False)
    assert done.returncode == 1
    assert "functions need a name and a place in src/models.py (no lambda)" in done.stderr
    code = code.replace(unnamed, "MODELS['ridge'] = object()\n\n\n")
    (project.path / "src" / "models.py").write_text(code, encoding="utf-8")
    done = project.run("python", "train.py", check=False)
    assert (
        done.stderr
        == "src/models.py: ridge needs base.BaseEstimator among the bases of its class.\n"
    )
    set_params(project, train={"model": "knn", "knn": 5})
    done = project.run("python", "train.py", check=False)
    assert done.stderr == "params.yaml: train.knn: it must be a block of settings, not 5.\n"
