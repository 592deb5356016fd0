"""Promise: docs/teams.md says how a dataset is shared and what becomes of a model, and all of it works.

Every block of the page is typed in its order, over two repositories, each with a storage of its own.
"""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import TEMPLATE, BakedProject, run
from cookiecutter.main import cookiecutter
from documents import blocks, folder_of, type_in
from test_readme import be_quick, turn

PAGE = (TEMPLATE / "docs" / "teams.md").read_text(encoding="utf-8")
ROWS = [f"{n},{n * n % 7},{'yes' if n > 30 else 'no'}" for n in range(60)]


@pytest.mark.slow
def test_every_command_of_the_page_works_in_its_order(environments, tmp_path: Path) -> None:
    Teams(tmp_path, environments("local")).follow()


class Teams:
    """A team that owns a dataset, and one that trains on it; what is typed by whom is said here."""

    def __init__(self, folder: Path, environment: Path) -> None:
        self.folder = folder
        self.datasets = self.begin("datasets", environment)
        self.models = self.begin("models", environment)
        self.words = {
            "address of the datasets": (folder / "datasets.git").as_uri(),
            "address of this project": (folder / "models.git").as_uri(),
        }
        self.datasets.run("dvc", "remove", "sample", "--outs")
        self.bring(ROWS[:50])
        self.datasets.git("rm", "--quiet", "src/sample_data.py", "tests/test_sample_data.py")
        self.datasets.run("dvc", "add", "data/source")
        self.choose_target(self.datasets)
        self.typed: list[str] = []
        self.before: set[str] = set()

    def begin(self, name: str, environment: Path) -> BakedProject:
        """Bake a project, and make the provider's repository for it."""
        path = cookiecutter(
            str(TEMPLATE), no_input=True, default_config=True, output_dir=str(self.folder),
            extra_context={
                "project_slug": name, "task": "classification", "remote": "local",
                "remote_url": str(self.folder / f"storage-of-{name}"),
            },
        )  # fmt: skip
        project = BakedProject(Path(path), environment)
        bare = self.folder / f"{name}.git"
        run("git", "clone", "--quiet", "--bare", path, bare, cwd=self.folder)
        project.git("remote", "add", "origin", bare.as_uri())
        return project

    def bring(self, rows: list[str]) -> None:
        """Put the table into the project of the datasets."""
        path = self.datasets.path / "data" / "source" / "customers.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(["size,noise,left", *rows, ""]), encoding="utf-8")

    @staticmethod
    def choose_target(project: BakedProject) -> None:
        """Name the column to predict, as the page asks for."""
        text = project.read("params.yaml").replace("target: digit ", "target: left ")
        (project.path / "params.yaml").write_text(text, encoding="utf-8")

    def follow(self) -> None:
        """Follow the page from the top to its end."""
        for heading, language, block in blocks(PAGE):
            getattr(self, re.sub(r"\W+", "_", heading.lower()))(language, block)
            self.typed.append(heading)
        assert len(set(self.typed)) == 8

    def a_project_for_datasets_only(self, language: str, block: str) -> None:
        if language == "yaml":
            (self.datasets.path / "dvc.yaml").write_text(block, encoding="utf-8")
            params = yaml.safe_load(self.datasets.read("params.yaml"))
            kept = yaml.safe_dump({"prepare": params["prepare"]})
            (self.datasets.path / "params.yaml").write_text(kept, encoding="utf-8")
            text = self.datasets.read("pyproject.toml").replace('["src", "train.py"]', '["src"]')
            (self.datasets.path / "pyproject.toml").write_text(text, encoding="utf-8")
            self.datasets.run("pytest", "--quiet")
            self.datasets.git("add", "--all")
            self.datasets.run("pre-commit", "run", "--all-files")
        else:
            type_in(self.datasets, block)

    def publish_a_version(self, _: str, block: str) -> None:
        if "minor" in block:
            self.bring([*ROWS[:50], "25,1,maybe"])
            self.datasets.run("dvc", "add", "--quiet", "data/source")
            refused = self.datasets.run("ci", "run", check=False)
            assert refused.returncode == 3, refused.stdout
            assert "maybe" in self.datasets.read("report.md")
            self.bring(ROWS)
        type_in(self.datasets, block)
        if "minor" in block:
            done = self.datasets.run("ci", "run", "--baseline", "dataset@v1.0.0")
            assert done.returncode == 0
            assert "data/source" in self.datasets.read("report.md")
            self.datasets.git("switch", "--quiet", "--create", "without")
            self.datasets.git("rm", "--quiet", "dvc.yaml", "dvc.lock")
            self.datasets.git("commit", "--quiet", "--message", "Check nothing")
            self.datasets.run("ci", "run", "--baseline", "dataset@v1.0.0")
            assert "data/source" in self.datasets.read("report.md")
            self.datasets.git("switch", "--quiet", "main")

    def use_it_in_another_project(self, _: str, block: str) -> None:
        type_in(self.models, block, **self.words)
        if "dvc import" in block:
            assert len(self.models.read("data/source/customers.csv").splitlines()) == 51
            self.choose_target(self.models)
            self.models.run("pytest", "--quiet")  # the schema is none of the tests'
            looked_at = self.models.run("ci", "doctor", check=False).stdout
            assert re.search(r"✓ Import +data/source needs ", looked_at)
            be_quick(self.models)
        if "dvc update" in block:
            assert self.models.read("data/source/customers.csv") == self.datasets.read(
                "data/source/customers.csv"
            )
            assert "data/source" in self.models.read("report.md")
            self.models.git("switch", "--quiet", "main")  # the pull request is merged
            self.models.git("merge", "--quiet", "version-1.1.0")
        assert not self.models.git("status", "--porcelain") or "dvc import" in block

    def who_may_read_it(self, _: str, block: str) -> None:
        type_in(self.models, block, **self.words)
        shutil.move(self.folder / "storage-of-datasets", self.folder / "of-others")
        teammate = self.models.clone(self.folder / "teammate")
        teammate.run("dvc", "pull")
        assert len(teammate.read("data/source/customers.csv").splitlines()) == 61

    def promote_a_model_by_a_pull_request(self, _: str, block: str) -> None:
        tried = ["--temp", "--quiet", "--name", "tried", "--set-param", "train.folds=3"]
        self.models.run("dvc", "exp", "run", *tried)
        type_in(self.models, block, **{"name of the experiment": "tried"})
        assert "up to date" in self.models.run("dvc", "status").stdout  # nothing is trained again
        self.models.git("fetch", "--quiet", "origin", "better-model")
        self.models.git("switch", "--quiet", "main")  # the pull request is merged
        self.models.git("merge", "--quiet", "FETCH_HEAD")
        assert "folds: 3" in self.models.read("params.yaml")

    def which_data_code_and_parameters_made_the_model_in_use(self, _: str, block: str) -> None:
        if "v1.1.0" in block:
            self.train(4)
        said = type_in(self.models, block, **self.words)
        if "gto show" in block:
            assert said.splitlines()[0] == "model@v1.0.0"
            assert self.models.git("rev-parse", "model@v1.0.0^{commit}").strip() in said
            assert "md5:" in said
            assert self.made() == (self.models.path / "model.joblib").read_text()
            (self.models.path / "model.joblib").unlink()

    def train(self, folds: int) -> None:
        """Go on: other parameters, another model."""
        turn(self.models, folds)
        self.models.run("dvc", "repro", "--quiet")
        self.models.git("commit", "--quiet", "--all", "--message", f"Train with {folds} folds")
        self.models.run("dvc", "push")

    def made(self) -> str:
        """Return the model of this checkout."""
        return self.models.read("models/model.joblib")

    def roll_back(self, _: str, block: str) -> None:
        type_in(self.models, block)
        assert self.models.run("gto", "show", "model#prod", "--ref").stdout == "model@v1.0.0\n"

    def make_room(self, _: str, block: str) -> None:
        storage = self.folder / "storage-of-models" / "files" / "md5"
        tidy = folder_of(self.models, self.folder / "tidy")
        if "--dry" in block:
            self.train(6)  # what nobody will need
            self.train(7)
            self.models.git("push", "--quiet", "origin", "main")
            self.models.git("switch", "--quiet", "--create", "idea")
            self.train(8)
            self.models.git("push", "--quiet", "origin", "idea")
            self.models.git("switch", "--quiet", "main")
            self.before = {path.name for path in storage.rglob("*") if path.is_file()}
            type_in(folder_of(self.models, self.folder), block, **self.words)
            assert {path.name for path in storage.rglob("*") if path.is_file()} == self.before
            return
        type_in(tidy, block)
        after = {path.name for path in storage.rglob("*") if path.is_file()}
        assert 0 < len(self.before - after) < len(after)
        shutil.rmtree(tidy.path / ".dvc" / "cache", ignore_errors=True)
        for kept in ("main", "idea", "model@v1.0.0", "model@v1.1.0"):
            tidy.git("checkout", "--quiet", "--force", kept)
            tidy.run("dvc", "pull")
        tidy.git("checkout", "--quiet", "main~1")
        assert tidy.run("dvc", "pull", check=False).returncode
