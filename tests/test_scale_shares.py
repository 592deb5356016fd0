"""With compute=dask several workers learn one model together, each from its share of the rows."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from conftest import BakedProject
from test_pipeline import files, set_params
from test_scale_model import prepare


def train(project: BakedProject, temporary: Path) -> subprocess.Popen[str]:
    """Start a training; return when workers have begun to learn."""
    temporary.mkdir()
    variables = {"TMPDIR": str(temporary), "UV_PROJECT_ENVIRONMENT": str(project.environment)}
    running = subprocess.Popen(
        ["uv", "run", "--quiet", "python", "train.py"],
        cwd=project.path,
        env=os.environ | variables,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(temporary.glob("**/cache*")):
        assert running.poll() is None
        time.sleep(0.05)
    return running


@pytest.mark.slow
def test_a_model_of_shares_is_the_same_though_a_worker_is_killed(
    render: Callable[..., BakedProject], tmp_path: Path
) -> None:
    project = render(compute="dask")
    prepare(project, "classification")
    # More shares than workers in `compute`: which workers there are is not what decides.
    set_params(project, compute={"workers": 1}, train={"shares": 2, "folds": 2})
    models = []
    for name in ("whole", "killed"):
        running = train(project, tmp_path / name)
        if name == "killed":
            started = psutil.Process(running.pid).children(recursive=True)
            workers = [one for one in started if "spawn_main" in " ".join(one.cmdline())]
            assert len(workers) == 2
            workers[0].kill()
        _, said = running.communicate(timeout=300)
        assert running.returncode == 0, said
        assert ("was lost: this training begins again" in said) == (name == "killed")
        assert not list((tmp_path / name).glob("**/cache*"))
        models.append(files(project.path / "models"))
    assert models[0] == models[1]
