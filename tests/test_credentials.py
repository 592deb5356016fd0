"""Promise: keys reach transfers and nothing else: no stage, no file that a kill leaves behind."""

import base64
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import histories
import pytest
from conftest import BakedProject
from histories import Project
from mlci.storage import keys
from mlci.storage.checks import examine
from mlci.storage.remote import credentials
from mlci.storage.transfer import Files
from servers import SERVERS, Server
from servers.running import answers_for
from test_remotes import install

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
# What the three providers put into the environment of a run, each with a secret in it.
SECRETS = {
    "github": {
        "GITHUB_TOKEN": "{}", "GH_TOKEN": "{}", "ACTIONS_RUNTIME_TOKEN": "{}",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "{}", "AWS_SESSION_TOKEN": "{}",
    },
    "gitlab": {
        "REPO_TOKEN": "{}", "CI_JOB_TOKEN": "{}", "CI_JOB_JWT": "{}", "CI_REGISTRY_PASSWORD": "{}",
        "CI_REPOSITORY_URL": "https://gitlab-ci-token:{}@gitlab.example/p.git",
    },
    "bitbucket": {"REPO_TOKEN": "{}", "repo_token": "{}", "BITBUCKET_STEP_OIDC_TOKEN": "{}"},
}  # fmt: skip
MARK = "mark-of-a-secret"
LOOK = """
import glob
for place in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try:
        found = open(place, "rb").read()
    except OSError:
        continue
    if b"mark-of-a-secret" in found:
        print("FOUND", place, [word for word in found.split(b"\\0") if b"mark-of" in word])
print("looked")
print("tracker:", os.environ.get("TRACKER_API_KEY"))
"""


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize("provider", SECRETS)
def test_no_stage_finds_a_key(project: Project, provider: str) -> None:
    """It looks at every process that there is, as root; the run itself has all that it was given."""
    secrets = {name: value.format(MARK) for name, value in SECRETS[provider].items()}
    secrets |= {"TRACKER_API_KEY": MARK, "NUMBER_OF_TOKENS": "7"}
    project.write("train.py", histories.FILES["train.py"] + LOOK)
    done = project.script("run", **secrets)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "looked" in done.stdout
    assert "FOUND" not in done.stdout
    assert "tracker: None" in done.stdout

    project.write("train.py", histories.FILES["train.py"] + LOOK + "# again\n")
    done = project.script("run", stage_env="TRACKER_API_KEY", **secrets)
    assert f"tracker: {MARK}" in done.stdout
    assert "REPO_TOKEN" not in done.stdout


@LINUX
@pytest.mark.slow
def test_no_stage_finds_a_key_in_ci_dvc(project: Project) -> None:
    """`ci dvc repro` runs stages in the process that has the credentials."""
    project.write("train.py", histories.FILES["train.py"] + LOOK)
    done = project.script("dvc", "repro", REPO_TOKEN=MARK)
    assert "looked" in done.stdout, done.stdout + done.stderr
    # The door `ci`, which a user's shell started, has the variable still; DVC and the stage do not.
    holders = {
        line.split()[1].split("/")[2] for line in done.stdout.splitlines() if "FOUND" in line
    }
    assert len(holders) == 1, done.stdout


def test_what_is_a_secret() -> None:
    """Names that hold one, and names that only look so."""
    secret = [
        "HF_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "db_password",
        "WANDB_API_KEY",
    ]
    for name in secret:
        assert keys.is_secret(name, "x", set()), name
    for name in ["TOKENIZERS_PARALLELISM", "PATH", "KEYBOARD", "MAX_TOKENS", "AWS_REGION", "CI"]:
        assert not keys.is_secret(name, "x", set()), name
    assert keys.is_secret("WEBDAV_USER", "x", {"WEBDAV_USER"})
    assert keys.is_secret("PIP_INDEX_URL", "https://ada:secret@host/simple", set())
    assert not keys.is_secret("https_proxy", "http://ada:secret@proxy:3128", set())
    assert not keys.is_secret("ORIGIN", "ssh://git@host/p.git", set())


def test_a_key_file_is_a_path_or_its_content_and_nothing_else(
    render: Callable[..., BakedProject], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at home, as on GitHub, as GitLab masks it; a public key is refused before anything runs."""
    monkeypatch.chdir(render(remote="ssh").path)
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n"
    (tmp_path / "key").write_text(key)
    monkeypatch.setenv("SSH_PRIVATE_KEY", str(tmp_path / "key"))
    assert credentials().options == {"keyfile": str(tmp_path / "key")}
    for content in (key, key.strip(), base64.b64encode(key.encode()).decode()):
        monkeypatch.setenv("SSH_PRIVATE_KEY", content)
        found = credentials()
        assert (found.options, found.option_files) == ({}, {"keyfile": key})
        assert "SSH_PRIVATE_KEY" not in found.environment
    for wrong in ("ssh-ed25519 AAAA ada", base64.b64encode(b"ssh-ed25519").decode()):
        monkeypatch.setenv("SSH_PRIVATE_KEY", wrong)
        with pytest.raises(ValueError, match=r"SSH_PRIVATE_KEY neither names a file nor holds one"):
            credentials()
        (check,) = examine(1)
        assert check.blocks
        assert wrong not in check.found


@LINUX
@pytest.mark.skipif(not shutil.which("setpriv") or os.geteuid() != 0, reason="changes the user")
def test_the_memory_of_a_transfer_is_closed_to_its_user() -> None:
    """Another process of the same user, who is not root, reads neither environment nor files."""
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    source = keys.SOURCE
    hold = (
        f"import sys, time; sys.path.insert(0, {source!r})\n"
        "from mlci.storage import keys\n"
        "if 'hide' in sys.argv: keys.hide_memory()\n"
        "print('ready', flush=True); time.sleep(60)\n"
    )
    for argument, readable in (("show", True), ("hide", False)):
        command = [*other, sys.executable, "-B", "-c", hold, argument]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"A": "b"}) as holder:
            assert holder.stdout
            assert holder.stdout.readline() == "ready\n"
            read = subprocess.run(
                [*other, "cat", f"/proc/{holder.pid}/environ"], capture_output=True, check=False
            )
            holder.kill()
        assert (read.returncode == 0) == readable


def test_a_file_for_libraries_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory where there is such a thing, else in a folder that the next transfer removes."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    files = Files()
    path = files.write("key", "first")
    assert Path(path).read_text() == Path(path).read_text() == "first"
    assert files.write("key", "second, which is longer") == path
    assert Path(path).read_text() == "second, which is longer"
    if hasattr(os, "memfd_create"):
        assert list(tmp_path.iterdir()) == []

    monkeypatch.delattr("os.memfd_create", raising=False)
    left = tmp_path / "dvc-keys-999999999-killed"
    left.mkdir()
    path = Files().write("key", "third")
    assert not left.exists()
    assert Path(path).read_text() == "third"
    assert Path(path).parent.stat().st_mode & 0o077 == 0

    number = keys.memory_file(b"fourth")
    assert os.get_inheritable(number)
    with os.fdopen(number, "rb") as handed:
        assert handed.read() == b"fourth"
    assert [*tmp_path.iterdir()] == [Path(path).parent]


def secret_lines(server: Server) -> list[str]:
    """Return what to look for: each line of a secret that is in no other text."""
    lines = [line for value in server.secrets.values() for line in value.splitlines()]
    return [line for line in lines if len(line) > 9 and not line.startswith("-----")]


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize("remote", ["webdav", "ssh", "gs"])
def test_a_kill_leaves_no_secret(
    bake: Callable[..., BakedProject], tmp_path: Path, remote: str, home: Path
) -> None:
    """Twenty kills, each at another moment of a push, and after each a look at every file."""
    (tmp_path / "server").mkdir()
    (tmp_path / "temporary").mkdir()
    moments = random.Random(remote)
    with SERVERS[remote](tmp_path / "server") as server:
        project = bake(**answers_for(remote, server))
        install(project, server)
        (project.path / "dvc.yaml").unlink()
        (project.path / "data" / "some.bin").write_bytes(random.Random(1).randbytes(3_000_000))
        project.run("dvc", "add", "--quiet", "data/some.bin")
        env = os.environ | server.environment | server.secrets
        env |= {"TMPDIR": str(tmp_path / "temporary"), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [str(project.environment / "bin" / "ci"), "dvc", "push"]
        begin = time.monotonic()
        whole = subprocess.run(command, cwd=project.path, env=env, capture_output=True, check=False)
        assert whole.returncode == 0, whole.stdout + whole.stderr
        length = time.monotonic() - begin
        looks = [f"--regexp={line}" for line in secret_lines(server)]
        assert looks
        for _ in range(20):
            with subprocess.Popen(
                command,
                cwd=project.path,
                env=env,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            ) as running:
                time.sleep(moments.uniform(0.05, 1) * length)
                os.killpg(running.pid, signal.SIGKILL)
            places = [str(place) for place in (home, tmp_path / "temporary", project.path)]
            found = subprocess.run(
                ["grep", "-rlF", *looks, *places], capture_output=True, text=True, check=False
            )
            assert found.returncode == 1, found.stdout + found.stderr


def test_settings_of_git_are_hidden_together_or_not_at_all() -> None:
    """Git refuses a part of them, and then knows no repository; one may hold a login."""
    address = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "url.file:///a.insteadOf"}
    address["GIT_CONFIG_VALUE_0"] = "https://example.com/b.git"
    assert keys.secrets_of(address, set()) == {}
    header = address | {"GIT_CONFIG_KEY_0": "http.https://example.com/.extraheader"}
    assert keys.secrets_of(header | {"A_TOKEN": "t", "HOME": "/h"}, set()) == header | {
        "A_TOKEN": "t"
    }
