"""Promise: who follows the README of a project to the letter gets what it says.

Every fenced block is typed in the order of the page, by whom it is written for: the owner of the
project, a teammate in a clone, a fork, another project. Where training is not the point, a pipeline
with the same stages takes a moment for it.
"""

import json
import re
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from answers import settle
from conftest import BakedProject, run
from documents import blocks, folder_of, type_in
from histories import SECRETS, s3_server
from test_update import commit, copy_template, publish

ADDRESS = "address of this repository"
TINY = '''\
"""Stands in for the stages: writes what each is to write."""

import json
import sys
from pathlib import Path

parameters = Path("params.yaml").read_text(encoding="utf-8")
for name in sys.argv[1:]:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name == "metrics.json":
        score = sum(map(ord, parameters)) % 100 / 100
        path.write_text(json.dumps({"accuracy": score, "r2": score}), encoding="utf-8")
    else:
        path.write_text(parameters, encoding="utf-8")
'''
FILES = {
    "data/source": ["data/source/table.csv"],
    "data/raw": ["data/raw/train.csv"],
    "models/model.joblib": ["models/model.joblib"],
    "models/model.json": ["models/model.json"],
    "plots": ["plots/rows.txt"],
    "metrics.json": ["metrics.json"],
}


def be_quick(project: BakedProject) -> None:
    """Let the stages write small files in the place of their own."""
    pipeline = yaml.safe_load(project.read("dvc.yaml"))
    del pipeline["plots"]
    for stage in pipeline["stages"].values():
        written = [*stage.get("outs", []), *stage.get("metrics", [])]
        names = [name if isinstance(name, str) else next(iter(name)) for name in written]
        files = [file for name in names for file in FILES[name]]
        stage["cmd"] = " ".join(["python", "tiny.py", *files])
        stage["deps"] = [name for name in stage["deps"] if name in FILES]
    (project.path / "dvc.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False))
    (project.path / "tiny.py").write_text(TINY)


def turn(project: BakedProject, number: int) -> None:
    """Change a number of params.yaml, as the page asks for."""
    path = project.path / "params.yaml"
    text, count = re.subn(r"folds: \d+", f"folds: {number}", project.read("params.yaml"))
    assert count == 1
    path.write_text(text, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(("task", "remote"), [("classification", "local"), ("regression", "s3")])
def test_every_command_of_the_readme_works_in_its_order(
    environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, remote: str
) -> None:
    answers = settle({"task": task, "remote": remote, "remote_url": "../storage"})
    with ExitStack() as stack:
        if remote == "s3":
            server = stack.enter_context(s3_server())
            answers |= {"remote_url": "s3://bucket/ours", "remote_endpoint": server.endpoint}
            for name in SECRETS:
                monkeypatch.setenv(name, "test-secret")
        project = Page(tmp_path, environments(remote), answers).follow()
    assert not project.git("status", "--porcelain")


class Page:
    """The README of a fresh project, and all who follow it.

    What is done before a block, in whose folder it is typed, and what must be true after it, is in
    the method of its heading; a block without a method is typed by the owner of the project.
    """

    def __init__(self, folder: Path, environment: Path, answers: dict[str, str]) -> None:
        self.folder = folder
        self.task = answers["task"]
        self.template = folder / "template"
        copy_template(self.template)
        run("git", "init", "--quiet", "--initial-branch", "main", cwd=self.template)
        commit(self.template, "The template")
        publish(self.template, folder)
        run(
            "cookiecutter", "--no-input", "--default-config", "--output-dir", folder, self.template,
            *[f"{question}={answer}" for question, answer in answers.items()], cwd=folder,
        )  # fmt: skip
        (pipeline,) = folder.glob("*/dvc.yaml")
        self.owner = BakedProject(pipeline.parent, environment)
        self.teammate = folder_of(self.owner, folder / "team" / self.owner.path.name)
        self.origin = folder / "provider" / f"{self.owner.path.name}.git"
        run("git", "init", "--quiet", "--bare", "--initial-branch=main", self.origin, cwd=folder)
        self.words = {ADDRESS: self.origin.as_uri()}
        self.real = self.owner.read("dvc.yaml")
        self.first = self.owner.git("rev-parse", "HEAD")
        self.typed: list[str] = []

    def follow(self) -> BakedProject:
        """Follow the page from the top to its end; return the owner's project."""
        be_quick(self.owner)
        commit(self.owner.path, "Be quick")
        for heading, language, block in blocks(self.owner.read("README.md")):
            method = getattr(self, re.sub(r"\W+", "_", heading.lower()), self.type_as_owner)
            method(language, block)
            self.typed.append(heading)
        assert {"Quick start", "Join this project", "Update from the template"} <= {*self.typed}
        return self.owner

    def type_as_owner(self, language: str, block: str) -> None:
        assert not language, "what is to be done with this?"
        type_in(self.owner, block, **self.words)

    def the_first_pull_request(self, language: str, block: str) -> None:
        if "git switch" in block:
            turn(self.owner, 4)
        self.type_as_owner(language, block)
        pushed = run("git", "branch", "--list", "--format=%(refname:short)", cwd=self.origin)
        assert self.owner.git("branch", "--show-current") in pushed.stdout.split()

    def join_this_project(self, _: str, block: str) -> None:
        self.teammate.path.parent.mkdir()
        type_in(folder_of(self.owner, self.teammate.path.parent), block, **self.words)
        assert "up to date" in self.teammate.run("dvc", "status").stdout

    def develop(self, _: str, block: str) -> None:
        type_in(self.teammate, block)
        assert not self.teammate.git("status", "--porcelain"), "a linter has changed something"

    def change_the_storage(self, _: str, block: str) -> None:
        address = "s3://our-bucket/our-project"  # a folder here; tests/test_moving.py has buckets
        assert address in block
        (self.folder / "ours").mkdir()
        type_in(self.teammate, block.replace(address, "../../ours"))
        assert list((self.folder / "ours" / "files").rglob("*.dir"))

    def use_your_own_data(self, language: str, block: str) -> None:
        if "remove sample" in block:
            (self.owner.path / "dvc.yaml").write_text(self.real, encoding="utf-8")
            labels = {"classification": ("no", "yes"), "regression": ("1.5", "2.5")}
            low, high = labels[self.task]
            rows = "".join(f"{n},{n * n % 7},{high if n > 30 else low}\n" for n in range(60))
            (self.folder / "my-data.csv").write_text(f"size,noise,my_label\n{rows}")
        if language == "yaml":
            target = yaml.safe_load(block)["prepare"]["target"]
            path = self.owner.path / "params.yaml"
            text = self.owner.read("params.yaml")
            text, count = re.subn(r"  target: \w+", f"  target: {target}", text, count=1)
            assert count == 1
            path.write_text(text, encoding="utf-8")
        else:
            type_in(self.owner, block)
        if "dvc push" in block:
            newcomer = self.owner.clone(self.folder / "newcomer")
            assert "missing data" in newcomer.run("dvc", "repro", check=False).stderr
            assert "→ uv run dvc pull" in newcomer.run("ci", "doctor", check=False).stdout
            newcomer.run("dvc", "pull")
            assert "up to date" in newcomer.run("dvc", "repro").stdout

    def use_the_model(self, language: str, block: str) -> None:
        (self.owner.path / "new.csv").write_text("noise,size\n1,10\n2,50\n")
        if language == "python":
            said = {"classification": "probability_yes", "regression": "prediction"}[self.task]
            assert said in self.owner.run("python", "-c", block).stdout
        else:
            assert "my_label" in type_in(self.owner, block)
            assert (self.owner.path / "predictions.csv").exists()
        for name in ("new.csv", "predictions.csv"):
            (self.owner.path / name).unlink(missing_ok=True)

    def share_data(self, _: str, block: str) -> None:
        another = self.owner.clone(self.folder / "another")
        another.git("switch", "--quiet", "--create", "main-of-another", self.first)
        type_in(another, block, **self.words)
        assert another.read("data/source/table.csv") == self.teammate.read("data/source/table.csv")
        model = (self.teammate.path / "models" / "model.joblib").read_bytes()
        assert (another.path / "model.joblib").read_bytes() == model
        assert "data/source" in another.read("data/source.dvc")

    def compare(self, language: str, block: str) -> None:
        assert language == "yaml"
        known = yaml.safe_load(self.owner.read("params.yaml"))["report"]
        assert list(yaml.safe_load(block)["report"]) == list(known)

    def try_many_things(self, _: str, block: str) -> None:
        be_quick(self.owner)
        self.owner.run("dvc", "repro", "--quiet")
        commit(self.owner.path, "Be quick again")
        others = ",random_forest,gradient_boosting"  # tests/test_leaderboard.py tries all three
        assert others in block
        before, promote = block.replace(others, "").split("uv run ci promote")
        assert "train.model=knn" in before
        type_in(self.owner, before)
        rows = json.loads(self.owner.run("ci", "leaderboard", "--json").stdout)
        name = next(row["names"][0] for row in rows if row["kind"] == "experiment")
        type_in(self.owner, f"uv run ci promote{promote}", NAME=name)
        assert "best-model" in self.owner.git("branch", "--list", "best-model")

    def give_the_winner_a_version(self, language: str, block: str) -> None:
        self.owner.run("dvc", "push")
        self.type_as_owner(language, block)
        (self.owner.path / "model.joblib").unlink()

    def update_from_the_template(self, language: str, block: str) -> None:
        path = self.template / "{{cookiecutter.project_slug}}" / "SECRETS.md"
        path.write_text(path.read_text(encoding="utf-8") + "\nNew.\n", encoding="utf-8")
        commit(self.template, "Say more")
        run("git", "push", "--quiet", "origin", "main", cwd=self.template)
        self.type_as_owner(language, block)
        assert self.owner.read("SECRETS.md").endswith("New.\n")
