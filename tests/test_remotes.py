"""Promise: data pushed to any remote comes back byte for byte, and strangers get nothing."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from answers import CHOICES, REMOTES
from conftest import BakedProject
from servers import SERVERS, Server

PIPELINE = """\
stages:
  make:
    cmd: python make.py
    deps: [make.py]
    outs: [data/raw, models/model.bin]
"""
MAKE = """\
import random
from pathlib import Path

for name in ("data/raw/Ünï cödé/a b.bin", "data/raw/empty", "models/model.bin"):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"" if path.name == "empty" else random.Random(name).randbytes(200_000))
"""
WITH_CREDENTIALS = """\
import subprocess, sys
sys.path.insert(0, "ci")
from remote import credentials
with credentials() as environment:
    sys.exit(subprocess.call(sys.argv[1:], env=environment))
"""


def answers_for(remote: str, server: Server) -> dict[str, str]:
    """Return the answers that lead a baked project to the server."""
    return {"remote": remote, "remote_url": server.url, "remote_endpoint": server.endpoint}


def dvc(
    project: BakedProject, server: Server, *arguments: str, check: bool = True, **changed: str
) -> subprocess.CompletedProcess[str]:
    """Run DVC with the server's secrets, brought to it by the project's own `ci/remote.py`."""
    env = server.environment | server.secrets | changed
    return project.run(
        "python", "-c", WITH_CREDENTIALS, "dvc", *arguments, check=check, env=env
    )


def doctor(project: BakedProject, server: Server, **changed: str) -> dict[str, dict]:
    """Return the doctor's checks by name."""
    env = server.environment | server.secrets | changed
    done = project.run("python", "ci/doctor.py", "--json", check=False, env=env)
    assert done.returncode in (0, 1), done.stderr
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def checksums(root: Path) -> dict[str, str]:
    """Return the SHA-256 of everything that DVC keeps for the project."""
    files = [path for name in ("data", "models") for path in (root / name).rglob("*")]
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file() and path.name != ".gitignore"
    }


def forget(project: BakedProject) -> None:
    """Delete the cache, the data and the models, as on a machine that never had them."""
    for name in ("data", "models", ".dvc/cache", ".dvc/tmp"):
        shutil.rmtree(project.path / name, ignore_errors=True)
    shutil.rmtree(os.environ["DVC_SITE_CACHE_DIR"], ignore_errors=True)


def make_data(project: BakedProject) -> dict[str, str]:
    """Run a small pipeline and return the checksums of what it made."""
    (project.path / "dvc.yaml").write_text(PIPELINE)
    (project.path / "make.py").write_text(MAKE, encoding="utf-8")
    project.run("dvc", "repro", "--quiet")
    return checksums(project.path)


def install(project: BakedProject, server: Server) -> None:
    """Make the environment of the project's own remote, and add what only the stand-in needs."""
    project.run("python", "--version")
    if server.requirements:
        python = project.environment / "bin" / "python"
        command = ["uv", "pip", "install", "--quiet", "--python", python, *server.requirements]
        subprocess.run(command, check=True)


def test_every_remote_has_a_server() -> None:
    assert list(REMOTES) == CHOICES["remote"] == list(SERVERS)


@pytest.mark.slow
@pytest.mark.parametrize("remote", [name for name in CHOICES["remote"] if name != "hdfs"])
def test_data_comes_back_and_strangers_are_refused(
    bake: Callable[..., BakedProject], tmp_path: Path, remote: str
) -> None:
    (tmp_path / "server").mkdir()
    with SERVERS[remote](tmp_path / "server") as server:
        project = bake(**answers_for(remote, server))
        install(project, server)
        made = make_data(project)
        assert len(made) == 3

        for wrong, value in server.wrong.items():
            refused = dvc(project, server, "push", check=False, **{wrong: value})
            assert refused.returncode, f"{wrong} was wrong and the push succeeded"
            check = doctor(project, server, **{wrong: value})["Storage"]
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
