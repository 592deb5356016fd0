"""With compute=dask several workers learn one model together, each from its share of the rows."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import BakedProject
from test_pipeline import files, set_params
from test_scale_model import prepare
from workers import started, wait_for, workers_of


def train(project: BakedProject, temporary: Path, kill: bool) -> dict[str, bytes]:
    """Return the trained model, of which a worker may have been killed while it learned."""
    temporary.mkdir()
    variables = {"TMPDIR": str(temporary)}
    with started(project.environment, project.path, "train.py", env=variables) as process:
        wait_for(process, lambda: any(temporary.glob("**/cache*")))
        if kill:
            workers = workers_of(process)
            assert len(workers) == 2
            workers[0].kill()
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert ("was lost: this training begins again" in said) == kill
    assert not list(temporary.glob("**/cache*"))
    return files(project.path / "models")


@pytest.mark.slow
def test_a_model_of_shares_is_the_same_though_a_worker_is_killed(
    render: Callable[..., BakedProject], tmp_path: Path
) -> None:
    project = render(compute="dask")
    project.make_environment()
    prepare(project, "classification")
    # More shares than workers in `compute`: which workers there are is not what decides.
    set_params(project, compute={"workers": 1}, train={"shares": 2, "folds": 2})
    whole = train(project, tmp_path / "whole", kill=False)
    assert train(project, tmp_path / "killed", kill=True) == whole
