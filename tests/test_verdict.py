"""The first line of a report: better or worse, after what, and when a difference says nothing."""

import json
import math
from typing import Any

import histories
import pytest
import yaml
from histories import Project
from test_report import report, tables

RULES = {"primary_metric": "accuracy", "direction": "maximize", "max_regression": 0.1}
CV = {"metric": "accuracy", "mean": 0.8, "std": 0.03, "folds": 5}


def test_numbers_of_other_parameters_get_no_verdict(project: Project) -> None:
    """A parameter was turned and nothing run: the metrics that lie there are not its own."""
    project.write("params.yaml", {"prepare": {"times": 2}, "train": {"rate": 0.25}})
    text = report(project, "--baseline", "HEAD")
    assert text.startswith("## ❔ Not run since `train.rate` changed")
    row = next(row for row in tables(text)["Leaderboard"] if "this run" in row[1])
    assert row[2] == "\N{EN DASH}"


def test_a_metric_of_two_files_gets_no_verdict(project: Project) -> None:
    """The score on the training data must not pass for that on the test data."""
    project.write("dvc.yaml", histories.PIPELINE + "metrics: [train.json]\n")
    project.write("train.json", {"accuracy": 0.99})
    text = report(project, "--baseline", "HEAD")
    asked = "## ❔ No verdict: which `accuracy` counts? It is in `metrics.json` and `train.json`"
    assert text.startswith(asked)


def set_rules(project: Project, **rules: Any) -> None:
    """Add the block `report` to the parameters."""
    params = json.loads((project.root / "params.yaml").read_text())
    project.write("params.yaml", params | {"report": RULES | rules})


def judged(project: Project, old: dict[str, Any], new: dict[str, Any]) -> tuple[str, int]:
    """Commit both metrics; return the headline of the report and the exit code."""
    for metrics in old, new:
        project.measure(metrics)
        project.commit("Measure")
    done = project.script("report", "--baseline", "HEAD~1")
    assert "Traceback" not in done.stderr
    return project.report.partition("\n")[0], done.returncode


def test_better_and_worse(project: Project) -> None:
    """By how much, with the direction that params.yaml gives, and code 6 beyond the limit only."""
    set_rules(project)
    assert judged(project, {"accuracy": 0.5}, {"accuracy": 0.75}) == (
        "## 🟢 Better: `accuracy` 0.5 → 0.75 (+0.25)",
        0,
    )
    assert judged(project, {"accuracy": 0.75}, {"accuracy": 0.7}) == (
        "## 🔴 Worse: `accuracy` 0.75 → 0.7 (-0.05)",
        0,
    )
    assert judged(project, {"accuracy": 0.7}, {"accuracy": 0.7}) == (
        "## ⚪ Unchanged: `accuracy` 0.7",
        0,
    )
    headline, code = judged(project, {"accuracy": 0.75}, {"accuracy": 0.5})
    assert code == 6
    assert headline.startswith("## ❌ Worse than allowed: `accuracy` 0.75 → 0.5 (-0.25)")
    assert headline.endswith("; allowed is a loss of 0.1")

    set_rules(project, primary_metric="cost", direction="minimize", max_regression=None)
    assert judged(project, {"cost": 3}, {"cost": 2}) == ("## 🟢 Better: `cost` 3 → 2 (-1)", 0)
    assert judged(project, {"cost": 2}, {"cost": 9}) == ("## 🔴 Worse: `cost` 2 → 9 (+7)", 0)
    # The other metrics are judged by their names, the primary one by its rule.
    assert ["metrics.json", "cost", "2", "9", "+7 ▲ 🔴"] in tables(project.report)["Metrics"]


@pytest.mark.slow
def test_within_noise(project: Project) -> None:
    """Noise is √(std² + std²) of the cross-validation: one side of it is noise, the other is not."""
    set_rules(project)
    noise = math.sqrt(0.03**2 + 0.04**2)
    old = {"accuracy": 0.8, "cv": CV}
    for factor, word in (0.99, "⚪ Within noise"), (1.01, "🟢 Better"):
        new = {"accuracy": 0.8 + factor * noise, "cv": CV | {"mean": 0.81, "std": 0.04}}
        headline, code = judged(project, old, new)
        assert headline.startswith(f"## {word}: `accuracy` 0.8 → "), headline
        assert code == 0
        dots = [
            row[4][-1] in "🟢🔴"
            for row in tables(project.report)["Metrics"]
            if row[1] == "accuracy"
        ]
        assert dots == [word == "🟢 Better"]
    rows = next(iter(tables(project.report).values()))
    assert ["cross-validation, 5 folds", "0.8 ± 0.03", "0.81 ± 0.04", "+0.01"] in [
        [cell.replace("\u00a0", " ") for cell in row] for row in rows
    ]
    assert ["noise", "", "", f"± {noise:.2g}"] in rows

    # A limit that the team has set holds even where the noise is larger than it.
    set_rules(project, max_regression=0.01)
    headline, code = judged(project, old, old | {"accuracy": 0.78})
    assert headline.startswith("## ❌ Worse than allowed")
    assert code == 6
    # Folds of another metric say nothing about this one, nor does a baseline without folds.
    set_rules(project)
    other = {"cv": CV | {"metric": "f1"}}
    assert "🟢 Better" in judged(project, old | other, old | other | {"accuracy": 0.81})[0]
    assert "the folds measured `f1` (`METRIC` in `train.py`)" in project.report
    assert "cross-validation" not in project.report  # a column of dashes
    assert "🟢 Better" in judged(project, {"accuracy": 0.8}, old | {"accuracy": 0.81})[0]


@pytest.mark.slow
def test_scores_on_another_target_are_not_compared(project: Project) -> None:
    """Own data take the place of the bundled ones: a lower score is no loss, and fails nothing."""
    set_rules(project)
    params = json.loads((project.root / "params.yaml").read_text())
    for target, score in ("digit", 0.97), ("churned", 0.7):
        prepare = {"times": 2, "target": target}
        project.write("params.yaml", params | {"prepare": prepare})
        project.dvc("repro")
        project.measure({"accuracy": score})
        project.commit(f"Predict {target}")
    done = project.script("report", "--baseline", "HEAD~1")
    assert done.returncode == 0
    text = project.report
    assert text.startswith("## 🆕 `accuracy` 0.7 (first results)")
    assert "`HEAD~1` predicts `digit`, this checkout `churned`" in text
    assert ["metrics.json", "accuracy", "\N{EN DASH}", "0.7", "new"] in tables(text)["Metrics"]
    assert ["params.yaml", "prepare.target", "digit", "churned"] in tables(text)["Parameters"]


@pytest.mark.slow
def test_without_a_number_there_is_no_verdict(project: Project) -> None:
    set_rules(project)
    assert judged(project, {"accuracy": 0.5}, {"accuracy": math.nan})[0].startswith(
        "## ❔ No verdict: `accuracy` is no number"
    )
    assert judged(project, {"f1": 0.5}, {"f1": 0.6})[0] == (
        "## ❔ No verdict: no metrics file has `accuracy` (`report.primary_metric`)"
    )
    assert judged(project, {"f1": 0.5}, {"accuracy": 0.6})[0] == (
        "## 🆕 `accuracy` 0.6 (first results)"
    )
    # Without the block the first number is judged, by its name.
    project.write("params.yaml", histories.FILES["params.yaml"])
    assert judged(project, {"rmse": 2}, {"rmse": 1})[0] == "## 🟢 Better: `rmse` 2 → 1 (-1)"
    assert judged(project, {"cats": 2}, {"cats": 1})[0] == "## 🔵 Changed: `cats` 2 → 1 (-1)"
    # First push: no baseline at all.
    project.git("branch", "--move", "trunk")
    assert report(project).startswith("## 🆕 `cats` 1 (first results)")
    row = next(row for row in tables(project.report)["Leaderboard"] if "this run" in row[1])
    assert row[3] == ""  # no parameter changed: there is nothing that it changed from


@pytest.mark.slow
def test_the_cause_is_what_was_changed_by_hand(project: Project) -> None:
    """Parameters, code, commands and data that stages read; not what stages make of them."""
    project.set_rate(0.75)
    project.dvc("repro")
    project.commit("Change a parameter")
    assert (
        ", after `train.rate` changed" in report(project, "--baseline", "HEAD~1").partition("\n")[0]
    )

    evaluate = (project.root / "evaluate.py").read_text()
    project.write("evaluate.py", evaluate.replace("/ 0.9", "/ 0.8"))
    project.dvc("repro")
    project.commit("Change code")
    headline = report(project, "--baseline", "HEAD~1").partition("\n")[0]
    assert headline.startswith("## 🟢 Better")
    assert headline.endswith(", after `evaluate.py` changed")

    # Own data: the stage `sample` goes, `dvc add` takes its place; then one file changes.
    top, _, rest = histories.PIPELINE.partition("  sample:")
    stages = f"{top}  prepare:{rest.partition('  prepare:')[2]}"
    project.write("dvc.yaml", stages)
    project.dvc("add", "data/source")
    project.dvc("repro")
    project.git("add", "--force", "data/source.dvc")
    project.commit("Own data")
    project.write("data/source/0.csv", "0\n" * 500)
    project.dvc("add", "data/source")
    project.dvc("repro")
    project.commit("Change data")
    text = report(project, "--baseline", "HEAD~1")
    assert text.partition("\n")[0].endswith(", after `data/source` changed")

    # In a checkout without a branch, and in a clone that has no data.
    clone = histories.clone(project, project.root.parent / "clone")
    clone.git("checkout", "--quiet", "--detach")
    assert report(clone, "--baseline", "HEAD~1").partition("\n")[0] == text.partition("\n")[0]

    project.write("dvc.yaml", stages.replace("python evaluate.py", "python -B evaluate.py"))
    project.set_rate(0.5)
    project.write("train.py", (project.root / "train.py").read_text() + "\n")
    project.dvc("repro")
    project.commit("Change many things")
    headline = report(project, "--baseline", "HEAD~1").partition("\n")[0]
    assert headline.endswith(", after `train.rate`, `dvc.yaml:evaluate` and `train.py` changed")


@pytest.mark.slow
def test_a_run_fails_after_its_report_is_written(project: Project) -> None:
    """Code 6 from `ci run`, with the results pushed and the report there."""
    set_rules(project)
    project.commit("Set rules")
    params = json.loads((project.root / "params.yaml").read_text())
    project.write("params.yaml", params | {"train": {"rate": 0.1}})
    done = project.script("run", "--baseline", "HEAD")
    assert done.returncode == 6, done.stdout + done.stderr
    assert "❌ Worse than allowed: accuracy" in done.stdout
    assert project.report.startswith("## ❌ Worse than allowed: `accuracy`")
    assert (project.root / "report.html").exists()
    assert project.metrics["accuracy"] == pytest.approx(0.1 / 0.9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ("accuracy", "report takes the keys primary_metric, direction, max_regression"),
        ({"primary": "accuracy"}, "report takes the keys"),
        (RULES | {"direction": "up"}, "report.direction must be 'maximize' or 'minimize'"),
        (RULES | {"max_regression": "5 %"}, "report.max_regression must be a number from 0 up"),
        (RULES | {"max_regression": -1}, "report.max_regression must be a number from 0 up"),
    ],
)
def test_malformed_rules_are_refused_before_anything_is_run(
    project: Project, rules: object, sentence: str
) -> None:
    params = json.loads((project.root / "params.yaml").read_text())
    project.write("params.yaml", params | {"train": {"rate": 0.9}, "report": rules})
    project.stages_run()
    for script in ("run", "report", "leaderboard"):
        done = project.script(script)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert done.stderr.count("\n") == 1
    assert project.stages_run() == []
    assert not (project.root / "report.md").exists()


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_each_task_has_rules_for_a_metric_that_it_measures(render, task: str) -> None:
    """And its training cross-validates the same metric, without which there is no noise."""
    project = render(task=task)
    rules = yaml.safe_load(project.read("params.yaml"))["report"]
    assert set(rules) == set(RULES)
    assert f'"{rules["primary_metric"]}"' in project.read("train.py")
    assert f'"{rules["primary_metric"]}":' in project.read("src/evaluate.py")
