"""`ci leaderboard`: everything that was tried, best first, from Git's own objects."""

import csv
import io
import json
import math
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import histories
import predictions
import pytest
import yaml
from conftest import TEMPLATE
from histories import Project
from predictions import right_but
from test_report import report, tables

README = TEMPLATE / "{{cookiecutter.project_slug}}" / "README.md"
RULES = {"primary_metric": "accuracy", "direction": "maximize", "max_regression": None}


def board(project: Project, *flags: str) -> list[dict[str, Any]]:
    """Return the rows of the leaderboard as JSON has them."""
    done = project.script("leaderboard", "--json", *flags)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def attempt(project: Project, branch: str, score: Any, **params: Any) -> str:
    """Commit a result on a branch of its own, begun from main, and go back; return the sha."""
    project.git("checkout", "--quiet", "-b", branch, "main")
    base = json.loads((project.root / "params.yaml").read_text())
    train = base["train"] | params
    project.write("params.yaml", base | {"train": train})
    lock = yaml.safe_load((project.root / "dvc.lock").read_text())
    lock["stages"]["train"]["params"]["params.yaml"]["train"] = train
    project.write("dvc.lock", lock)
    project.measure({"accuracy": score})
    sha = project.commit(branch)
    project.git("checkout", "--quiet", "main")
    return sha


def commands(heading: str) -> list[list[str]]:
    """Return the commands in the first block under a heading of the generated README."""
    section = README.read_text(encoding="utf-8").partition(f"\n{heading}\n")[2]
    block = re.search(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert block, heading
    text = re.sub(r"<[^>]*>", "ADDRESS", block[1])
    lines = [line.partition(" #")[0].strip() for line in text.splitlines()]
    return [line.removeprefix("uv run ").split() for line in lines if line]


@pytest.mark.slow
def test_what_predicts_another_column_does_not_compete(project: Project) -> None:
    """The bundled data are easy; no model of one's own data would ever be the best."""
    params = json.loads((project.root / "params.yaml").read_text())
    for branch, target, score in ("easy", "digit", 0.99), ("own", "churned", 0.7):
        project.git("checkout", "--quiet", "-B", branch, "main")
        project.write("params.yaml", params | {"prepare": {"times": 2, "target": target}})
        project.dvc("repro")
        project.measure({"accuracy": score})
        project.commit(branch)
    rows = board(project)
    assert [row["names"] for row in rows if row["best"]] == [["own"]]
    assert rows[-1]["names"] == ["easy"]
    said = project.script("leaderboard").stdout
    assert "1 not ranked: another column than churned is predicted." in said
    project.git("checkout", "--quiet", "easy")
    assert [row["names"] for row in board(project) if row["best"]] == [["easy"]]


@pytest.mark.slow
def test_scores_on_other_test_rows_do_not_compete(project: Project) -> None:
    """80 easy rows of last year against 92 of today: no score of these beats one of those."""
    for branch, key, score in ("old", "aa", 0.99), ("weak", "bb", 0.6), ("own", "bb", 0.7):
        project.git("checkout", "--quiet", "-B", branch, "main")
        project.measure({"accuracy": score, "data": {"test_hash": key}})
        project.commit(branch)
    done = project.script("leaderboard", "--md")
    (rows,) = tables(f"# Board\n\n{done.stdout}").values()
    marks = [(row[1], row[0].partition("\u00a0")[2]) for row in rows if row[1] != "main"]
    assert marks == [("own", "⭐"), ("weak", ""), ("old", "≠")]
    assert "≠ 1 not ranked: tested on other rows than this checkout." in done.stdout


@pytest.mark.slow
def test_best_first_with_its_changes_and_its_author(project: Project) -> None:
    attempt(project, "fast", 0.7, rate=0.9)
    attempt(project, "slow", 0.9, rate=0.1, steps=1000)
    attempt(project, "broken", math.nan, rate=0.2)
    project.git("checkout", "--quiet", "-b", "unmeasured")
    project.git("rm", "--quiet", "metrics.json")
    project.commit("Forget the result")
    project.git("checkout", "--quiet", "main")
    rows = board(project)
    assert [row["names"] for row in rows] == [
        ["slow"],
        ["fast"],
        ["main"],
        ["broken"],
        ["unmeasured"],
    ]
    assert [row["best"] for row in rows] == [True, False, False, False, False]
    assert rows[0]["changed_params"] == {"train.rate": 0.1, "train.steps": 1000}
    assert rows[0]["author"] == "Test"
    assert "Author" not in project.script("leaderboard").stdout  # the same in each row
    assert rows[0]["sha"] == project.git("rev-parse", "slow")
    assert rows[0]["metrics"] == {"accuracy": 0.9}
    assert rows[2]["changed_params"] == {}
    project.git("checkout", "--quiet", "fast")
    project.git("commit", "--quiet", "--amend", "--no-edit", "--author", "Eve <eve@example.com>")
    project.git("checkout", "--quiet", "main")
    table = project.script("leaderboard").stdout
    assert "Author" in table
    assert table.count("Eve") == 1

    # Of another metric less is better; main has none of it.
    base = json.loads((project.root / "params.yaml").read_text())
    rules = RULES | {"primary_metric": "log_loss", "direction": "minimize"}
    project.write("params.yaml", base | {"report": rules})
    assert board(project)[0]["names"] == ["main"]
    # Parameters are those that differ from the baseline, whichever that is.
    changed = {
        row["names"][0]: row["changed_params"] for row in board(project, "--baseline", "fast")
    }
    assert changed["main"] == {"train.rate": 0.5}
    assert changed["fast"] == {}


@pytest.mark.slow
def test_what_is_the_same_is_one_row(project: Project) -> None:
    """One commit under several names, and several commits with one result; the first found it."""
    first = attempt(project, "idea", 0.8, rate=0.9)
    project.git("tag", "--annotate", "v1", "--message", "x", "idea")
    project.git("tag", "light", "idea")
    project.git("tag", "a-file", f"{first}:params.yaml")  # a tag on something that is no commit
    project.git("checkout", "--quiet", "-b", "readme", "idea")
    project.write("README.md", "Words")
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "-m", "x", GIT_COMMITTER_DATE="2099-01-01T00:00:00Z")
    project.git("checkout", "--quiet", "main")
    rows = board(project)
    assert [row["names"] for row in rows] == [["idea", "readme", "light", "v1"], ["main"]]
    assert rows[0]["sha"] == first

    # A clone sees the branches of others as `origin/…`, folded with its own.
    clone = histories.clone(project, project.root.parent / "clone")
    names = [row["names"] for row in board(clone)]
    assert names == [["origin/idea", "origin/readme", "light", "v1"], ["main", "origin/main"]]


@pytest.mark.slow
def test_numbers_of_older_code_or_parameters_do_not_count(project: Project) -> None:
    """A branch that CI is still to train has the metrics of what it began from, and none here."""
    project.git("checkout", "--quiet", "-b", "turned")
    project.set_rate(0.9)
    project.commit("Turn a number, and leave the training to CI")
    project.git("checkout", "--quiet", "-b", "coded", "main")
    project.write("train.py", (project.root / "train.py").read_text() + "\n")
    project.commit("Change the code")
    project.git("checkout", "--quiet", "-b", "written", "main")
    text = (project.root / "params.yaml").read_text()
    project.write("params.yaml", text.replace("0.5", "5e-1"))  # the same number
    project.commit("Write a number in another way")
    rows = {tuple(row["names"]): row["metrics"] for row in board(project)}
    assert rows["turned",] == rows["coded",] == {}
    assert rows["main", "written"]["accuracy"] == 0.5 / 0.9
    said = project.script("leaderboard").stdout
    assert "2 changed after their last run: their metrics are still to come." in said
    assert "`turned` was changed since it was last run" in report(project, baseline="turned")
    assert "was changed since" not in report(project, baseline="main")


@pytest.mark.slow
def test_what_chance_does_not_tell_from_the_best_is_marked(project: Project) -> None:
    """By the rule of the report: ≈ where the interval of the difference holds 0, row by row."""
    right = {"best": range(4), "near": range(50, 56), "far": range(24)}
    for name, wrong in right.items():
        project.git("checkout", "--quiet", "-b", name, "main")
        predictions.leave(project, right_but(200, wrong))
        project.commit(name)
    project.git("checkout", "--quiet", "-b", "alone", "main")
    project.measure({"accuracy": 0.975})  # nothing is known of chance
    project.commit("alone")
    done = project.script("leaderboard", "--md")
    (rows,) = tables(f"# Board\n\n{done.stdout}").values()
    marks = {row[1]: row[0].partition("\u00a0")[2] for row in rows}
    assert marks == {"best": "⭐", "alone": "", "near": "≈", "far": "", "main": ""}
    assert "⭐ is the best; ≈ chance does not tell from it." in done.stdout


@pytest.mark.slow
def test_metrics_of_two_files_keep_apart(project: Project) -> None:
    """A score on the training data stands beside that on the test data, not in its place."""
    project.write("dvc.yaml", histories.PIPELINE + "metrics: [train.json]\n")
    project.write("train.json", {"accuracy": 0.99, "seconds": 3})
    project.commit("Measure on the training data too")
    (row,) = board(project)
    here = {"metrics.json:accuracy": 0.5 / 0.9, "train.json:accuracy": 0.99, "seconds": 3}
    assert row["metrics"].items() >= here.items()
    assert "accuracy" not in row["metrics"]
    header = project.script("leaderboard", "--csv").stdout.splitlines()[0]
    assert {*here} <= {*header.split(",")}


@pytest.mark.slow
def test_every_form_has_the_same_rows(project: Project) -> None:
    """Names that a shell, HTML, Markdown or a terminal would obey are shown as they are."""
    # Ages that are the same however long the test takes.
    project.env |= dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "2020-01-01T00:00:00Z")
    project.git("commit", "--amend", "--no-edit", "--quiet")
    attempt(project, "a|b<i>`c`", 0.9, rate="<script>alert(1)</script>")
    attempt(project, "@all", 0.8, rate="\u001b[31mred")
    expected = [["a|b<i>`c`"], ["@all"], ["main"]]
    assert [row["names"] for row in board(project)] == expected
    records = csv.DictReader(io.StringIO(project.script("leaderboard", "--csv").stdout))
    assert [[record["names"]] for record in records] == expected
    markdown = project.script("leaderboard", "--md").stdout
    assert project.script("leaderboard", "--md", "board.md").stdout == "Wrote board.md\n"
    written = [
        re.sub(r"[ :-]", "", text)
        for text in (markdown, (project.root / "board.md").read_text(encoding="utf-8"))
    ]
    assert written[0] == written[1]
    done = project.script("leaderboard", "--csv", "no/such/board.csv")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no/such/board.csv cannot be written" in done.stderr
    piped = project.run("sh", "-c", f"{sys.executable} ci leaderboard --csv | true")
    assert piped.stderr == ""
    (rows,) = tables(f"# Board\n\n{markdown}").values()
    assert [[row[1]] for row in rows] == expected
    page = project.script("leaderboard", "--html").stdout
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert "<i>" not in page
    assert page.count("<tr>") == 1 + len(expected)
    text = project.script("leaderboard").stdout
    assert "\u001b" not in text
    lines = text.splitlines()[2 : 2 + len(expected)]
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    for name, line in zip(expected, lines, strict=True):
        assert name[0] in line


@pytest.mark.slow
def test_the_files_are_those_that_dvc_yaml_names(project: Project) -> None:
    """Metrics and parameters of the top level, in folders, in YAML, JSON and TOML."""
    project.git("rm", "--quiet", "dvc.lock")
    project.write(
        "dvc.yaml",
        "metrics: [top.json, sub/scores.yaml]\nparams: [extra.toml, sub/more.yaml]\n",
    )
    project.write("top.json", {"accuracy": 0.5})
    project.write("extra.toml", 'kind = "a"\n')
    project.write("sub/more.yaml", "size: 3\n")
    project.write("sub/scores.yaml", "f1: 1e-2\n")
    project.commit("Declare")
    project.git("checkout", "--quiet", "-b", "other")
    project.write("extra.toml", 'kind = "b"\n')
    project.write("sub/more.yaml", "size: 4\n")
    project.write("top.json", {"accuracy": 0.75})
    project.commit("Other")
    rows = board(project, "--baseline", "main")
    assert rows[0]["names"] == ["other"]
    assert rows[0]["metrics"] == {"accuracy": 0.75, "f1": 0.01}
    assert rows[0]["changed_params"] == {"extra.toml:kind": "b", "sub/more.yaml:size": 4}


@pytest.mark.slow
def test_the_documented_sweep(project: Project) -> None:
    """The README's commands, run: queue, run, compare, promote; then the experiments are deleted."""
    sweep = commands("### Try many things")
    values = {"train.model=knn,random_forest,gradient_boosting": "train.rate=0.6,0.7,0.8"}
    names: dict[str, str] = {}
    for words in sweep:
        tool, *rest = [values.get(word.strip('"'), word) for word in words]
        rest = [names.get(word, word) for word in rest]
        done = project.run(tool, *rest)
        if rest == ["leaderboard"]:
            rows = board(project)
            assert [row["metrics"]["accuracy"] for row in rows] == pytest.approx(
                [0.8 / 0.9, 0.7 / 0.9, 0.6 / 0.9, 0.5 / 0.9]
            )
            assert [row["kind"] for row in rows] == ["experiment"] * 3 + ["branch"]
            assert [row["changed_params"] for row in rows[:2]] == [
                {"train.rate": 0.8},
                {"train.rate": 0.7},
            ]
            assert rows[0]["best"]
            (best,) = rows[0]["names"]
            assert best in done.stdout
            names["NAME"] = best
    assert {words[1] for words in sweep} >= {"exp", "leaderboard", "promote"}
    assert project.git("rev-parse", "best-model") == rows[0]["sha"]
    assert board(project)[0]["names"] == ["best-model", names["NAME"]]

    project.dvc("exp", "remove", "--all-commits")
    assert [row["names"] for row in board(project)] == [["best-model"], ["main"]]
    project.git("checkout", "--quiet", "best-model")
    project.dvc("checkout")
    assert project.metrics["accuracy"] == pytest.approx(0.8 / 0.9)
    assert "After `train.rate` changed." in report(project, baseline="main")


@pytest.mark.slow
def test_an_experiment_outlives_its_branch(project: Project) -> None:
    """The branch that it began from is deleted; the experiment is shown and can be promoted."""
    attempt(project, "doomed", 0.7, rate=0.7)
    base = project.git("rev-parse", "doomed")
    tried = attempt(project, "tried", 0.95, rate=0.95)
    project.git("update-ref", f"refs/exps/{base[:2]}/{base[2:]}/lucky-find", tried)
    project.git("branch", "--quiet", "-D", "doomed", "tried")
    project.git("gc", "--quiet", "--prune=now")
    assert [row["names"] for row in board(project)] == [["lucky-find"], ["main"]]
    done = project.script("promote", "lucky-find", "kept")
    assert done.returncode == 0, done.stderr
    assert project.git("rev-parse", "kept") == tried


@pytest.mark.slow
def test_another_teams_branches_are_ranked_and_taken_over(project: Project, tmp_path: Path) -> None:
    """They are fetched by their address; no remote is added, and bad ones end in a sentence."""
    team = histories.clone(project, tmp_path / "team")
    team.measure({"accuracy": 0.9})
    sha = team.commit("Better")
    rows = board(project, "--with", f"team={team.root}")
    assert rows[0]["names"] == ["team/main"]
    assert project.git("remote") == ""
    assert project.script("promote", "team/main", "taken-over").returncode == 0
    assert project.git("rev-parse", "taken-over") == sha
    project.git("remote", "add", "origin", str(team.root))
    for named, sentence in {
        "team": "is not NAME=ADDRESS",
        "=x": "is not NAME=ADDRESS",
        "a..b=x": "is not NAME=ADDRESS",
        "origin=x": "'origin' is a remote of this repository",
        f"gone={tmp_path / 'gone'}": "cannot be read",
    }.items():
        done = project.script("leaderboard", "--with", named)
        assert done.returncode == 2, done.stdout
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_promote_refuses_in_a_sentence(project: Project) -> None:
    sha = attempt(project, "idea", 0.8)
    project.git("tag", "main-too", "main")
    for arguments, sentence in (
        (["ide", "new"], "'ide' is no branch, tag, experiment or sha; did you mean 'idea'?"),
        (["idea", "main"], "the branch 'main' exists already"),
        (["idea", "a..b"], "'a..b' cannot be the name of a branch"),
        (["idea", "-f"], "the following arguments are required: branch"),
    ):
        done = project.script("promote", *arguments)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert done.stderr.count("\n") == 1
    done = project.script("promote", sha[:8], "by-sha")
    assert done.returncode == 0
    assert project.git("rev-parse", "by-sha") == sha


@pytest.mark.slow
def test_five_hundred_experiments(project: Project) -> None:
    """As many `dvc exp` refs with parameters of their own: all are read, none is checked out."""
    main = project.git("rev-parse", "main")
    histories.add_experiments(project, 500)
    for inner in ("exps/exec/EXEC_BASELINE", "exps/stash", "exps/celery/stash", "stash"):
        project.git("update-ref", f"refs/{inner}", main)
    started = time.monotonic()
    rows = board(project)
    print(f"500 experiments: {time.monotonic() - started:.1f} s")
    loaded = "import sys; from mlci.history.ranking import make; make(''); print(*sys.modules)"
    modules = project.run(sys.executable, "-c", loaded).stdout.split()
    assert "dvc" not in modules  # to load it takes as long as to read 200 experiments
    assert len(rows) == 501
    assert sorted(name for row in rows for name in row["names"]) == [
        *(f"exp-{number:03}" for number in range(500)),
        "main",
    ]
    scores = [row["metrics"]["accuracy"] for row in rows]
    assert scores == sorted(scores, reverse=True)
    text = report(project, baseline="HEAD")
    assert "491 more: `uv run ci leaderboard`." in text or "490 more" in text
    assert project.git("status", "--porcelain", "--untracked-files=no") == ""


@pytest.mark.slow
def test_nothing_is_downloaded_and_a_shallow_clone_is_told(project: Project) -> None:
    histories.set_remote(project, "s3://bucket/nowhere", "http://127.0.0.1:9")
    project.commit("A remote that nobody reaches")
    attempt(project, "idea", 0.8)
    clone = histories.clone(project, project.root.parent / "clone")
    assert len(board(clone)) == 2
    assert not (clone.root / ".dvc/cache/files").exists()
    shallow = histories.clone(project, project.root.parent / "shallow", "--depth=1")
    said = shallow.script("leaderboard").stdout
    assert "git fetch --unshallow" in said
    assert len(board(shallow)) == 1
    empty = Project(project.root.parent / "empty")
    shutil.copytree(project.root / "ci", empty.root / "ci")
    done = empty.script("leaderboard")
    assert done.returncode == 2
    assert "no Git repository" in done.stderr


@pytest.mark.slow
def test_the_winner_gets_a_version(project: Project) -> None:
    """The README's three commands: register, assign a stage, and fetch it in another project."""
    remote = project.root.parent / "storage"
    histories.set_remote(project, str(remote))
    project.write(
        "dvc.yaml",
        histories.PIPELINE + "artifacts:\n  model: {path: models/model.json, type: model}\n",
    )
    project.commit("Declare the model")
    project.dvc("push")
    register, assign, _, fetch = commands("### Give the winner a version")
    project.run(*register)
    project.run(*assign)
    released = (project.root / "models/model.json").read_bytes()

    project.set_rate(0.9)  # development goes on; the stage stays where it is
    project.dvc("repro")
    project.commit("Go on")
    project.dvc("push")
    assert (project.root / "models/model.json").read_bytes() != released
    consumer = histories.new_project(project.root.parent / "consumer")
    consumer.run(*(str(project.root) if word == "ADDRESS" else word for word in fetch))
    assert (consumer.root / "model.json").read_bytes() == released
    names = {name for row in board(project) for name in row["names"]}
    assert any(name.startswith("model@v") for name in names)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_model_is_declared_as_an_artifact(render, task: str) -> None:
    pipeline = yaml.safe_load(render(task=task).read("dvc.yaml"))
    assert pipeline["artifacts"]["model"]["path"] == "models/model.joblib"
    assert pipeline["artifacts"]["model"]["path"] in pipeline["stages"]["train"]["outs"]
