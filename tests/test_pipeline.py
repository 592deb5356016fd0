"""The pipeline trains on real data, repeatably, and refuses bad data in one sentence."""

import gzip
import json
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pytest
import tables
import yaml
from conftest import TEMPLATE, BakedProject

TASKS = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))["task"]
PROJECT = TEMPLATE / "{{cookiecutter.project_slug}}"
TEXT = (PROJECT / "params.yaml").read_text(encoding="utf-8")
PARAMS = {
    task: yaml.safe_load(jinja2.Template(TEXT).render(cookiecutter={"task": task}))
    for task in TASKS
}
MODELS = {
    task: [name for name, value in PARAMS[task]["train"].items() if isinstance(value, dict)]
    for task in TASKS
}
METRICS = {
    "classification": ["accuracy", "f1_macro", "roc_auc", "log_loss"],
    "regression": ["r2", "rmse", "mae"],
}
RAW = ["rows.json", "test.parquet", "train.parquet"]

# Fifty rows: a number for the row in the file, one that says little, and what is to be predicted.
ROWS = [f"{row},{row * row % 7},{'yes' if row > 26 else 'no'},{row / 2}" for row in range(2, 52)]
HEADER = "size,noise,bought,price"
TARGET = {"classification": "bought", "regression": "price"}
ALL_TARGETS = tables.CLASSIFICATION | tables.REGRESSION
OWN = {"classification": "dplyr storms", "regression": "ggplot2 mpg"}  # many different texts
ONE_CORE = {"OMP_NUM_THREADS": "1"}
TWO_CORES = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
Render = Callable[..., BakedProject]


def table(task: str, rows: list[str] = ROWS) -> str:
    """Return the CSV of a task: the features and its own target."""
    unwanted = 3 if task == "classification" else 2
    lines = [line.split(",") for line in [HEADER, *rows]]
    return "".join(",".join(line[:unwanted] + line[unwanted + 1 :]) + "\n" for line in lines)


def set_params(project: BakedProject, **blocks: dict[str, Any]) -> None:
    """Change keys of params.yaml; `...` in place of a value removes the key."""
    path = project.path / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    for block, values in blocks.items():
        params[block] |= values
        for key in [key for key, value in params[block].items() if value is ...]:
            del params[block][key]
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def give(project: BakedProject, content: str | bytes, name: str = "own.csv") -> None:
    """Put a file of one's own into data/source."""
    path = project.path / "data" / "source" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def refusal(project: BakedProject, script: str) -> str:
    """Return the one sentence with which a script refuses to go on."""
    done = project.run("python", script, check=False)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


def run_each(
    project: BakedProject, script: str, folders: list[Path], env: dict[str, str] | None = None
) -> list[str | None]:
    """Run a script in each folder; return each one's sentence of refusal, or None where it ran.

    One process runs them all, since most of a run's seconds are imports. What is not a refusal
    (an exception, its traceback) fails the test.
    """
    driver = (
        "import json, os, runpy, sys\n"
        "said, script = [], os.path.abspath(sys.argv[1])\n"
        "sys.path.insert(0, os.path.dirname(script))\n"
        "for folder in sys.argv[2:]:\n"
        "    os.chdir(folder)\n"
        "    try:\n"
        "        said += [runpy.run_path(script, run_name='__main__') and None]\n"
        "    except SystemExit as refusal:\n"
        "        said += [refusal.code]\n"
        "print(json.dumps(said))\n"
    )
    # Two cores, or one: whichever the environment asks for, and the machine has.
    one_core = ["taskset", "--cpu-list", "0"] if env == ONE_CORE and shutil.which("taskset") else []
    done = project.run(*one_core, "python", "-c", driver, script, *folders, env=env)
    return json.loads(done.stdout.splitlines()[-1])


def copies(project: BakedProject, names: Iterable[str], start: int = 0) -> dict[str, BakedProject]:
    """Return a copy of the project for each case; their folders are counted from `start` on."""
    return {
        name: BakedProject(
            shutil.copytree(project.path, project.path.parent / str(number)), project.environment
        )
        for number, name in enumerate(names, start)
    }


def wrong(
    project: BakedProject, script: str, cases: dict[str, BakedProject], said: dict[str, str]
) -> dict[str, str | None]:
    """Return what a script says in each case where that is not one sentence as expected."""
    heard = run_each(project, script, [case.path for case in cases.values()])
    return {
        name: text
        for name, text in zip(cases, heard, strict=True)
        if not isinstance(text, str) or "\n" in text or not re.search(said[name], text)
    }


def files(folder: Path) -> dict[str, bytes]:
    """Return the content of each file in a folder but hidden ones."""
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")
    }


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_every_model_is_the_same_on_any_number_of_cores(render: Render, task: str) -> None:
    """A table of numbers by every model, and one of texts by the first one."""
    project = render(task=task)
    own = tables.read(OWN[task], 1000).drop(columns="", errors="ignore")
    cases = copies(project, [*MODELS[task], OWN[task]])
    give(cases[OWN[task]], own.to_csv(index=False))
    set_params(cases[OWN[task]], prepare={"target": ALL_TARGETS[OWN[task]]})
    assert len(cases) >= 5
    for name in MODELS[task]:
        set_params(cases[name], train={"model": name})
    for case in cases.values():
        set_params(case, train={"folds": 2})
    folders = [case.path for case in cases.values()]
    assert not any(run_each(project, "src/prepare_data.py", folders))
    trained = []
    for env in (TWO_CORES, ONE_CORE):
        assert not any(run_each(project, "train.py", [case.path for case in cases.values()], env))
        trained.append({name: files(case.path / "models") for name, case in cases.items()})
    assert all(len(outputs) == 2 for outputs in trained[0].values())
    assert len({outputs["model.joblib"] for outputs in trained[0].values()}) == len(cases)
    assert trained[0] == trained[1]
    infos = [json.loads(trained[0][name]["model.json"]) for name in MODELS[task]]
    assert len({info["cv"]["rows"] for info in infos}) == 1  # so reports can pair the folds
    assert all(len(info["cv"]["scores"]) == 2 for info in infos)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_two_clean_runs_give_the_same_lock(bake: Render, tmp_path: Path, task: str) -> None:
    """One by DVC and on two cores; the other on one, by the scripts alone in a bare clone."""
    project = bake(task=task)
    project.run("dvc", "repro", env=TWO_CORES)
    changed = project.git("status", "--porcelain").splitlines()
    assert [line.split()[-1] for line in changed] == ["dvc.lock", "metrics.json", "plots/"]
    twin = project.clone(tmp_path / "twin")
    twin.run("python", "src/prepare_data.py", env=ONE_CORE)
    assert sorted(files(twin.path / "data" / "raw")) == RAW
    assert len(files(twin.path / "data" / "source")) == 1
    trained = twin.run("python", "train.py", env=ONE_CORE)
    assert sorted(files(twin.path / "models")) == ["model.joblib", "model.json"]
    assert not trained.stderr, "a progress bar belongs on a terminal"
    twin.run("python", "src/evaluate.py", env=ONE_CORE)
    twin.run("dvc", "commit", "--force")
    assert twin.read("dvc.lock") == project.read("dvc.lock")

    metrics = json.loads(project.read("metrics.json"))
    assert list(metrics) == [*METRICS[task], "cv", "data"]
    assert list(metrics["cv"]) == ["metric", "mean", "std", "folds", "scores", "rows"]
    assert metrics["cv"]["metric"] == METRICS[task][0]
    # Real data: far better than chance, and the test agrees with the cross-validation.
    assert metrics[METRICS[task][0]] > {"classification": 0.95, "regression": 0.4}[task]
    assert metrics["cv"]["mean"] == pytest.approx(metrics[METRICS[task][0]], abs=0.1)
    if task == "classification":
        rows = metrics["data"]["train_rows"] + metrics["data"]["test_rows"]
        assert sum(metrics["data"]["rows_per_class"].values()) == rows == 1797

    # A parameter concerns its own stage only.
    good = project.read("params.yaml")
    changes: dict[str, dict[str, Any]] = {"prepare": {"seed": 1}, "train": {"model": "knn"}}
    for stage, change in changes.items():
        set_params(project, **{stage: change})
        assert list(json.loads(project.run("dvc", "status", "--json").stdout)) == [stage]
        (project.path / "params.yaml").write_text(good, encoding="utf-8")

    # DVC draws what is declared, for both revisions, once there is something to compare with.
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", "Train")
    set_params(project, evaluate={"plot_rows": 50})
    stages = re.findall(r"Running stage '(\w+)'", project.run("dvc", "repro").stdout)
    assert stages == ["evaluate"]
    plots = json.loads(project.run("dvc", "plots", "diff", "HEAD", "--json").stdout)["data"]
    declared = yaml.safe_load(project.read("dvc.yaml"))["plots"]
    assert list(plots) == [name for plot in declared for name in plot]
    for [plot] in plots.values():
        drawn = (
            plot["content"] if isinstance(plot["content"], dict) else json.loads(plot["content"])
        )
        assert {point["rev"] for point in drawn["data"]["values"]} == {"HEAD", "workspace"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("classification", ["palmerpenguins penguins", "carData TitanicSurvival"]),
        ("regression", ["ggplot2 mpg", "datasets airquality"]),
    ],
)
def test_own_data_take_the_place_of_the_bundled(bake: Render, task: str, names: list[str]) -> None:
    """As the README says it; then another table takes the place of the own one."""
    project = bake(task=task)
    tables_here = [tables.read(name).drop(columns="", errors="ignore") for name in names]
    targets = [ALL_TARGETS[name] for name in names]
    tables_here[0].to_csv(project.path.parent / "my-data.csv", index=False)
    readme = project.read("README.md")
    section = readme[readme.index("## Use your own data") :].split("\n## ")[0]
    blocks = re.findall(r"```(\w*)\n(.*?)```", section, re.DOTALL)
    assert [kind for kind, _ in blocks] == ["", "yaml", ""]
    for kind, text in blocks:
        if kind == "yaml":
            set_params(project, **yaml.safe_load(text.replace("my_label", targets[0])))
        for command in text.splitlines() if not kind else []:
            project.run(*re.findall(r'[^\s"]+|"[^"]+"', command.removeprefix("uv run ")))
            if command.startswith("uv run dvc remove"):
                changed = project.git("diff", "--numstat", "HEAD", "--", "dvc.yaml").split()[:2]
                assert changed == ["0", "7"], "dvc.yaml is not laid out as DVC does it"
    assert not project.git("status", "--porcelain")
    assert rows_used(project) == tables_here[0][targets[0]].notna().sum()
    if task == "regression":  # its own tests hold whatever is set for its own data
        params = project.read("params.yaml")
        own = {"target": targets[0], "drop": ["year"], "time": "cyl", "read": {"dayfirst": True}}
        set_params(project, prepare=own, train={"model": "knn", "folds": 3})
        project.run("pytest", "-q")
        (project.path / "params.yaml").write_text(params, encoding="utf-8")

    tables_here[1].to_csv(project.path / "data" / "source" / "my-data.csv", index=False)
    set_params(project, prepare={"target": targets[1]})
    assert "Running stage 'prepare'" in project.run("dvc", "repro").stdout
    assert rows_used(project) == tables_here[1][targets[1]].notna().sum()
    assert "data/source.dvc" in project.git("diff", "--name-only")


def rows_used(project: BakedProject) -> int:
    """Return how many rows of its table a project has trained on and tested with."""
    data = json.loads(project.read("metrics.json"))["data"]
    return int(data["train_rows"]) + int(data["test_rows"])


@pytest.mark.slow
def test_bundled_data_never_replace_missing_own_data(render: Render) -> None:
    project = render()
    (project.path / "data" / "source.dvc").touch()
    assert "dvc pull data/source" in refusal(project, "src/prepare_data.py")
    (project.path / "data" / "source.dvc").unlink()
    (project.path / "src" / "sample_data.py").unlink()
    assert "dvc pull data/source" in refusal(project, "src/prepare_data.py")
    assert not (project.path / "data" / "source").exists()


class Bad(NamedTuple):
    """Rows that replace those of the good table (by their number in the file), and what is said."""

    said: str
    changed: dict[int, str] = {}  # noqa: RUF012 (never written to)
    task: str = "classification"
    prepare: dict[str, Any] = {}  # noqa: RUF012


BAD_DATA = {
    "no target": Bad(
        r"there is no column 'label', which params.yaml names; there are: 'size', 'noise', 'bought'",
        prepare={"target": "label"},
    ),
    "infinite": Bad(r"column 'noise' is beyond .* in row 7: correct", {7: "7,-inf,no,3"}),
    "too large": Bad(r"column 'noise' is beyond .* in row 7: correct", {7: "7,1e300,no,3"}),
    "rare class": Bad(
        r"column 'bought': class 'maybe' has only row 4, where two that differ are needed",
        {4: "4,1,maybe,1"},
    ),
    "class of twins": Bad(
        r"class 'maybe' has only 2 rows \(4, 6\)", {4: "4,1,maybe,1", 6: "4,1,maybe,1"}
    ),
    "one class": Bad(
        r"column 'bought' must hold two classes or more, not \['no'\]",
        {row: f"{row},1,no,1" for row in range(2, 52)},
    ),
    "a number to predict": Bad(
        "column 'size' has 50 different numbers: this looks like regression",
        prepare={"target": "size"},
    ),
    "text to predict": Bad(
        "column 'price' is no number in row 3, such as 'cheap': if it holds numbers, leave out",
        {3: "3,1,no,cheap"},
        "regression",
    ),
    "yes or no to predict": Bad(
        "column 'price' is no number in 50 rows .* such as 'False': .* looks like classification",
        {row: f"{row},1,no,{row % 2 > 0}" for row in range(2, 52)},
        "regression",
    ),
    "no answers": Bad(
        "column 'bought' is empty: there is nothing to learn",
        {row: f"{row},1,,1" for row in range(2, 52)},
    ),
    "nothing to predict": Bad(
        "column 'price' is 5 everywhere: there is nothing to predict",
        {row: f"{row},1,no,5" for row in range(2, 52)},
        "regression",
    ),
    "ragged": Bad(r"own\.csv: row 6 has 7 values, the header 3", {6: "6,1,no,1,1,1,1,1"}),
    "longer than the header": Bad(
        r"own\.csv: its rows have more values than its header",
        {number: f"{row},1" for number, row in enumerate(ROWS, start=2)},
    ),
    "test size": Bad("prepare.test_size: .* less than 1, not 20", prepare={"test_size": 20}),
    "yes for true": Bad("drop_duplicates: .* boolean, not 'y'", prepare={"drop_duplicates": "y"}),
    "seed": Bad("prepare.seed: .* integer, not 'now'", prepare={"seed": "now"}),
    "misspelt": Bad(
        "prepare.testsize is unknown: did you mean 'test_size'", prepare={"testsize": 0.1}
    ),
    "missing key": Bad("prepare.test_size: Field required", prepare={"test_size": ...}),
    "two targets": Bad("prepare.target: .* string, not", prepare={"target": ["a", "b"]}),
    "no such column": Bad("no column 'when'", prepare={"time": "when"}),
    "no time": Bad(
        r"column 'size' is no date in 50 rows", {5: "soon,1,no,1"}, prepare={"time": "size"}
    ),
    "two roles": Bad(
        "column 'noise' may be only one of target, group, time, id and drop",
        prepare={"group": "noise", "drop": ["noise"]},
    ),
    "two rules": Bad(
        "prepare.group and prepare.time cannot both be set",
        prepare={"group": "noise", "time": "size"},
    ),
    "no such column to read": Bad(
        "there is no column 'Size', which prepare.read.na_values names",
        prepare={"read": {"na_values": {"Size": ["-9"]}}},
    ),
    "no target left": Bad("column 'bought' may be only one of", prepare={"drop": ["bought"]}),
    "one group": Bad(
        "all rows have the same noise: none is left for the test",
        {row: f"{row},1,{row % 2},1" for row in range(2, 52)},
        prepare={"group": "noise"},
    ),
    "one time": Bad(
        "all rows have the same noise: none is left for the test",
        {row: f"{row},1,no,{row}" for row in range(2, 52)},
        "regression",
        prepare={"time": "noise"},
    ),
    "a group for each class": Bad(
        r"classes \['(yes|no)'\] are in the test only: change prepare.group",
        {row: f"{row},{row % 2},{['yes', 'no'][row % 2]},1" for row in range(2, 52)},
        prepare={"group": "noise"},
    ),
    "an option that is unknown": Bad(
        "prepare.read has no option 'decimals'; did you mean 'decimal'?",
        prepare={"read": {"decimals": ","}},
    ),
    "a date that is not there": Bad(
        "no column 'day', which prepare.read.parse_dates names",
        prepare={"read": {"parse_dates": ["day"]}},
    ),
    "a date by its place": Bad(
        "prepare.read.parse_dates must be a list of names", prepare={"read": {"parse_dates": [0]}}
    ),
    "an option that is not ours": Bad(
        r"prepare.read cannot set \['usecols'\]: see prepare.drop",
        prepare={"read": {"usecols": [0]}},
    ),
    "no group": Bad(
        r"column 'noise' is empty in row 5", {5: "5,,no,1"}, prepare={"group": "noise"}
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_bad_data_are_refused_in_one_sentence(render: Render, task: str) -> None:
    project = render(task=task)
    bad = {name: case for name, case in BAD_DATA.items() if case.task == task}
    cases = copies(project, bad)
    for name, case in cases.items():
        rows = [bad[name].changed.get(number, row) for number, row in enumerate(ROWS, start=2)]
        give(case, table(task, rows))
        set_params(case, prepare={"target": TARGET[task]} | bad[name].prepare)
    said = {name: case.said for name, case in bad.items()}
    assert not wrong(project, "src/prepare_data.py", cases, said)
    assert not any((case.path / "data" / "raw").exists() for case in cases.values())


BAD_FOLDERS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, r"data/source: it holds no table \(\.csv"),
    "other columns": (
        {"a.csv": "a,b\n1,2\n", "b.csv": "a,c\n1,2\n"},
        "b.csv: not the columns of the other files",
    ),
    "another format": ({"a.docx": "a"}, r"a.docx: only \.csv, \.tsv, .* can be read"),
    "empty file": ({"a.csv": ""}, "a.csv: it is empty"),
    "only a header": ({"a.csv": HEADER}, "a.csv: it is empty"),
    "no UTF-8": ({"a.csv": "größe,b\n1,2\n".encode("latin-1")}, "a.csv: its text is not UTF-8"),
    "no Parquet": ({"a.parquet": "a,b\n1,2\n"}, "a.parquet: it is empty or cannot be read"),
    "no archive": ({"a.csv.zip": "a,b\n1,2\n"}, "a.csv.zip: .* cannot be read: File is not a zip"),
    "half an archive": (
        {"a.csv.gz": gzip.compress(b"a,b\n" + bytes(range(256)) * 9)[:60]},
        "a.csv.gz: it is empty or cannot be read: ",
    ),
    "a comment": (
        {"a.csv": "# exported by us\na,b\n1,2\n"},
        "a.csv: row 1 is a comment: delete it, or set prepare.read.comment",
    ),
    "a line for Excel": (
        {"a.csv": "sep=;\na;digit\n1;2\n"},
        "a.csv: row 1 is for Excel only: delete it, or set prepare.read.skiprows to 1",
    ),
    "two files put together": (
        {"a.csv": "a, digit\n1,2\na, digit\n1,2\n"},
        "a.csv: the names of the columns are in row 3: keep the first",
    ),
    "one name twice": (
        {"a.csv": "a,digit,digit \n1,2,3\n"},
        "columns 2 and 3 are both called 'digit'",
    ),
    "no name": ({"a.csv": "a,,digit\n1,2,3\n"}, "column 2 has no name"),
    "nothing but the target": ({"a.csv": "digit\n1\n2\n"}, "no column but 'digit'"),
}


@pytest.mark.slow
def test_bad_folder_is_refused_in_one_sentence(render: Render) -> None:
    project = render()
    (project.path / "data" / "source").mkdir()
    cases = copies(project, BAD_FOLDERS)
    for name, case in cases.items():
        for file, content in BAD_FOLDERS[name][0].items():
            give(case, content, file)
    said = {name: said for name, (_, said) in BAD_FOLDERS.items()}
    assert not wrong(project, "src/prepare_data.py", cases, said)


BAD_TRAINING: dict[str, tuple[dict[str, Any], str]] = {
    "unknown model": ({"model": "oracle"}, r"train\.model must be one of .*'knn'.* not 'oracle'"),
    "two models": ({"model": ["knn"]}, r"train\.model: .* string, not \['knn'\]"),
    "unknown setting": ({"knn": {"k": 3}}, r"params\.yaml: train\.knn: .*'k'.*'n_neighbors'"),
    "bad value": ({"knn": {"n_neighbors": 0}}, r"train\.knn: The 'n_neighbors' .* \[1, inf\)"),
    "text": ({"knn": {"n_neighbors": "five"}}, r"train\.knn: The 'n_neighbors' .* Got 'five'"),
    "a number, as DVC reads it": ({"knn": {"n_neighbors": "1e-1"}}, r"n_neighbors' .* Got 0\.1 "),
    "no settings": ({"knn": 3}, r"params\.yaml: train\.knn: "),
    "misspelt": ({"modle": "knn"}, r"train.modle is unknown: did you mean 'model'"),
    "missing key": ({"threads": ...}, r"train.threads: Field required"),
    "too many folds": ({"folds": 21}, r"21 folds are too many for 40 rows.*set train\.folds to 20"),
    "no threads": ({"threads": 0}, r"train\.threads: .* greater than or equal to 1, not 0"),
    "more neighbours than rows": (
        {"knn": {"n_neighbors": 100}},
        "knn cannot learn from data/raw/train.parquet: Expected",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_bad_training_is_refused_in_one_sentence(render: Render, task: str) -> None:
    project = render(task=task)
    assert "run `uv run dvc repro`" in refusal(project, "train.py")
    set_params(project, prepare={"target": TARGET[task]}, train={"model": "knn"})
    give(project, table(task))
    project.run("python", "src/prepare_data.py")
    cases = copies(project, BAD_TRAINING)
    for name, case in cases.items():
        set_params(case, train=BAD_TRAINING[name][0])
    said = {name: said for name, (_, said) in BAD_TRAINING.items()}
    assert not wrong(project, "train.py", cases, said)
    assert not any(files(case.path / "models") for case in cases.values())
    assert "models/model.joblib is missing" in refusal(project, "src/evaluate.py")


MALFORMED = {
    "a tab": ("prepare:\n  seed: 1\n\tkey: 1\n", r"^params\.yaml: .*'\\t'.* line \d+, column 1"),
    "words": ("prepare: yes\ntrain: knn\n", "^params.yaml: "),
    "nothing": ("prepare:\ntrain:\n", "^params.yaml: "),
    "a list": ("- prepare\n- train\n", "^params.yaml: "),
}


@pytest.mark.slow
def test_malformed_params_are_refused_in_one_sentence(render: Render) -> None:
    project = render()
    for script in ("src/prepare_data.py", "train.py"):
        project.run("python", script)
    cases = copies(project, MALFORMED)
    for name, case in cases.items():
        (case.path / "params.yaml").write_text(MALFORMED[name][0], encoding="utf-8")
    said = {name: sentence for name, (_, sentence) in MALFORMED.items()}
    for script in ("src/prepare_data.py", "train.py", "src/evaluate.py"):
        assert not wrong(project, script, cases, said)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_identical_rows_are_dropped_on_request(render: Render, task: str) -> None:
    project = render(task=task)
    set_params(project, prepare={"target": TARGET[task], "drop_duplicates": True})
    give(project, table(task, ROWS + ROWS))
    said = project.run("python", "src/prepare_data.py").stdout
    assert "rows_repeated 50, train_rows 40, test_rows 10" in said
