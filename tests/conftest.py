"""What every test needs: projects baked from this template, in a home of their own."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import answers as asked
import histories
import pytest
import workers
from cookiecutter.main import cookiecutter
from histories import Project, S3Server, new_project
from loading import load

TEMPLATE = asked.TEMPLATE
LEAST = tuple(map(int, re.findall(r"\d+", asked.QUESTIONS["_requires_python"])[:2]))
sys.dont_write_bytecode = True  # `mlci` is imported where projects are copied from
# Each lock of a project would ask an index for news of every package, and then build one anew.
UV = """
[[index]]
url = "https://pypi.org/simple"
default = true
cache-control = { api = "max-age=86400", files = "max-age=31536000, immutable" }
"""


@dataclass(frozen=True)
class BakedProject:
    """A generated project, with the environment of its own locked dependencies."""

    path: Path
    environment: Path

    def run(
        self, *command: str | Path, check: bool = True, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as a user would, by `uv run` in the project; fail with what it printed."""
        variables = os.environ | {"UV_PROJECT_ENVIRONMENT": str(self.environment)} | (env or {})
        self.make_environment()
        return run("uv", "run", "--quiet", *command, cwd=self.path, check=check, env=variables)

    def make_environment(self) -> None:
        """Install the packages where no project with the same ones has done so."""
        if not self.environment.exists():
            variables = os.environ | {"UV_PROJECT_ENVIRONMENT": str(self.environment)}
            run("uv", "sync", "--quiet", cwd=self.path, check=False, env=variables)
            share_bytecode(self.environment)
            if "COVERAGE_FILE" in os.environ:
                measure(self.environment)

    def git(self, *arguments: str | Path) -> str:
        """Return what a Git command prints."""
        return run("git", *arguments, cwd=self.path).stdout.strip()

    def read(self, name: str) -> str:
        """Return the text of one of its files."""
        return (self.path / name).read_text(encoding="utf-8")

    def clone(self, path: Path) -> "BakedProject":
        """Return a fresh clone in a new folder, as a teammate has it."""
        run("git", "clone", "--quiet", self.path, path, cwd=path.parent)
        return BakedProject(path, self.environment)


def run(
    *command: str | Path, cwd: Path, check: bool = True, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command and keep its text; where it fails, show all of it."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=env,
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if check and done.returncode:
        pytest.fail(f"{command} exited {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def share_bytecode(environment: Path) -> None:
    """Link what this Python has compiled into an environment that has the same packages.

    uv makes links to the files in its cache, too, so the same file is one with the same number. To
    compile the packages anew takes ten seconds, and the tests make dozens of environments.
    """
    for theirs in environment.glob("lib/python*/site-packages"):
        ours = Path(sys.prefix) / theirs.relative_to(environment)
        for folder, _, names in os.walk(ours):
            here, there = Path(folder).parent, theirs / Path(folder).relative_to(ours)
            if not folder.endswith("__pycache__") or not there.parent.is_dir():
                continue
            there.mkdir(exist_ok=True)
            for name in names:
                source = f"{name.split('.')[0]}.py"
                pair = f"{here}/{source}", f"{there.parent}/{source}"
                if all(map(os.path.isfile, pair)) and Path(pair[0]).samefile(pair[1]):
                    os.link(f"{folder}/{name}", f"{there}/{name}")


def measure(environment: Path) -> None:
    """Let `make coverage` look at what runs in an environment: uv leaves alone what it did not put there."""
    for theirs in environment.glob("lib/python*/site-packages"):
        for name in ("a1_coverage.pth", "coverage"):
            (theirs / name).symlink_to(Path(sys.prefix) / theirs.relative_to(environment) / name)


def load_hook(name: str, folder: Path, **answers: str) -> ModuleType:
    """Return a hook as a module, rendered with the answers into the folder."""
    context = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
    for question, values in asked.CHOICES.items():
        context[question] = values[0]
    context |= {"project_slug": "my-ml-project", "remote_url": "../storage", "remote_endpoint": ""}
    context |= asked.settle(answers)
    text = (TEMPLATE / "hooks" / f"{name}.py").read_text(encoding="utf-8")
    script = folder / f"{name}.py"
    rendered = text.replace("{{ cookiecutter | tojson }}", json.dumps(context))
    script.write_text(rendered, encoding="utf-8")
    return load(script)


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give Git, DVC and cookiecutter an empty home, so that no setting of this machine counts."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        patch.setenv("UV_CACHE_DIR", run("uv", "cache", "dir", cwd=TEMPLATE).stdout.strip())
        for name in list(os.environ):
            if name.startswith(("GIT_", "DVC_", "AWS_", "CI", "GITHUB_", "GITLAB_", "BITBUCKET_")):
                patch.delenv(name)
        patch.delenv("VIRTUAL_ENV", raising=False)
        for name in ("HOME", "USERPROFILE"):
            patch.setenv(name, str(folder))
        for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
            patch.setenv(name, str(folder / name.lower()))
        patch.setenv("XDG_CACHE_HOME", str(folder / ".cache"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        patch.setenv("MYPY_CACHE_DIR", str(folder / "mypy"))  # libraries are analysed only once
        if sys.version_info >= LEAST:  # else uv finds, or fetches, what the projects need
            patch.setenv("UV_PYTHON", sys.executable)
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # nothing would be compiled but once
        (folder / ".gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.com\n")
        (folder / ".config" / "uv").mkdir(parents=True)
        (folder / ".config" / "uv" / "uv.toml").write_text(UV)
        yield folder


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return where the virtual environment of all projects with the same packages is.

    `uv run` brings it up to date. Every process of a parallel run has its own.
    """
    folder = tmp_path_factory.mktemp("environments")
    return lambda packages: folder / packages


def packages_of(answers: dict[str, str]) -> str:
    """Return a name for the packages of a project: its remote and what it computes on decide."""
    return answers["remote"] + ("-dask" if answers["compute"] == "dask" else "")


@pytest.fixture
def bake(
    cookies, environments: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., BakedProject]:
    """Bake a project with hooks, as a user does: `bake(remote="s3")`."""
    monkeypatch.chdir(TEMPLATE)

    def bake(**answers: str) -> BakedProject:
        settled = asked.settle(answers)
        result = cookies.bake(extra_context=settled)
        if result.exception:
            raise result.exception
        return BakedProject(result.project_path, environments(packages_of(settled)))

    return bake


@pytest.fixture
def render(
    tmp_path: Path, environments: Callable[[str], Path], home: Path
) -> Callable[..., BakedProject]:
    """Render a project's files only, without the hooks: a quarter of a second."""
    config = home / "cookiecutter.yaml"
    config.write_text(f"replay_dir: {home / 'replay'}\ncookiecutters_dir: {home / 'templates'}\n")

    def render(**answers: str) -> BakedProject:
        project = cookiecutter(
            str(TEMPLATE),
            no_input=True,
            accept_hooks=False,
            extra_context=asked.settle(answers),
            output_dir=str(tmp_path / f"render{len(list(tmp_path.glob('render*')))}"),
            config_file=str(config),
        )
        return BakedProject(Path(project), environments(packages_of(asked.settle(answers))))

    return render


@pytest.fixture(scope="session")
def team(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[BakedProject], dict[str, str]]]:
    """Return the variables by which a stage runs on a team's worker of two threads, started once.

    A stage costs a third of what it costs with workers of its own.
    """
    folder, found = tmp_path_factory.mktemp("team"), dict[str, str]()
    with ExitStack() as stack:

        def team(project: BakedProject) -> dict[str, str]:
            if not found:
                project.make_environment()
                address = stack.enter_context(workers.scheduler(project.environment, folder))
                worker = workers.worker(project.environment, folder, address, "--nthreads", "2")
                stack.enter_context(worker)
                found[workers.ADDRESS] = address
            return found

        yield team


@pytest.fixture
def path_without(tmp_path: Path) -> Callable[..., str]:
    """Return a PATH with this machine's commands but for those named."""

    def path_without(*names: str) -> str:
        folder = tmp_path / "-".join(["path-without", *names])
        folder.mkdir()
        for place in map(Path, os.environ["PATH"].split(os.pathsep)):
            for command in place.iterdir() if place.is_dir() else []:
                if command.name not in names and not (folder / command.name).exists():
                    (folder / command.name).symlink_to(command)
        return str(folder)

    return path_without


@pytest.fixture(scope="session")
def project_once(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project whose small pipeline was run once, made once."""
    project = new_project(tmp_path_factory.mktemp("once") / "project")
    project.dvc("repro")
    project.commit("Run the pipeline")
    return project


@pytest.fixture
def project(project_once: Project, tmp_path: Path) -> Project:
    """Return a project whose small pipeline was run once, in a state of its own."""
    return project_once.copy(tmp_path / "project")


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """S3 on loopback that counts what is asked of it."""
    with histories.s3_server() as running:
        yield running


@pytest.fixture(scope="module")
def laptop_once(tmp_path_factory: pytest.TempPathFactory, server: S3Server) -> Project:
    """A laptop that has run the pipeline and pushed everything, made once."""
    keys = dict.fromkeys(histories.SECRETS, "test-secret")
    project = new_project(tmp_path_factory.mktemp("once") / "laptop", "s3", **keys)
    histories.set_remote(project, "s3://bucket/once", server.endpoint)
    project.dvc("repro")
    project.commit("Run the pipeline")
    project.dvc("push", "--run-cache")
    return project


@pytest.fixture
def laptop(tmp_path: Path, laptop_once: Project, server: S3Server) -> Project:
    """A laptop that has run the pipeline and pushed everything, in a state of its own."""
    server.hold = ""
    server.held.clear()
    server.released.clear()
    keys = dict.fromkeys(histories.SECRETS, "test-secret")
    project = Project(tmp_path / "laptop", **keys)
    shutil.copytree(laptop_once.root, project.root, symlinks=True)
    return project
