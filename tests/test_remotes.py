"""Promise: data pushed to any remote comes back byte for byte, and strangers get nothing."""

import hashlib
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from answers import CHOICES
from conftest import BakedProject, run
from servers import SERVERS, Server
from servers.faults import gate, overloaded
from servers.running import answers_for


def dvc(
    project: BakedProject, server: Server, *arguments: str, check: bool = True, **changed: str
) -> subprocess.CompletedProcess[str]:
    """Run DVC with the server's secrets, brought to it by the project's own `ci dvc`."""
    env = server.environment | server.secrets | changed
    return project.run("ci", "dvc", *arguments, check=check, env=env)


def doctor(
    project: BakedProject, server: Server, changed: dict[str, str] | None = None, limit: int = 25
) -> dict[str, dict[str, str]]:
    """Return the doctor's checks by name; its usual limit is too short for a busy test machine."""
    env = server.environment | server.secrets | (changed or {})
    done = project.run("ci", "doctor", "--json", f"--limit={limit}", check=False, env=env)
    assert done.returncode in (0, 1), done.stderr
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def kept_by_dvc(root: Path) -> list[Path]:
    """Return the files that DVC keeps for the project."""
    found = [path for name in ("data", "models") for path in (root / name).rglob("*")]
    return [
        path
        for path in found
        if path.is_file() and path.name != ".gitignore" and path.suffix != ".dvc"
    ]


def checksums(root: Path) -> dict[str, str]:
    """Return the SHA-256 of everything that DVC keeps for the project."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in kept_by_dvc(root)
    }


def forget(project: BakedProject) -> None:
    """Delete the cache, the data and the models, as on a machine that never had them."""
    for path in kept_by_dvc(project.path):
        path.unlink()
    for folder in (project.path / ".dvc" / "cache", Path(os.environ["DVC_SITE_CACHE_DIR"])):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that keeps the results of the pipeline, which no remote changes."""
    return tmp_path_factory.mktemp("trained") / "results"


def make_data(project: BakedProject, trained: Path) -> dict[str, str]:
    """Run the pipeline, add files of difficult names, and return the checksums of it all."""
    if trained.exists():
        shutil.copytree(trained, project.path, dirs_exist_ok=True)
    project.run("dvc", "repro", "--quiet")
    if not trained.exists():
        for name in ("data", "models", "plots", ".dvc/cache"):
            shutil.copytree(project.path / name, trained / name)
        for name in ("dvc.lock", "metrics.json"):
            shutil.copy(project.path / name, trained)
    return add_files(project, 1)


def add_files(project: BakedProject, files: int) -> dict[str, str]:
    """Add files of difficult names, a megabyte each, and return the checksums of all there is."""
    folder = project.path / "data" / "Ünï cödé"
    folder.mkdir()
    (folder / "empty").touch()
    for number in range(files):
        (folder / f"a b {number}.bin").write_bytes(
            random.Random(number).randbytes(1_000_000) + b"."
        )
    project.run("dvc", "add", "--quiet", folder)
    return checksums(project.path)


def install(project: BakedProject, server: Server) -> None:
    """Make the environment of the project's own remote, and add what only the stand-in needs."""
    project.run("python", "--version")
    if server.requirements:
        python = project.environment / "bin" / "python"
        run("uv", "pip", "install", "-q", "-p", python, *server.requirements, cwd=project.path)


def test_every_remote_has_a_server() -> None:
    assert set(CHOICES["remote"]) <= set(SERVERS)


@pytest.mark.slow
@pytest.mark.parametrize("remote", [name for name in CHOICES["remote"] if name != "hdfs"])
def test_data_comes_back_and_strangers_are_refused(
    bake: Callable[..., BakedProject], trained: Path, tmp_path: Path, remote: str
) -> None:
    (tmp_path / "server").mkdir()
    with SERVERS[remote](tmp_path / "server") as server:
        project = bake(**answers_for(remote, server))
        install(project, server)
        made = make_data(project, trained)
        assert len(made) > 5

        for wrong, value in server.wrong.items():
            refused = dvc(project, server, "push", check=False, **{wrong: value})
            assert refused.returncode, f"{wrong} was wrong and the push succeeded"
            check = doctor(project, server, {wrong: value})["Storage"]
            assert check["state"] == "failed"
            assert "refuses the credentials" in check["found"], check

        check = doctor(project, server)["Data pushed"]
        assert check["state"] == "failed", check
        dvc(project, server, "push")
        checks = doctor(project, server)
        assert checks["Plugin"]["state"] == checks["Storage"]["state"] == "ok", checks
        assert checks["Data pushed"]["state"] == "ok", checks

        forget(project)
        assert checksums(project.path) == {}
        dvc(project, server, "pull")
        assert checksums(project.path) == made
        again = project.run("dvc", "repro")
        assert "Running stage" not in again.stdout
        assert "up to date" in again.stdout
        assert secrets_in(project, server) == []


def secrets_in(project: BakedProject, server: Server) -> list[str]:
    """Return the files of the project, Git's and DVC's included, that hold a secret."""
    values = [value.encode() for value in server.secrets.values()]
    return [
        str(path)
        for path in project.path.rglob("*")
        if path.is_file() and any(value in path.read_bytes() for value in values)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("remote", ["s3", "azure", "ssh"])
def test_a_server_that_dies_halfway_costs_nothing(
    bake: Callable[..., BakedProject], tmp_path: Path, remote: str
) -> None:
    (tmp_path / "server").mkdir()
    with SERVERS[remote](tmp_path / "server") as real, gate(real) as (server, opened):
        project = bake(**answers_for(remote, server))
        (project.path / "dvc.yaml").unlink()  # some libraries try each file for more than a minute
        made = add_files(project, 2)

        opened.die_after(1_500_000)
        assert_fails_in_words(dvc(project, server, "push", check=False))
        assert opened.cuts, "the push ended before the server did"
        assert checksums(project.path) == made
        opened.recover()
        dvc(project, server, "push")

        forget(project)
        opened.cuts = 0
        opened.die_after(1_500_000)
        assert_fails_in_words(dvc(project, server, "pull", check=False))
        assert opened.cuts, "the pull ended before the server did"
        opened.recover()
        dvc(project, server, "pull")
        assert checksums(project.path) == made


def assert_fails_in_words(done: subprocess.CompletedProcess[str]) -> None:
    """Check that a command failed with a sentence and without a traceback."""
    said = done.stdout + done.stderr
    assert done.returncode, said
    assert "ERROR" in said
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.parametrize("remote", ["s3", "azure"])
def test_an_overloaded_server_is_asked_again(
    bake: Callable[..., BakedProject], tmp_path: Path, remote: str
) -> None:
    (tmp_path / "server").mkdir()
    with SERVERS[remote](tmp_path / "server") as real, overloaded(real) as (server, statuses):
        project = bake(**answers_for(remote, server))
        (project.path / "dvc.yaml").unlink()
        (project.path / "data" / "a b.bin").write_bytes(
            b"one file, for who waits long between attempts"
        )
        project.run("dvc", "add", "--quiet", "data/a b.bin")
        made = checksums(project.path)
        for command in ("push", "pull"):
            if dvc(project, server, command, check=False).returncode:
                dvc(project, server, command)
            forget(project) if command == "push" else None
        assert statuses.count(503) > 0
        assert checksums(project.path) == made


@pytest.mark.slow
def test_a_missing_bucket_is_named_and_can_be_made(
    bake: Callable[..., BakedProject], trained: Path, tmp_path: Path
) -> None:
    for remote, made_up in {"s3": "s3://nowhere/p", "azure": "azure://nowhere/p"}.items():
        (tmp_path / remote).mkdir()
        with SERVERS[remote](tmp_path / remote) as server:
            wrong = replace(server, url=made_up)
            project = bake(**answers_for(remote, wrong), project_slug=f"project-{remote}")
            made = make_data(project, trained)
            assert_fails_in_words(dvc(project, server, "push", check=False))
            check = doctor(project, server)["Storage"]
            assert "does not exist" in check["found"] or "refuses" in check["found"], check
            project.run("dvc", "remote", "modify", "storage", "url", server.url)
            dvc(project, server, "push")
            assert checksums(project.path) == made


@pytest.mark.slow
def test_a_full_disk_loses_nothing(
    bake: Callable[..., BakedProject], trained: Path, tmp_path: Path
) -> None:
    storage = tmp_path / "storage"
    project = bake(remote="local", remote_url=str(storage))
    made = make_data(project, trained)
    mount = f"mount -t tmpfs -o size=1m none '{storage}' && exec \"$@\""
    small = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if not shutil.which("unshare") or subprocess.run([*small, "true"], check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    full = project.run(*small, "dvc", "push", check=False)
    assert_fails_in_words(full)
    assert "No space left on device" in full.stderr
    assert checksums(project.path) == made

    project.run("dvc", "push")
    forget(project)
    project.run("dvc", "pull")
    assert checksums(project.path) == made


@pytest.mark.slow
def test_the_endpoint_may_come_from_the_environment(
    bake: Callable[..., BakedProject], trained: Path, tmp_path: Path
) -> None:
    """Plain S3, as on Amazon, but for where its SDK is told to look."""
    with SERVERS["s3"](tmp_path) as server:
        plain = replace(server, endpoint="", environment={"AWS_ENDPOINT_URL": server.endpoint})
        project = bake(**answers_for("s3", plain))
        made = make_data(project, trained)
        dvc(project, plain, "push")
        forget(project)
        dvc(project, plain, "pull")
        assert checksums(project.path) == made


@pytest.mark.slow
def test_hdfs_says_which_program_is_missing(
    bake: Callable[..., BakedProject], tmp_path: Path
) -> None:
    """As far as one gets without Hadoop: configuration accepted, plugin loaded, a clear sentence."""
    with SERVERS["hdfs"](tmp_path) as server:
        project = bake(**answers_for("hdfs", server))
        checks = doctor(
            project, server, dict.fromkeys(["JAVA_HOME", "ARROW_LIBHDFS_DIR"], "/nowhere")
        )
        assert checks["Remote"]["found"] == server.url
        assert checks["Plugin"]["state"] == "ok"
        assert "a program that it needs is not on this machine" in checks["Storage"]["found"]
        assert "JAVA_HOME" in project.read("SECRETS.md")
