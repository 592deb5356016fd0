"""Bake a project into build/demo, run it, try a second model on a branch, and compare the two."""

import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from cookiecutter.main import cookiecutter

TEMPLATE = Path(__file__).resolve().parents[1]
DEMO = TEMPLATE / "build" / "demo"
PROJECT = DEMO / "handwritten-digits"
AUTHOR = "demo@example.com"
TOOLS = Path(sys.executable).parent
ENVIRONMENT = os.environ | {
    "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
    "UV_PYTHON": sys.executable,
    "UV_PROJECT_ENVIRONMENT": str(PROJECT / ".venv"),
    # The demo commits even on a machine where Git does not know its user yet.
    "GIT_AUTHOR_NAME": "Demo",
    "GIT_AUTHOR_EMAIL": AUTHOR,
    "GIT_COMMITTER_NAME": "Demo",
    "GIT_COMMITTER_EMAIL": AUTHOR,
}
OPEN_THESE = {
    "report.html": "the second model against the first, with its plots",
    "report.md": "the same as a pull request shows it",
    "train.py": "the training script, short enough to read now",
    "params.yaml": "every number that can be turned",
    "SECRETS.md": "what the storage and the CI of this project need",
}


def step(*command: str) -> None:
    """Show a command as a user would type it, and run it in the project."""
    print(f"$ {subprocess.list2cmdline(command)}", flush=True)
    subprocess.run(command, cwd=PROJECT, env=ENVIRONMENT, check=True)


def output_of(*command: str) -> str:
    """Return what a Git command prints in the project, or nothing where there is none."""
    git = ["git", "-C", str(PROJECT), *command]
    return subprocess.run(git, capture_output=True, check=False, encoding="utf-8").stdout


def is_changed() -> bool:
    """Tell whether somebody has worked in the last demo: other commits, or files not committed."""
    authors = set(output_of("log", "--all", "--format=%ae").split())
    return PROJECT.exists() and (authors != {AUTHOR} or output_of("status", "--short") != "")


def make_room() -> None:
    """Remove the last demo; one that somebody has changed is kept under another name."""
    if is_changed():
        names = (DEMO.with_name(f"demo-{number}") for number in itertools.count(1))
        kept = next(name for name in names if not name.exists())
        DEMO.rename(kept)
        print(f"The last demo was changed: it is kept in {kept}\n")
    shutil.rmtree(DEMO, ignore_errors=True)


def bake() -> None:
    """Generate the project anew, its local remote beside it."""
    make_room()
    DEMO.mkdir(parents=True)
    os.environ.update(ENVIRONMENT)  # the hooks run in this process's environment
    cookiecutter(
        str(TEMPLATE),
        no_input=True,
        output_dir=str(DEMO),
        extra_context={
            "project_name": "Handwritten digits",
            "project_slug": PROJECT.name,
            "remote": "local",
            "remote_url": str(DEMO / "storage"),
        },
    )


def choose(model: str) -> None:
    """Set train.model in params.yaml, as a data scientist would by hand."""
    params = PROJECT / "params.yaml"
    text = re.sub(r"(?m)^  model: \w+", f"  model: {model}", params.read_text(encoding="utf-8"))
    params.write_text(text, encoding="utf-8")


def main() -> None:
    """Run the demo from the bake to the report."""
    bake()
    step("uv", "sync", "--quiet")
    step("uv", "run", "dvc", "repro")
    step("git", "add", "--all")
    step("git", "commit", "--quiet", "--message", "Train the first model")
    step("uv", "run", "dvc", "push")
    step("git", "switch", "--quiet", "--create", "second-model")
    choose("random_forest")
    print("\nparams.yaml: train.model is random_forest now\n")
    step("git", "commit", "--all", "--quiet", "--message", "Try a random forest")
    step("uv", "run", "ci", "run", "--baseline", "main")
    step("git", "commit", "--all", "--quiet", "--message", "Record the second model")
    print("\nDone. Five files worth opening:\n")
    for name, why in OPEN_THESE.items():
        print(f"  {PROJECT / name}\n      {why}")


if __name__ == "__main__":
    main()
