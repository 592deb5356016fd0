"""A small table with a number, a text with gaps and a date, in every test's own folder."""

{% if cookiecutter.compute == 'dask' -%}
import subprocess
import sys
from collections.abc import Iterator
{% endif -%}
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from tabular.settings import Prepare

ROOT = Path(__file__).parents[1]
{%- if cookiecutter.compute == 'dask' %}
SCHEDULER = """
import sys
from distributed import LocalCluster

settings = {"n_workers": 1, "processes": False, "protocol": "tcp://", "dashboard_address": ":0"}
print(LocalCluster(**settings).scheduler_address, flush=True)
sys.stdin.read()
"""
{%- endif %}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data and the schema of the project are none of the tests'."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def table() -> pd.DataFrame:
    """Forty rows that all differ; the target follows the column `height`."""
    height = np.arange(40.0)
    columns = {
        "height": height,
        "colour": ["red", "green", "blue", None] * 10,
        "day": [f"2024-0{day % 9 + 1}-01" for day in range(40)],
        "label": {% if cookiecutter.task == 'classification' %}np.where(height % 2, "odd", "even"){% else %}3 * height + 1{% endif %},
    }
    return pd.DataFrame(columns)


@pytest.fixture
def params() -> Prepare:
    return Prepare(target="label", test_size=0.2, seed=0)


@pytest.fixture
def folder(table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the table as own data, and this project's parameters that suit any table."""
    params = YAML().load(ROOT / "params.yaml")
    params["prepare"] = {"target": "label", "test_size": 0.2, "seed": 42}
    params["train"]["folds"] = 5
    YAML().dump(params, tmp_path / "params.yaml")
    (tmp_path / "data" / "source").mkdir(parents=True)
    (tmp_path / "models").mkdir()
    table.to_csv(tmp_path / "data" / "source" / "table.csv", index=False)
    monkeypatch.setattr("sys.argv", ["script"])
    return tmp_path
{%- if cookiecutter.compute == 'dask' %}


@pytest.fixture(scope="session", autouse=True)
def scheduler() -> Iterator[None]:
    """One scheduler for all tests, as a team has one: to start workers takes seconds."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with (
        subprocess.Popen([sys.executable, "-c", SCHEDULER], **pipes, text=True) as process,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("DASK_SCHEDULER_ADDRESS", process.stdout.readline().strip())
        yield
        process.stdin.close()
{%- endif %}
