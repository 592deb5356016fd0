"""The first line of a report: better or worse, after what, and when a difference says nothing."""

import json
import math
from pathlib import Path
from typing import Any

import histories
import predictions
import pytest
import yaml
from histories import Project
from mlci.history.baseline import find_baseline
from predictions import right_but
from test_report import numbers, report, tables

RULES = {"primary_metric": "accuracy", "direction": "maximize", "max_regression": 0.1}
CV = {"metric": "accuracy", "mean": 0.8, "std": 0.03, "folds": 5}


def test_numbers_of_other_parameters_get_no_verdict(project: Project) -> None:
    """A parameter was turned and nothing run: the metrics that lie there are not its own."""
    project.write("params.yaml", {"prepare": {"times": 2}, "train": {"rate": 0.25}})
    text = report(project, "--baseline", "HEAD")
    assert text.startswith("## ❔ Not run since `train.rate` changed")
    row = next(row for row in tables(text)["Leaderboard"] if "this run" in row[1])
    assert row[2] == "\N{EN DASH}"


# What each provider says of a pull request to `next`, and of a push to `trunk`.
PROVIDERS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "github": (
        {"GITHUB_BASE_REF": "next", "GITHUB_EVENT_PATH": "default"},
        {"GITHUB_REF_NAME": "trunk", "GITHUB_EVENT_PATH": "pushed"},
    ),
    "gitlab": (
        {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "next", "CI_DEFAULT_BRANCH": "trunk"},
        {
            "CI_COMMIT_REF_NAME": "trunk",
            "CI_DEFAULT_BRANCH": "trunk",
            "CI_COMMIT_BEFORE_SHA": "before",
        },
    ),
    # It names no default branch and no commit before: origin's, and the last one.
    "bitbucket": ({"BITBUCKET_PR_DESTINATION_BRANCH": "next"}, {"BITBUCKET_BRANCH": "trunk"}),
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_baseline_is_what_the_provider_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    """In a pull request the branch that it goes to, on the default branch the commit before."""
    proposed, pushed = PROVIDERS[provider]
    theirs = Project(tmp_path / "theirs")
    theirs.root.mkdir()
    theirs.git("init", "--quiet", "--initial-branch=trunk")
    first = theirs.commit("First")
    theirs.git("branch", "next")
    second, third = theirs.commit("Second"), theirs.commit("Third")
    clone = histories.clone(theirs, tmp_path / "clone")
    clone.git("checkout", "--quiet", "--detach")
    repository = {"repository": {"default_branch": "trunk"}}
    clone.write("../default", repository)
    clone.write("../pushed", {"before": first, **repository})
    monkeypatch.chdir(clone.root)
    monkeypatch.setenv("CI", "true")

    def found(variables: dict[str, str]) -> tuple[str, str]:
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                is_file = name == "GITHUB_EVENT_PATH"
                text = str(tmp_path / value) if is_file else value.replace("before", first)
                patch.setenv(name, text)
            baseline = find_baseline("")
        return baseline.name, baseline.sha

    assert found(proposed) == ("origin/next", first)
    assert found(pushed)[1] == (second if provider == "bitbucket" else first)
    assert found({}) == ("origin/trunk", third)  # any other branch


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


def compared(
    project: Project, before: list[bool], now: list[bool], first_key: int = 0, **metrics: Any
) -> tuple[str, int]:
    """Commit the predictions of both models; return the headline and the exit code."""
    for right, key in (before, 0), (now, first_key):
        predictions.leave(project, right, key, **metrics)
        project.commit("Predict")
    done = project.script("report", "--baseline", "HEAD~1")
    assert "Traceback" not in done.stderr
    return project.report.partition("\n")[0], done.returncode


def dots(project: Project) -> dict[str, str]:
    """Return the dot of each metric in the table of the report, empty where it has none."""
    found = {name: "".join(row) for name, row in numbers(project.report).items()}
    return {name: "".join(char for char in row if char in "🟢🔴⚪") for name, row in found.items()}


@pytest.mark.slow
def test_the_test_rows_decide(project: Project) -> None:
    """Better and worse are said, and the run fails, only where chance is a poor explanation."""
    set_rules(project, max_regression=0.02)
    good, bad = right_but(200, range(4)), right_but(200, range(24))
    headline, code = compared(project, bad, good)
    assert headline.startswith("## 🟢 Better: `accuracy` 0.88 → 0.98 (+0.1, 95 % interval +0.06")
    assert (code, dots(project)["accuracy"]) == (0, "🟢")
    assert "Judged on 200 test rows." in project.report

    headline, code = compared(project, good, bad)
    assert headline.startswith("## ❌ Worse than allowed: `accuracy` 0.98 → 0.88 (-0.1, 95 %")
    assert headline.endswith("; allowed is a loss of 0.02")
    assert (code, dots(project)["accuracy"]) == (6, "🔴")

    # Six rows lost, four won: a loss of 0.01 that chance explains.
    headline, code = compared(project, right_but(200, range(4)), right_but(200, range(50, 56)))
    assert headline.startswith(
        "## ⚪ No difference to be seen: `accuracy` 0.98 → 0.97 (-0.01, 95 %"
    )
    assert (code, dots(project)["accuracy"]) == (0, "⚪")
    assert "Chance may have done it: 200 test rows show changes from 0.04 up." in project.report

    # Worse, by no chance, and yet no more than is allowed.
    set_rules(project, max_regression=0.1)
    headline, code = compared(project, right_but(200, range(4)), right_but(200, range(16)))
    assert headline.startswith("## 🔴 Worse: `accuracy` 0.98 → 0.92 (-0.06, 95 %")
    assert "Judged on 200 test rows; allowed is a loss of 0.1." in project.report
    assert (code, dots(project)["accuracy"]) == (0, "🔴")
    set_rules(project, max_regression=0.02)

    few = right_but(40, range(1)), right_but(40, range(4))
    headline, code = compared(project, *few)
    assert headline.startswith("## ⚠️ Perhaps worse than allowed: `accuracy` 0.975 → 0.9 (-0.075")
    assert (code, dots(project)["accuracy"]) == (0, "⚪")
    assert "Allowed is a loss of 0.02, but 40 test rows show only changes from 0.125 up." in (
        project.report
    )
    set_rules(project, max_regression=0.02, strict=True)
    headline, code = compared(project, *few)
    assert headline.startswith("## ⚠️ Perhaps worse than allowed")
    assert code == 6


@pytest.mark.slow
def test_other_test_rows_are_not_compared(project: Project) -> None:
    """By the folds where these are the same, else not at all; rows that stay are compared."""
    set_rules(project, max_regression=0.02)
    good, bad = right_but(200, range(4)), right_but(200, range(24))
    headline, code = compared(project, good, bad, first_key=1000)
    assert headline == "## ◻️ Not comparable: `accuracy` 0.88, on other test rows"
    assert code == 0
    assert "Of 200 test rows 0 are among the 200 of the baseline" in project.report
    assert not any(dots(project).values())
    assert numbers(project.report)["accuracy"] == ["0.88", "other rows", "0.98"]

    headline, code = compared(project, good, right_but(200, range(20)), first_key=20)
    assert "(of 200 and 200)" in project.report
    assert "the 180 test rows that both have" in project.report

    folds = CV | {"rows": "abc", "folds": 3, "scores": [0.9, 0.91, 0.9]}
    headline, code = compared(project, good, bad, first_key=1000, cv=folds)
    assert headline.startswith(
        "## ⚪ No difference to be seen: `accuracy` 0.98 → 0.88 (+0 over the"
    )
    assert "the folds of the cross-validation, which both share, show changes" in project.report

    set_rules(project, max_regression=0.02, strict=True)
    assert compared(project, good, bad, first_key=1000)[1] == 6


@pytest.mark.slow
def test_without_predictions_the_noise_is_unknown(project: Project) -> None:
    """No dot then; the limit counts the loss alone, with code 6 beyond it only."""
    set_rules(project)
    unknown = "; the noise is unknown"
    assert judged(project, {"accuracy": 0.5}, {"accuracy": 0.75}) == (
        f"## 🔵 Changed: `accuracy` 0.5 → 0.75 (+0.25){unknown}",
        0,
    )
    assert dots(project)["accuracy"] == ""
    assert "there are no predictions row by row" in project.report
    assert judged(project, {"accuracy": 0.7}, {"accuracy": 0.7}) == (
        "## ⚪ Nothing that is measured changed: `accuracy` 0.7",
        0,
    )
    headline, code = judged(project, {"accuracy": 0.75}, {"accuracy": 0.5})
    assert code == 6
    assert headline == (
        "## ❌ Worse than allowed: `accuracy` 0.75 → 0.5 (-0.25); allowed is a loss of 0.1"
    )
    set_rules(project, primary_metric="cost", direction="minimize", max_regression=None)
    changed = f"## 🔵 Changed: `cost` 2 → 9 (+7){unknown}"
    assert judged(project, {"cost": 2}, {"cost": 9}) == (changed, 0)


@pytest.mark.slow
def test_the_folds_tell_where_nothing_else_does(project: Project) -> None:
    """The same folds on both sides, of the primary metric."""
    set_rules(project)
    folds = CV | {"rows": "abc", "scores": [0.8, 0.81, 0.79, 0.8, 0.8]}
    better = folds | {"scores": [0.85, 0.86, 0.84, 0.85, 0.85]}
    old, new = {"accuracy": 0.8, "cv": folds}, {"accuracy": 0.84, "cv": better}
    assert judged(project, old, new)[0].startswith("## 🟢 Better: `accuracy` 0.8 → 0.84")
    assert "Judged on the folds of the cross-validation, which both share." in project.report
    other = new | {"cv": better | {"rows": "def"}}
    assert judged(project, old, other)[0].startswith("## 🔵 Changed")


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
    assert numbers(text)["accuracy"] == ["0.7", "new", "\N{EN DASH}"]
    assert ["prepare.target", "digit", "churned"] in tables(text)["Parameters"]


@pytest.mark.slow
def test_without_a_number_there_is_no_verdict(project: Project) -> None:
    set_rules(project)
    for number, words in (math.nan, "no number"), (math.inf, "not finite"), (10**400, "not finite"):
        headline, code = judged(project, {"accuracy": 0.5}, {"accuracy": number})
        assert headline.startswith(f"## ❌ No verdict: `accuracy` is {words}")
        assert code == 6
    renamed = "## ❌ No verdict: no metrics file has `accuracy` (`report.primary_metric`)"
    assert judged(project, {"f1": 0.5}, {"f1": 0.6}) == (renamed, 6)
    project.measure("{broken")
    done = project.script("report", "--baseline", "HEAD")
    assert done.returncode == 6
    assert "`metrics.json` at `this checkout` cannot be read" in project.report
    # Without a limit nothing was promised.
    set_rules(project, max_regression=None)
    assert judged(project, {"f1": 0.5}, {"f1": 0.6}) == (renamed.replace("❌", "❔"), 0)
    set_rules(project)
    assert judged(project, {"f1": 0.5}, {"accuracy": 0.6})[0] == (
        "## 🆕 `accuracy` 0.6 (first results)"
    )
    # Without the block the first number is judged, by its name.
    project.write("params.yaml", histories.FILES["params.yaml"])
    assert judged(project, {"rmse": 2}, {"rmse": 1})[0] == (
        "## 🔵 Changed: `rmse` 2 → 1 (-1); the noise is unknown"
    )
    headline = judged(project, {"cats": 2}, {"cats": 1})[0]
    assert headline == "## 🔵 Changed: `cats` 2 → 1 (-1); the noise is unknown"
    # First push: no baseline at all.
    project.git("branch", "--move", "trunk")
    assert report(project).startswith("## 🆕 `cats` 1 (first results)")
    row = next(row for row in tables(project.report)["Leaderboard"] if "this run" in row[1])
    assert row[3] == ""  # no parameter changed: there is nothing that it changed from


def reason(text: str) -> str:
    """Return what the report says was changed by hand."""
    return text.partition("\n\nAfter ")[2].partition(" changed.")[0]


@pytest.mark.slow
def test_the_cause_is_what_was_changed_by_hand(project: Project) -> None:
    """Parameters, code, commands and data that stages read; not what stages make of them."""
    project.set_rate(0.75)
    project.dvc("repro")
    project.commit("Change a parameter")
    assert reason(report(project, "--baseline", "HEAD~1")) == "`train.rate`"

    evaluate = (project.root / "evaluate.py").read_text()
    project.write("evaluate.py", evaluate.replace("/ 0.9", "/ 0.8"))
    project.dvc("repro")
    project.commit("Change code")
    assert reason(report(project, "--baseline", "HEAD~1")) == "`evaluate.py`"

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
    assert reason(text) == "`data/source`"

    # In a checkout without a branch, and in a clone that has no data.
    clone = histories.clone(project, project.root.parent / "clone")
    clone.git("checkout", "--quiet", "--detach")
    assert report(clone, "--baseline", "HEAD~1").partition("\n")[0] == text.partition("\n")[0]

    project.write("dvc.yaml", stages.replace("python evaluate.py", "python -B evaluate.py"))
    project.set_rate(0.5)
    project.write("train.py", (project.root / "train.py").read_text() + "\n")
    project.dvc("repro")
    project.commit("Change many things")
    text = report(project, "--baseline", "HEAD~1")
    assert reason(text) == "`train.rate`, `dvc.yaml:evaluate` and `train.py`"


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


@pytest.mark.slow
def test_another_metric_does_not_hide_a_loss(project: Project) -> None:
    """A branch that changes `primary_metric` is judged by the baseline's too."""
    set_rules(project)
    project.measure({"accuracy": 0.8, "f1": 0.5})
    project.commit("Before")
    set_rules(project, primary_metric="f1")
    headline, code = judged(project, {"accuracy": 0.8, "f1": 0.5}, {"accuracy": 0.5, "f1": 0.9})
    assert (headline.startswith("## 🔵 Changed: `f1`"), code) == (True, 0)
    done = project.script("report", "--baseline", "HEAD~2")
    assert done.returncode == 6
    headline = project.report.partition("\n")[0]
    assert headline.startswith("## ❌ Worse than allowed: `accuracy` 0.8 → 0.5")
    assert "by `accuracy`, the `report.primary_metric` of `HEAD~2`" in headline


def save_as_ci(project: Project, sha: str, results: str) -> None:
    """Save the results of a commit as the experiment of CI's run of another, by plumbing."""
    project.git("update-ref", f"refs/exps/{sha[:2]}/{sha[2:]}/ci-{sha[:7]}", results)


@pytest.mark.slow
def test_a_baseline_waits_for_its_results(project: Project) -> None:
    """main was merged without them: no older verdict; with CI's, wherever they are, a true one."""
    set_rules(project)
    params = json.loads((project.root / "params.yaml").read_text())
    project.commit("Rules")
    project.git("switch", "--quiet", "-c", "idea")
    project.write("params.yaml", params | {"train": {"rate": 0.9}})
    ran = project.commit("Better, left to CI")
    project.dvc("repro", "--quiet")
    results = project.commit("What CI made of it")
    project.git("switch", "--quiet", "main")
    project.git("merge", "--quiet", "--squash", ran)
    merged = project.commit("Squash")
    project.git("switch", "--quiet", "-c", "back", "main")
    project.write("params.yaml", params)
    project.commit("Take it back; the lock is that of before, so its results are its own")
    project.git("branch", "--quiet", "-D", "idea")

    waiting = "## ❔ No verdict: the results of `main` are not there yet"
    done = project.script("report", "--baseline", "main")
    assert (done.returncode, project.report.startswith(waiting)) == (0, True)
    done = project.script("report", CI="true", GITHUB_REPOSITORY="org/x", GITHUB_BASE_REF="main")
    assert (done.returncode, project.report.startswith(waiting)) == (8, True)
    assert f"https://github.com/org/x/commit/{merged}/checks" in project.report

    for sha in ran, merged:  # of the same content, then of the commit itself
        save_as_ci(project, sha, results)
        done = project.script("report", "--baseline", "main", CI="true")
        assert done.returncode == 6
        assert project.report.startswith("## ❌ Worse than allowed: `accuracy` 1 → 0.5556")
        assert "was changed since" not in project.report
        project.git("update-ref", "-d", f"refs/exps/{sha[:2]}/{sha[2:]}/ci-{sha[:7]}")
    save_as_ci(project, merged, results)
    rows = json.loads(project.script("leaderboard", "--json").stdout)
    scores = {name: row["metrics"]["accuracy"] for row in rows for name in row["names"]}
    assert scores["main"] == 1
    # Forged results, of other parameters, are nobody's.
    project.git("update-ref", "-d", f"refs/exps/{merged[:2]}/{merged[2:]}/ci-{merged[:7]}")
    save_as_ci(project, merged, project.git("rev-parse", "back"))
    assert project.script("report", "--baseline", "main", CI="true").returncode == 8
