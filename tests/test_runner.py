"""Promise: a run trains where it was told to, and says so where it cannot."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from answers import QUESTIONS
from conftest import BakedProject, run
from histories import measured

FILES = {
    "github": ".github/workflows/cml.yml",
    "gitlab": ".gitlab-ci.yml",
    "bitbucket": "bitbucket-pipelines.yml",
}
SMI = {
    "no driver": None,
    "driver without a GPU": "echo 'No devices were found'; exit 6",
    "nothing listed": "echo",
    "one GPU": "echo 'GPU 0: NVIDIA H200 (UUID: GPU-1)'",
}


@pytest.mark.skipif(os.name == "nt", reason="the GPU runner is Linux")
@pytest.mark.parametrize("smi", SMI)
def test_a_run_without_a_gpu_ends_in_one_sentence(tmp_path: Path, smi: str) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    if script := SMI[smi]:
        (tools / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (tools / "nvidia-smi").chmod(0o755)
    done = run(
        sys.executable,
        "-m",
        "mlci.work.gpu",
        cwd=tmp_path,
        check=False,
        env={"PATH": str(tools), "PYTHONDONTWRITEBYTECODE": "1"} | measured(),
    )
    if smi == "one GPU":
        assert (done.returncode, done.stdout) == (0, "GPU 0: NVIDIA H200 (UUID: GPU-1)\n")
    else:
        assert done.returncode != 0
        assert done.stderr.startswith("No GPU is visible to this run: ")
        assert done.stderr.count("\n") == 1


def jobs(project: BakedProject, ci: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the jobs `run` and `publish` of a CI file."""
    file = yaml.safe_load(project.read(FILES[ci]))
    if ci == "bitbucket":
        run_step, publish_step = (entry["step"] for entry in file["definitions"]["steps"])
        return run_step, publish_step
    file = file.get("jobs", file)
    return file["run"], file["publish"]


@pytest.mark.parametrize("ci", FILES)
@pytest.mark.parametrize("runner", ["hosted", "self-hosted", "gpu"])
def test_only_the_run_goes_to_an_own_machine(render, ci: str, runner: str) -> None:
    key = {"gitlab": "tags"}.get(ci, "runs-on")
    project = render(ci=ci, runner=runner)
    where, hosted = (job.get(key) for job in jobs(project, ci))
    labels = {name: QUESTIONS["_runners"][name][ci] or None for name in ("hosted", runner)}
    assert hosted == labels["hosted"]
    assert (where == hosted) == (runner == "hosted")
    if runner != "hosted" and ci != "github":  # there an expression chooses
        assert where == labels[runner]
    gpu = runner == "gpu"
    text = project.read(FILES[ci])
    assert ("python -m mlci.work.gpu" in text) == gpu
    assert ("NVIDIA_VISIBLE_DEVICES" in text) == gpu
    assert ("--gpus all" in text) == (gpu and ci == "github")
