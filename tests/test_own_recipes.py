"""The recipes of a project do what they say, each in a fresh project."""

import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import BakedProject, run
from test_pipeline import files, set_params

pytestmark = pytest.mark.slow
Bake = Callable[..., BakedProject]


def follow(project: BakedProject, heading: str) -> None:
    """Write the files of a recipe (src/models.py is added to) and run its commands."""
    text = project.read("RECIPES.md")
    section = text[text.index(f"## {heading}\n") :].split("\n## ")[0]
    blocks = re.findall(r"```(\w*)\n(.*?)```", section, re.DOTALL)
    for kind, block in [*sorted(blocks, reverse=True)]:
        if kind == "python":
            name, code = re.match(r"# (\S+)\n(.*)", block, re.DOTALL).groups()  # type: ignore[union-attr]
            path = project.path / name
            before = path.read_text(encoding="utf-8") + "\n\n" if path.exists() else ""
            path.write_text(before + code, encoding="utf-8")
        for command in [] if kind else block.splitlines():
            words = command.split()
            project.run(*(words[2:] if words[:2] == ["uv", "run"] else words))
    project.run("ruff", "format", "--check", "src")
    project.run("ruff", "check", "src")


def replace(path: Path, old: str, new: str) -> None:
    """Replace what must be there, once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_own_class(render: Bake, task: str) -> None:
    project = render(task=task)
    follow(project, "A class of your own")
    set_params(project, train={"model": "nearest"})
    for script in ("src/prepare_data.py", "train.py", "src/evaluate.py"):
        project.run("python", script)
    assert json.loads(project.read("metrics.json"))["data"]["test_rows"] > 0
    (sample,) = (project.path / "data" / "source").iterdir()
    printed = project.run("python", "src/predict.py", sample).stdout
    assert len(printed.splitlines()) == len(sample.read_text().splitlines())


def test_further_stage(bake: Bake) -> None:
    project = bake()
    follow(project, "A further stage: choose the columns")
    train, test = "data/chosen_train.parquet", "data/chosen_test.parquet"
    replace(project.path / "train.py", "pd.read_parquet(TRAIN)", f'pd.read_parquet("{train}")')
    replace(project.path / "src/evaluate.py", "pd.read_parquet(TEST)", f'pd.read_parquet("{test}")')
    pipeline = project.read("dvc.yaml")
    for stage, name in (("train", train), ("evaluate", test)):
        pipeline = re.sub(rf"(?s)(\n  {stage}:.*?deps:\n)", rf"\1    - {name}\n", pipeline, count=1)
    (project.path / "dvc.yaml").write_text(pipeline, encoding="utf-8")
    project.run("dvc", "repro")
    assert len(json.loads(project.read("models/model.json"))["columns"]) == 10
    own = project.path / "tests" / "test_pipeline.py"
    replace(own, "import evaluate\n", "import choose_columns\nimport evaluate\n")
    replace(own, "(prepare_data, train)", "(prepare_data, choose_columns, train)")
    project.run("pytest", "-q", "tests/test_pipeline.py")


def test_images(bake: Bake) -> None:
    project = bake()
    draw = (
        "from pathlib import Path; import numpy, PIL.Image, sklearn.datasets as d\n"
        "for n, (x, y) in enumerate(zip(*d.load_digits(n_class=3, return_X_y=True))):\n"
        "    path = Path(f'data/images/digit-{y}/{n}.png')\n"
        "    path.parent.mkdir(parents=True, exist_ok=True)\n"
        "    PIL.Image.fromarray((x.reshape(8, 8) * 15).astype('uint8')).save(path)\n"
    )
    project.run("python", "-c", draw)
    follow(project, "Images in place of a table")
    set_params(project, prepare={"target": "label"})
    project.run("dvc", "repro")
    metrics = json.loads(project.read("metrics.json"))
    assert metrics["accuracy"] > 0.95
    assert set(metrics["data"]["rows_per_class"]) == {"digit-0", "digit-1", "digit-2"}


def test_a_notebook_and_a_machine_without_uv(bake: Bake, tmp_path: Path) -> None:
    project = bake()
    for script in ("src/prepare_data.py", "train.py"):
        project.run("python", script)
    text = project.read("RECIPES.md").partition("\n## A notebook\n")[2]
    cell = re.search(r"```python\n# (\S+)\n(.*?)```", text, re.DOTALL)
    assert cell
    path = project.path / cell[1]
    path.parent.mkdir()
    code: dict[str, Any] = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": []}
    code |= {"execution_count": None, "source": cell[2]}
    notebook = {"cells": [code], "metadata": {}, "nbformat": 4}
    path.write_text(json.dumps(notebook | {"nbformat_minor": 5}), encoding="utf-8")
    jupyter = ("--with", "nbclient", "--with", "ipykernel", "jupyter", "execute", "--inplace")
    project.run(*jupyter, path)
    assert "predicted" in json.dumps(json.loads(path.read_text())["cells"][0]["outputs"])
    project.git("add", cell[1])
    assert project.run("pre-commit", "run", check=False).returncode
    project.git("add", cell[1])
    project.run("pre-commit", "run")
    assert json.loads(path.read_text())["cells"][0]["outputs"] == []

    follow(project, "Without uv")
    machine = tmp_path / "machine"
    machine.mkdir()
    for name in ("src", "models", "requirements.txt"):
        shutil.move(project.path / name, machine / name)
    (table,) = (project.path / "data" / "source").iterdir()
    python = machine / ".venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    run("uv", "venv", "--quiet", cwd=machine)  # what pip does, from the cache of uv
    pip = ("uv", "pip", "install", "--quiet", "--python", python)
    run(*pip, "-r", "requirements.txt", cwd=machine)
    assert run(python, "src/predict.py", table, cwd=machine).stdout.startswith("prediction,")
    assert run(python, "-c", "import dvc", cwd=machine, check=False).returncode
    run(*pip, project.path / "ci", cwd=machine)
    assert "leaderboard" in run(python, "-m", "mlci", "--help", cwd=machine).stdout


def test_service(render: Bake) -> None:
    project = render()
    for script in ("src/prepare_data.py", "train.py"):
        project.run("python", script)
    follow(project, "A service")
    python = project.environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    (table,) = files(project.path / "data" / "source").values()
    with subprocess.Popen([python, "src/serve.py"], cwd=project.path) as service:
        try:
            answer = ask(table)
            assert answer.startswith("prediction,probability_0,")
            assert len(answer.splitlines()) == len(table.splitlines())
            with pytest.raises(urllib.error.HTTPError, match="400"):
                ask(b"a,b\n1,2\n")
        finally:
            service.terminate()


def ask(table: bytes) -> str:
    """Return what the service answers; it may need some seconds to start."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for attempt in range(120):
        try:
            with opener.open("http://localhost:8000", table, timeout=30) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError:
            raise
        except OSError:
            time.sleep(0.5 if attempt else 2)
    pytest.fail("the service did not start")
