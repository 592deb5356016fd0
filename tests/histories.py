"""Build real Git and DVC histories with a pipeline of plain Python stages that take milliseconds.

The stages have the names and the flow of the template's own; each that runs adds its name to the
file in the environment variable `STAGES_LOG`, so that a test knows what was really run.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import yaml
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

CI = Path(__file__).parent.parent / "{{cookiecutter.project_slug}}" / "ci"
SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
PIPELINE = """\
stages:
  sample:
    cmd: python sample.py
    deps: [sample.py]
    outs: [data/source]
  prepare:
    cmd: python prepare.py
    deps: [data/source, prepare.py]
    params: [prepare]
    outs: [data/raw]
  train:
    cmd: python train.py
    deps: [data/raw, train.py]
    params: [train]
    outs: [models/model.json]
  evaluate:
    cmd: python evaluate.py
    deps: [models/model.json, evaluate.py]
    metrics:
      - metrics.json: {cache: false}
"""
LOG = """\
import json, os, pathlib, time, yaml
if os.environ.get("STAGES_LOG"):
    with open(os.environ["STAGES_LOG"], "a") as log:
        log.write(pathlib.Path(__file__).stem + "\\n")
params = yaml.safe_load(pathlib.Path("params.yaml").read_text())
"""
FILES = {
    "dvc.yaml": PIPELINE,
    "params.yaml": json.dumps({"prepare": {"times": 2}, "train": {"rate": 0.5}}),
    "sample.py": LOG
    + """
folder = pathlib.Path("data/source")
folder.mkdir(parents=True)
for number in range(4):
    (folder / f"{number}.csv").write_text(f"{number}\\n" * 1000)
""",
    "prepare.py": LOG
    + """
folder = pathlib.Path("data/raw")
folder.mkdir(parents=True)
for path in sorted(pathlib.Path("data/source").iterdir()):
    (folder / path.name).write_text(path.read_text() * params["prepare"]["times"])
""",
    "train.py": LOG
    + """
rows = sum(len(path.read_text().split()) for path in pathlib.Path("data/raw").iterdir())
pathlib.Path("models").mkdir(exist_ok=True)
model = {"rows": rows, "rate": params["train"]["rate"]}
pathlib.Path("models/model.json").write_text(json.dumps(model))
""",
    "evaluate.py": LOG
    + """
model = json.loads(pathlib.Path("models/model.json").read_text())
metrics = {"accuracy": model["rate"] / 0.9, "log_loss": 1 - model["rate"], "rows": model["rows"]}
pathlib.Path("metrics.json").write_text(json.dumps(metrics))
""",
    ".gitignore": "/report.md\n__pycache__/\n",
}


def measured() -> dict[str, str]:
    """Return the variables by which `make coverage` looks at what other processes run, too."""
    return {name: text for name, text in os.environ.items() if name.startswith("COVERAGE_")}


def bare_python() -> list[str]:
    """Return how to call a Python without packages; `make coverage` needs its own in each."""
    return [sys.executable] if measured() else [sys.executable, "-S"]


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Return an environment that knows nothing of this machine's user, Git or CI."""
    kept = {
        name: os.environ[name]
        for name in ("LANG", "SYSTEMROOT", "TMPDIR", "XDG_CACHE_HOME")  # the last has Vega's bundle
        if name in os.environ
    }
    kept |= measured()
    author = {
        f"GIT_{who}_{what}": "test@example.com" if what == "EMAIL" else "Test"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    folders = {
        name: str(home / name.lower())
        for name in (
            "DVC_SITE_CACHE_DIR",
            "DVC_GLOBAL_CONFIG_DIR",
            "DVC_SYSTEM_CONFIG_DIR",
        )
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    fixed = {
        "PATH": path,
        "HOME": str(home),
        "DVC_NO_ANALYTICS": "1",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",  # `mlci` is imported where projects are copied from
    }
    git = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    return kept | author | folders | fixed | git | variables


class Project:
    """A checkout in which Git, DVC and the commands of `ci` can be run."""

    def __init__(self, root: Path, **variables: str) -> None:
        self.root = root
        self.stages_log = root.parent / f"{root.name}-stages.log"
        self.env = environment(root.parent / f"{root.name}-home", **variables)
        self.env["STAGES_LOG"] = str(self.stages_log)

    def copy(self, root: Path) -> "Project":
        """Return the same project in another folder, in a state of its own."""
        copied = Project(root)
        shutil.copytree(self.root, root, symlinks=True)
        return copied

    def run(
        self, *command: str, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the checkout; its stdout and stderr are text."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.env | variables,
            capture_output=True,
            encoding="utf-8",
            timeout=600,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def git(self, *arguments: str) -> str:
        """Run Git and return what it prints."""
        return self.run("git", *arguments).stdout.strip()

    def dvc(self, *arguments: str) -> str:
        """Run DVC and return what it prints."""
        return self.run(sys.executable, "-m", "dvc", *arguments).stdout

    def commit(self, message: str = "Change") -> str:
        """Commit everything and return the sha."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def write(self, path: str, content: str | Mapping[str, object]) -> None:
        """Write a file; a mapping as JSON (which YAML includes)."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        target.write_text(text, encoding="utf-8")

    def measure(self, metrics: str | Mapping[str, object]) -> None:
        """Write the metrics as if `evaluate` had: with their checksum in `dvc.lock`."""
        self.write("metrics.json", metrics)
        lock = yaml.safe_load((self.root / "dvc.lock").read_text(encoding="utf-8"))
        content = (self.root / "metrics.json").read_bytes()
        (out,) = lock["stages"]["evaluate"]["outs"]
        out |= {
            "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
            "size": len(content),
        }
        self.write("dvc.lock", yaml.safe_dump(lock, sort_keys=False))

    def set_rate(self, rate: float) -> None:
        """Change the parameter of `train`."""
        self.write("params.yaml", {"prepare": {"times": 2}, "train": {"rate": rate}})

    def script(self, name: str, *flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run one of the commands of `ci`."""
        return self.run(sys.executable, "ci", name, *flags, check=False, **variables)

    def start(self, *flags: str, **variables: str) -> subprocess.Popen[str]:
        """Start `ci run` in a process group of its own, its output to be read as it comes."""
        return subprocess.Popen(
            [sys.executable, "ci", "run", *flags],
            cwd=self.root,
            env=self.env | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )

    def checksums(self, stage: str) -> dict[str, str]:
        """Return {path: checksum} of a stage's outputs in `dvc.lock`, with the files of folders."""
        lock = yaml.safe_load((self.root / "dvc.lock").read_text())
        found = {}
        for out in lock["stages"][stage]["outs"]:
            found[out["path"]] = out["md5"]
            if out["md5"].endswith(".dir"):
                listing = self.root / ".dvc/cache/files/md5" / out["md5"][:2] / out["md5"][2:]
                for entry in json.loads(listing.read_text()):
                    found[f"{out['path']}/{entry['relpath']}"] = entry["md5"]
        return found

    @property
    def report(self) -> str:
        """The report that was written last."""
        return (self.root / "report.md").read_text(encoding="utf-8")

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics in the checkout."""
        text = (self.root / "metrics.json").read_text(encoding="utf-8")
        return dict(json.loads(text))

    def stages_run(self) -> list[str]:
        """Return the stages that were run since the last call."""
        ran = self.stages_log.read_text().split() if self.stages_log.exists() else []
        self.stages_log.unlink(missing_ok=True)
        return ran


def add_experiments(project: Project, number: int) -> None:
    """Add as many experiments of `dvc exp` on main, with parameters and metrics of their own."""
    main = project.git("rev-parse", "main")
    params = yaml.safe_load((project.root / "params.yaml").read_text())
    lock = yaml.safe_load((project.root / "dvc.lock").read_text())
    stream = []
    for index in range(number):
        score = (index * 7919 % number) / number
        train = {"rate": index, "layers": [1, 2]}
        lock["stages"]["train"]["params"]["params.yaml"]["train"] = train
        metrics = json.dumps({"accuracy": score, "cv": {"mean": score, "std": 0.1}})
        (made,) = lock["stages"]["evaluate"]["outs"]
        made["md5"] = hashlib.md5(metrics.encode(), usedforsecurity=False).hexdigest()
        files = {
            "dvc.lock": yaml.safe_dump(lock),
            "params.yaml": yaml.safe_dump(params | {"train": train}),
            "metrics.json": metrics,
        }
        ref = f"refs/exps/{main[:2]}/{main[2:]}/exp-{index:03}"
        stream += [
            f"commit {ref}",
            f"committer Test <t@example.com> {1_700_000_000 + index} +0000",
        ]
        stream += ["data 1", "x", f"from {main}"]
        for path, text in files.items():
            stream += [f"M 100644 inline {path}", f"data {len(text.encode())}", text]
    (project.root / "stream").write_text("\n".join(stream) + "\n")
    project.run("sh", "-c", "git fast-import --quiet < stream")


def copy_scripts(root: Path, remote: str) -> None:
    """Put the template's `ci/` into a project, with what it knows of its remote."""
    shutil.copytree(CI, root / "ci", ignore=shutil.ignore_patterns("remote.json", "__pycache__"))
    names = SECRETS if remote == "s3" else ()
    secrets = [{"name": name, "required": True, "via": "env", "option": None} for name in names]
    token = {"name": "REPO_TOKEN", "required": True, "via": "env", "option": None}
    spec = {"remote": remote, "secrets": secrets, "oidc": None, "ci": {"secrets": [token]}}
    (root / "ci" / "remote.json").write_text(json.dumps(spec))


def new_project(root: Path, remote: str = "local", **variables: str) -> Project:
    """Make a project whose pipeline was never run, with its first commit."""
    root.mkdir(parents=True)
    project = Project(root, **variables)
    project.git("init", "--quiet", "--initial-branch=main")
    for path, content in FILES.items():
        project.write(path, content)
    copy_scripts(root, remote)
    project.write(".dvc/config", "[core]\n    analytics = false\n    check_update = false\n")
    project.write(".dvc/.gitignore", "/config.local\n/tmp\n/cache\n")
    project.commit("Begin")
    return project


def set_remote(project: Project, url: str, endpoint: str = "") -> None:
    """Make this the DVC remote `storage` of a project."""
    options = f"    endpointurl = {endpoint}\n" if endpoint else ""
    (project.root / ".dvc" / "config").write_text(
        "[core]\n    analytics = false\n    check_update = false\n    remote = storage\n"
        f"['remote \"storage\"']\n    url = {url}\n{options}"
    )


def clone(project: Project, root: Path, *flags: str, **variables: str) -> Project:
    """Clone a project as CI does: without data, cache or any state of the first one."""
    project.run("git", "clone", "--quiet", *flags, project.root.as_uri(), str(root))
    names = {name: project.env[name] for name in SECRETS if name in project.env}
    return Project(root, **names, **variables)


class S3Server:
    """moto behind a counter of requests; `hold` keeps those that match unanswered.

    `read_only` refuses what would write, as to a key that may only read.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.requests: list[tuple[str, str]] = []
        self.fetched = 0  # bytes of objects that were read
        self.sent = 0  # bytes of requests that write
        self.hold = ""
        self.read_only = False
        self.held = threading.Event()
        self.released = threading.Event()

    def client(self) -> Any:
        """Return what reads and writes the bucket behind the project's back."""
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", **keys)

    def data_requests(self, method: str) -> list[str]:
        """Return the checksums of the data that was read or written since the last `clear`."""
        return [
            path.partition("/files/md5/")[2].replace("/", "")
            for verb, path in self.requests
            if verb == method and "/files/md5/" in path and not path.endswith("/files/md5/")
        ]


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Serve S3 on loopback, with the bucket `bucket`."""
    backend = DomainDispatcherApplication(create_backend_app)

    def counted(environ: Any, start_response: Any) -> Any:
        request = (environ["REQUEST_METHOD"], environ["PATH_INFO"])
        server.requests.append(request)
        if server.hold and server.hold in " ".join(request):
            server.held.set()
            server.released.wait(60)
        if request[0] == "PUT":
            server.sent += int(environ.get("CONTENT_LENGTH") or 0)
        if server.read_only and request[0] in ("PUT", "POST", "DELETE"):
            start_response("403 Forbidden", [("Content-Type", "application/xml")])
            return [b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"]

        def measured(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if request[0] == "GET":
                server.fetched += int(dict(headers).get("Content-Length", 0))
            return start_response(status, headers, *rest)

        return backend(environ, measured)

    class Quiet(WSGIRequestHandler):
        def log(self, *_: object) -> None:
            pass

    http = make_server("127.0.0.1", 0, counted, threaded=True, request_handler=Quiet)
    server = S3Server(f"http://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        server.client().create_bucket(Bucket="bucket")
        yield server
    finally:
        server.released.set()
        http.shutdown()
        thread.join(10)
