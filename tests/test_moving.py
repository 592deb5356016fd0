"""Promise: a project moves to any other storage, whole or not at all, and its papers move along."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from act import GitHub
from answers import CHOICES, REMOTES
from conftest import TEMPLATE, BakedProject, run
from mlci.work import duplicate
from servers import SERVERS, Server
from test_remotes import add_files, checksums, doctor, forget
from tiny import commit

CI_FILE = ".github/workflows/cml.yml"
CHANGED = [CI_FILE, ".cruft.json", "SECRETS.md", "ci/remote.json", "pyproject.toml"]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of this template, as it is in the checkout, as a repository of its own."""
    copy = tmp_path_factory.mktemp("moving") / "template"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in filter(None, run(*listed, cwd=TEMPLATE).stdout.split("\0")):
        if (TEMPLATE / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TEMPLATE / name, copy / name)
    run("git", "init", "--quiet", "--initial-branch", "main", cwd=copy)
    run("git", "add", "--all", cwd=copy)
    run("git", "commit", "--quiet", "--message", "The template", cwd=copy)
    return copy


@pytest.fixture
def make(template: Path, tmp_path: Path) -> Callable[..., BakedProject]:
    """Make a project that knows its template, with a little data."""

    def make(**answers: str) -> BakedProject:
        context = json.dumps({"ci": "github"} | answers)
        run(
            "cruft", "create", template, "--no-input", "--extra-context", context, cwd=tmp_path
        )  # fmt: skip
        project = BakedProject(tmp_path / "my-ml-project", tmp_path / "environment")
        for name in ("dvc.yaml", "params.yaml"):  # data only: nothing to train or to judge
            (project.path / name).unlink()
        add_files(project, 1)
        commit(project, "Add data")
        return project

    return make


def move(
    project: BakedProject, server: Server, *flags: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Call `ci use-remote` with the secrets of the new storage in the environment."""
    endpoint = ["--endpoint", server.endpoint] if server.endpoint else []
    env = server.environment | server.secrets
    command = ["ci", "use-remote", server.url, *endpoint, *flags]
    return project.run(*command, check=check, env=env)


def assert_speaks_of(project: BakedProject, remote: str, server: Server) -> None:
    """Check that everything in the project which knows its storage knows this one."""
    others = {s["name"] for spec in REMOTES.values() for s in spec["secrets"]}
    own = {s["name"] for s in REMOTES[remote]["secrets"]}
    assert f"`{server.url}`" in project.read("SECRETS.md")
    for name in ("SECRETS.md", CI_FILE):
        text = project.read(name)
        assert all(secret in text for secret in own), f"{name} lacks {own}"
        assert not [secret for secret in others - own if secret in text]
    spec = json.loads(project.read("ci/remote.json"))
    assert spec["remote"] == remote
    assert spec["url"] == server.url
    assert f"mlci[{remote}]" in project.read("pyproject.toml")
    state = json.loads(project.read(".cruft.json"))
    assert not [name for name in state["context"]["cookiecutter"] if name[0] == "_"]
    assert state["checkout"] is None


@pytest.mark.slow
def test_three_generations_of_one_project(make, tmp_path: Path) -> None:
    """From a folder to S3 to Azure: the same bytes, truthful papers, and a CI that has the keys."""
    for remote in ("s3", "azure"):
        if remote not in CHOICES["remote"]:
            pytest.skip(f"{remote} cannot be chosen here")
    project = make(remote="local", remote_url=str(tmp_path / "storage"))
    project.run("dvc", "push", "--quiet")
    (project.path / "data" / "later").write_text("the second version\n")
    project.run("dvc", "add", "--quiet", "data/later")
    commit(project, "Add a file")
    made = checksums(project.path)
    github = GitHub(project, tmp_path)
    for remote in ("s3", "azure"):
        (tmp_path / remote).mkdir()
    with SERVERS["s3"](tmp_path / "s3") as s3, SERVERS["azure"](tmp_path / "azure") as azure:
        for remote, server in {"s3": s3, "azure": azure}.items():
            done = move(project, server)
            assert set(project.git("status", "--short").split()[1::2]) == {
                *CHANGED, ".dvc/config", "uv.lock",
            }, done.stdout  # fmt: skip
            assert_speaks_of(project, remote, server)
            commit(project, f"Use {remote}")
            checks = doctor(project, server)
            assert checks["Storage"]["state"] == "ok"
            assert checks["Data pushed"]["state"] != "failed"
            without = github.push(environment=server.environment)
            assert without.jobs["run"] == "failure"
            assert f"{next(iter(server.secrets))} is not set" in without.log
            ran = github.push(secrets=server.secrets, environment=server.environment)
            assert ran.jobs["run"] == "success", ran.log
            forget(project)
            assert checksums(project.path) == {}
            project.run("dvc", "pull", "--quiet", env=server.environment | server.secrets)
            assert checksums(project.path) == made
        assert not list((project.path / ".dvc" / "tmp").glob("use-remote-*"))


ENDS = {  # what ends the call, and the line of its output after which it does
    "$ dvc fetch": signal.SIGINT,
    "$ uvx cruft": signal.SIGKILL,
    "$ dvc push": signal.SIGTERM,
}


@pytest.mark.slow
def test_what_ends_it_leaves_everything_as_it_was(make, tmp_path: Path) -> None:
    """Here from a folder to another, in which the steps are the same but for uv's."""
    project = make(remote="local", remote_url=str(tmp_path / "old"))
    made = checksums(project.path)
    config = project.read(".dvc/config")
    env = os.environ | {"UV_PROJECT_ENVIRONMENT": str(project.environment)}
    command = ["uv", "run", "--quiet", "python", "-u", "-m", "mlci", "use-remote"]
    for line, end in ENDS.items():
        running = subprocess.Popen(
            [*command, tmp_path / "new"], cwd=project.path, env=env, text=True,
            stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert running.stdout
        assert any(said.startswith(line) for said in running.stdout)
        os.killpg(running.pid, end)
        rest, _ = running.communicate()
        assert running.wait()
        assert end == signal.SIGKILL or "Nothing was changed." in rest
        assert project.read(".dvc/config") == config
        assert project.git("status", "--short") == ""
    project.run("ci", "use-remote", tmp_path / "new")
    assert f"url = {tmp_path / 'new'}\n" in project.read(".dvc/config")
    assert f"`{tmp_path / 'new'}`" in project.read("SECRETS.md")
    assert json.loads(project.read("ci/remote.json"))["url"] == str(tmp_path / "new")
    shutil.rmtree(tmp_path / "old")
    forget(project)
    project.run("dvc", "pull", "--quiet")
    assert checksums(project.path) == made
    assert not list((project.path / ".dvc" / "tmp").glob("use-remote-*"))


@pytest.mark.parametrize("done", range(4))
def test_what_ends_it_at_the_last_step_is_finished_by_the_next_call(
    tmp_path: Path, monkeypatch, done: int
) -> None:
    names = {"SECRETS.md": "new", "gone.md": "", "ml/ci.yml": "new", "ml/.dvc/config": "new"}
    (tmp_path / "ml" / ".dvc").mkdir(parents=True)
    run("git", "init", "--quiet", cwd=tmp_path)
    for name in names:
        (tmp_path / name).write_text("old")
    (tmp_path / "ml" / ".dvc" / ".gitignore").write_text("/tmp\n/config.local\n")
    (tmp_path / "ml" / ".dvc" / "config.local").write_text("old")
    run("git", "add", "--all", cwd=tmp_path)
    run("git", "commit", "--quiet", "--message", "Begin", cwd=tmp_path)
    monkeypatch.chdir(tmp_path / "ml")

    replace, calls = Path.replace, []

    def stop(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == done + 2:  # the first is that of the plan
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stop)
    with contextlib.suppress(KeyboardInterrupt), duplicate.make_copy() as copy:
        for name, text in names.items():
            path = copy.repository / name
            path.write_text(text) if text else path.unlink()
        (copy.project / ".dvc" / "config.local").write_text("new")
        duplicate.put_back(copy, "s3://bucket", [".dvc/config.local"])
    assert (tmp_path / "ml" / ".dvc" / "config").read_text() == "old"
    found = duplicate.find_interrupted()
    assert found
    assert found[1]["what"] == "s3://bucket"
    duplicate.finish(*found)
    for name, text in names.items():
        assert (tmp_path / name).read_text() == text if text else not (tmp_path / name).exists()
    assert (tmp_path / "ml" / ".dvc" / "config.local").read_text() == "new"
    assert duplicate.find_interrupted() is None


@pytest.mark.slow
def test_what_stands_in_the_way_is_said_and_changes_nothing(make, tmp_path: Path) -> None:
    project = make(remote="local", remote_url=str(tmp_path / "old"))
    config = project.read(".dvc/config")
    nowhere = Server(url="s3://bucket/project", secrets={"AWS_ACCESS_KEY_ID": "-"})

    def refused(server: Server = nowhere) -> str:
        done = move(project, server, check=False)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert done.stdout.endswith("Nothing was changed.\n")
        assert project.read(".dvc/config") == config
        assert not list((project.path / ".dvc" / "tmp").glob("use-remote-*"))
        return done.stdout

    (project.path / "mine.txt").write_text("mine")
    assert "Commit or remove your own changes first: mine.txt." in refused()
    commit(project, "Mine")

    state = json.loads(project.read(".cruft.json"))
    link = project.path / ".cruft.json"
    link.write_text(json.dumps(state | {"template": str(tmp_path / "nowhere")}))
    commit(project, "Lose the template")
    said = refused()
    assert f"The template {tmp_path / 'nowhere'} could not be rendered" in said
    assert "does not exist" in said
    assert "uvx cruft update --skip-apply-ask --checkout" in said
    assert "dvc remote add --force --default storage s3://bucket/project" in said

    link.unlink()
    commit(project, "Lose the link")
    assert "uvx cruft link ADDRESS-OF-THE-TEMPLATE" in refused()
    done = project.run("ci", "use-remote", tmp_path / "new")  # of the same kind: DVC needs no more
    assert "SECRETS.md and ci/remote.json keep the old address" in done.stdout
    assert project.git("status", "--short") == "M .dvc/config"
    project.git("checkout", "--", ".dvc/config")

    link.write_text(json.dumps(state))
    commit(project, "Find it again")
    said = refused(Server(url="oss://bucket/project"))
    assert "remote_endpoint must be given for oss" in said
    secrets = project.read("SECRETS.md").replace(str(tmp_path / "old"), "our own words")
    (project.path / "SECRETS.md").write_text(secrets)
    commit(project, "Our own words")
    assert "Your own edits meet the template's in SECRETS.md" in refused()


@pytest.mark.slow
def test_a_new_storage_that_refuses_changes_nothing(make, tmp_path: Path) -> None:
    project = make(remote="local", remote_url=str(tmp_path / "old"))
    with SERVERS["s3"](tmp_path) as server:
        server.secrets |= server.wrong
        done = move(project, server, check=False)
    assert done.returncode == 1
    assert "refuses the credentials" in done.stdout
    assert done.stdout.endswith("Nothing was changed.\n")
    assert project.git("status", "--short") == ""
