"""Promise: a run skips nothing in silence, and believes no storage."""

import json
import re
import shutil
from pathlib import Path

import histories
import pytest
from histories import Project, S3Server
from mlci.work import imports

OWN = "".join(histories.PIPELINE.partition("  prepare:")[1:])  # without the stage that makes data


@pytest.fixture
def remote(laptop: Project, server: S3Server, tmp_path: Path) -> str:
    """Give the laptop a folder of its own in the bucket, to which it has pushed everything."""
    histories.set_remote(laptop, f"s3://bucket/{tmp_path.name}", server.endpoint)
    laptop.commit("Use a folder of its own")
    laptop.dvc("push", "--run-cache")
    return tmp_path.name


def use_own_data(laptop: Project) -> None:
    """Put own data in the place of the stage that makes some, and run the pipeline."""
    laptop.write("dvc.yaml", f"stages:\n{OWN}")
    for name in ("sample.py", "data/source/3.csv"):
        (laptop.root / name).unlink()
    laptop.dvc("add", "--quiet", "data/source")
    laptop.dvc("repro", "--quiet")
    laptop.commit("Use own data")


def overwrite(server: S3Server, folder: str, checksum: str, content: bytes) -> None:
    """Change an object of the bucket under its name."""
    key = f"{folder}/files/md5/{checksum[:2]}/{checksum[2:]}"
    assert server.client().get_object(Bucket="bucket", Key=key)["Body"].read() != content
    server.client().put_object(Bucket="bucket", Key=key, Body=content)


@pytest.mark.slow
def test_a_stage_that_was_never_run_is_run(laptop: Project, tmp_path: Path) -> None:
    """DVC's own `--allow-missing` says that it did not change, for want of an entry in dvc.lock."""
    laptop.write("dvc.yaml", histories.PIPELINE + "  new:\n    cmd: exit 3\n    outs: [data/new]\n")
    laptop.commit("Add a stage")
    clone = histories.clone(laptop, tmp_path / "clone", CI="true")
    done = clone.script("run")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Stage `new` failed" in clone.report


@pytest.mark.slow
def test_every_pipeline_of_the_project_is_run(laptop: Project, tmp_path: Path) -> None:
    """Also that of a folder, which plain `dvc repro` in the root leaves out."""
    laptop.write("sub/dvc.yaml", "stages:\n  count:\n    cmd: echo 1 > n.txt\n    outs: [n.txt]\n")
    laptop.commit("Add a pipeline")
    clone = histories.clone(laptop, tmp_path / "clone", CI="true")
    done = clone.script("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (clone.root / "sub/n.txt").read_text() == "1\n"
    assert clone.stages_run() == []


@pytest.mark.slow
@pytest.mark.usefixtures("remote")
def test_data_of_one_laptop_are_red(laptop: Project, tmp_path: Path) -> None:
    """Never pushed: neither needed by this run, nor when they are needed, are they green."""
    use_own_data(laptop)
    clone = histories.clone(laptop, tmp_path / "clone", CI="true")
    done = clone.script("run")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "Nobody else can get `data/source/`" in clone.report
    assert "`uv run ci dvc push` on the machine that has it" in clone.report
    assert clone.stages_run() == []

    clone.write("prepare.py", histories.FILES["prepare.py"] + "\n# a comment\n")
    done = clone.script("run", baseline="HEAD")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "Not run: `prepare`, which needs `data/source`" in clone.report
    assert clone.stages_run() == []

    laptop.dvc("push")
    done = clone.script("run", baseline="HEAD")
    assert done.returncode == 0, done.stdout + done.stderr
    assert clone.stages_run() == ["prepare"]


@pytest.mark.slow
def test_a_file_that_the_remote_lost_is_named(
    laptop: Project, tmp_path: Path, server: S3Server, remote: str
) -> None:
    """One within a folder, while nothing that this run does needs it."""
    use_own_data(laptop)
    laptop.dvc("push")
    listing = (laptop.root / "data/source.dvc").read_text()
    checksum = next(word for word in listing.split() if word.endswith(".dir"))
    cached = laptop.root / ".dvc/cache/files/md5" / checksum[:2] / checksum[2:]
    lost = json.loads(cached.read_text())[2]
    key = f"{remote}/files/md5/{lost['md5'][:2]}/{lost['md5'][2:]}"
    server.client().delete_object(Bucket="bucket", Key=key)
    clone = histories.clone(laptop, tmp_path / "clone", CI="true")
    clone.write("NOTES.md", "Documentation only")
    server.requests.clear()
    done = clone.script("run")
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"Nobody else can get `data/source/{lost['relpath']}`" in clone.report
    assert [name for name in server.data_requests("GET") if not name.endswith(".dir")] == []


@pytest.mark.slow
@pytest.mark.parametrize("tampered", ["a file of a folder", "a listing", "a single file"])
def test_what_was_tampered_with_is_not_trained_on(
    laptop: Project, tmp_path: Path, server: S3Server, remote: str, tampered: str
) -> None:
    """It has the right name and other bytes, which DVC believes."""
    raw, model = laptop.checksums("prepare"), laptop.checksums("train")
    changed, path = "train.py", "data/raw"
    if tampered == "a file of a folder":
        path = "data/raw/1.csv"
        overwrite(server, remote, raw[path], b"1\n" * 99)
    elif tampered == "a listing":
        entries = [{"md5": raw["data/raw/1.csv"], "relpath": f"{n}.csv"} for n in range(4)]
        overwrite(server, remote, raw[path], json.dumps(entries).encode())
    else:
        changed, path = "evaluate.py", "models/model.json"
        overwrite(server, remote, model[path], b'{"rate": 0.9, "rows": 1}')
    clone = histories.clone(laptop, tmp_path / "clone", CI="true")
    clone.write(changed, histories.FILES[changed] + "\n# a comment\n")
    done = clone.script("run", baseline="HEAD")
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"Damaged in the remote, and not used: `{path}`" in clone.report
    assert clone.metrics["accuracy"] == 0.5 / 0.9  # made again, from what was whole
    assert clone.metrics["rows"] == 8000
    assert "train" in clone.stages_run()


@pytest.mark.slow
@pytest.mark.usefixtures("remote")
@pytest.mark.parametrize("read", ["data/raw", "data/raw/1.csv"], ids=["folder", "file of it"])
def test_results_of_the_run_cache_are_named_and_can_be_refused(
    laptop: Project, tmp_path: Path, read: str
) -> None:
    """All stages of a chain are found at once, but those that read a file of a folder."""
    pipeline = histories.PIPELINE.replace("deps: [data/raw,", f"deps: [{read},")
    laptop.write("dvc.yaml", pipeline)
    laptop.write("params.yaml", {"prepare": {"times": 3}, "train": {"rate": 0.7}})
    laptop.dvc("repro")
    laptop.dvc("push", "--run-cache")
    laptop.stages_run()
    laptop.git("checkout", "--", "dvc.lock", "metrics.json")
    laptop.commit("Change the parameters")
    cases = {"true": (["evaluate"], ["`prepare`", "`train`"])}
    if read == "data/raw":  # a folder: all stages are looked up at once
        cases["true"] = (["evaluate"], ["`prepare`, `train`"])
        cases["false"] = (["prepare", "train", "evaluate"], [])
    for variable, (ran, named) in cases.items():
        clone = histories.clone(laptop, tmp_path / variable, CI="true")
        done = clone.script("run", baseline="HEAD~1", run_cache=variable)
        assert done.returncode == 0, done.stdout + done.stderr
        assert clone.stages_run() == ran
        assert clone.metrics["rows"] == 12000
        assert re.findall(r"as an earlier run left it: (.+)\. ", clone.report) == named
        assert ("run cache for: prepare, train, evaluate" in done.stdout) == bool(named)


@pytest.mark.slow
@pytest.mark.usefixtures("remote")
def test_a_key_that_may_only_read(laptop: Project, tmp_path: Path, server: S3Server) -> None:
    """The run reports, pushes nothing, and says so."""
    clone = histories.clone(laptop, tmp_path / "clone", CI="true")
    clone.set_rate(0.6)
    server.read_only = True
    try:
        done = clone.script("run", baseline="HEAD")
    finally:
        server.read_only = False
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The key of the remote may read and not write: nothing was pushed." in clone.report
    assert "Not in the remote: `models/model.json`" in clone.report
    assert f"{0.6 / 0.9:.4f}" in clone.report


@pytest.mark.slow
@pytest.mark.usefixtures("remote")
def test_an_import_whose_repository_is_gone(
    laptop: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remote need not have it, so only its own home can say that it is there."""
    home = histories.new_project(tmp_path / "home")
    home.write("table.csv", "1\n")
    home.commit("Add a table")
    laptop.dvc("import", str(home.root), "table.csv", "--out", "data/table.csv")
    laptop.commit("Import a table")
    clone = histories.clone(laptop, tmp_path / "clone", CI="true")
    done = clone.script("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cannot be read here" not in clone.report
    assert "Not asked: the storage that data/table.csv was imported from." in done.stdout
    monkeypatch.chdir(clone.root)
    (check,) = imports.examine(10)
    assert check.state == "ok"
    assert check.found.startswith(f"data/table.csv needs {home.root} at ")
    shutil.rmtree(home.root)
    (check,) = imports.examine(10)
    assert check.blocks
    assert "; the repository cannot be read: fatal: " in check.found
    done = clone.script("run")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "`data/table.csv` is imported from" in clone.report
    assert "cannot be read here at" in clone.report
    text = (clone.root / "data" / "table.csv.dvc").read_text(encoding="utf-8")
    clone.write("data/table.csv.dvc", f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> other\n")
    assert imports.examine(10) == []  # a merge that is not finished is a check of its own


@pytest.mark.slow
def test_own_data_in_a_folder_of_another_machine(tmp_path: Path) -> None:
    """What every project with `remote=local` meets when own data go to a hosted runner."""
    project = histories.new_project(tmp_path / "project")
    histories.set_remote(project, str(tmp_path / "storage"))
    project.dvc("repro")
    use_own_data(project)
    project.dvc("push")
    clone = histories.clone(project, tmp_path / "clone", CI="true")
    shutil.rmtree(tmp_path / "storage")
    clone.write("prepare.py", histories.FILES["prepare.py"] + "\n# a comment\n")
    done = clone.script("run", baseline="HEAD")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "which this machine does not have" in clone.report
    assert "`uv run ci use-remote URL`" in clone.report
    assert "Only that machine has `data/source`" in clone.report
    assert "missing data" not in done.stdout
