"""Promise: the recipes of docs/recipes.md and docs/update.md work as they are written there."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from act import WORKFLOW, GitHub
from conftest import TEMPLATE, BakedProject
from test_lint import lint_workflows
from tiny import bake_tiny, commit, reproduce, write

pytestmark = pytest.mark.slow
TEXT = (TEMPLATE / "docs" / "recipes.md").read_text(encoding="utf-8")
RETRAIN, SWEEP, APPROVE, WAIT = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)

UPDATE = (TEMPLATE / "docs" / "update.md").read_text(encoding="utf-8")
UPDATE = UPDATE.partition("```yaml\n")[2].partition("```\n")[0]


@pytest.fixture(scope="module")
def baked(
    tmp_path_factory: pytest.TempPathFactory, environments: Callable[[str], Path]
) -> BakedProject:
    """A project whose tiny pipeline was run."""
    project = bake_tiny(tmp_path_factory.mktemp("baked"), environments("local"))
    reproduce(project)
    commit(project, "Run the pipeline")
    return project


@pytest.fixture
def github(baked: BakedProject, tmp_path: Path) -> GitHub:
    """A repository with that project."""
    clone = baked.clone(tmp_path / "proj")
    clone.git("remote", "remove", "origin")
    return GitHub(clone, tmp_path)


def approved(text: str) -> str:
    """Return the project's workflow with the recipe for an approval."""
    job = "  run:\n    name: Reproduce and report\n"
    assert text.count(job) == 1
    return text.replace(job, f"{APPROVE}\n{job}{WAIT}")


def test_a_security_review_has_nothing_to_say(render, tmp_path: Path) -> None:
    workflows = tmp_path / "linted" / ".github" / "workflows"
    workflows.mkdir(parents=True)
    (workflows / "retrain.yml").write_text(RETRAIN)
    (workflows / "retrain-on.yml").write_text(RETRAIN.replace("# schedule:", "schedule:"))
    (workflows / "sweep.yml").write_text(SWEEP)
    (workflows / "update.yml").write_text(UPDATE.replace("# schedule:", "schedule:"))
    (workflows / "cml.yml").write_text(approved(render().read(WORKFLOW)))
    lint_workflows(tmp_path / "linted")
    assert "schedule" in yaml.safe_load((workflows / "retrain-on.yml").read_text())[True]


def test_new_data_are_proposed(github: GitHub, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")
    github.project.run("dvc", "import-url", table, "data/table.csv")
    write(github.project, {".github/workflows/retrain.yml": RETRAIN})
    commit(github.project, "Import a table")
    github.project.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
    done = github.dispatch({}, workflow=".github/workflows/retrain.yml")
    assert done.jobs["update"] == "success", done.log
    assert github.head("refs/heads/retrain") == ""  # nothing is new
    table.write_text("a,b\n1,3\n")
    done = github.dispatch({}, workflow=".github/workflows/retrain.yml")
    assert done.jobs == {"update": "success", "propose": "success"}, done.log
    main, new = github.head("refs/heads/main"), github.head("refs/heads/retrain")
    assert github.files(main, new) == {"data/table.csv.dvc"}
    (proposal,) = [path.read_text() for path in tmp_path.glob("store*/proposals.jsonl")]
    assert json.loads(proposal)[:2] == ["pr", "create"]


def test_a_sweep_has_one_leaderboard(github: GitHub) -> None:
    write(github.project, {".github/workflows/sweep.yml": SWEEP})
    commit(github.project, "Add a sweep")
    github.project.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
    inputs = {"parameter": "rate", "values": "[0.6, 0.9]"}
    done = github.dispatch(inputs, workflow=".github/workflows/sweep.yml")
    assert done.jobs == {"try": "success", "rank": "success"}, done.log
    ranked = done.summary["rank"]
    assert ranked.index("try-0.9") < ranked.index("try-0.6")


def test_a_run_waits_for_its_approval(github: GitHub) -> None:
    text = approved(github.project.read(WORKFLOW))
    write(github.project, {WORKFLOW: text, "params.yaml": "rate: 0.7\n"})
    commit(github.project, "Ask first")
    done = github.pull_request()
    assert done.jobs == {"approve": "success", "run": "success", "publish": "success"}, done.log
    done = github.push()
    assert done.jobs == {"run": "success", "publish": "success"}, done.log
