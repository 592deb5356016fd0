"""Bake a project into build/demo, train a model, a better one on a branch, and compare the two."""

import ast
import itertools
import json
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
    "UV_PROJECT_ENVIRONMENT": str(PROJECT / ".venv"),
    # The demo commits even on a machine where Git does not know its user yet.
    "GIT_AUTHOR_NAME": "Demo",
    "GIT_AUTHOR_EMAIL": AUTHOR,
    "GIT_COMMITTER_NAME": "Demo",
    "GIT_COMMITTER_EMAIL": AUTHOR,
}
LEAST = json.loads((TEMPLATE / "cookiecutter.json").read_text("utf-8"))["_requires_python"]
if sys.version_info >= tuple(map(int, re.findall(r"\d+", LEAST)[:2])):
    ENVIRONMENT["UV_PYTHON"] = sys.executable
OPEN_THESE = {
    "report.html": "the second model against the first, with its plots",
    "report.md": "the same as a pull request shows it",
    "train.py": "the training script, short enough to read now",
    "params.yaml": "every number that can be turned",
    "SECRETS.md": "what the storage and the CI of this project need",
}

# What a file is for, where it does not say so itself in its first line.
PURPOSES = {
    ".cruft.json": "which template, which version of it and which answers it was made from",
    ".dvcignore": "what DVC overlooks",
    ".gitattributes": "which results Git merges as a whole",
    ".gitignore": "what Git overlooks",
    ".pre-commit-config.yaml": "what is checked before each commit",
    ".python-version": "the Python that uv takes",
    ".dvc/": "where DVC keeps and sends data",
    ".github/": "the workflow that answers pull requests, and updates of packages",
    "AGENTS.md": "what an agent may type, and what it leaves alone",
    "LICENSE": "what others may do with it",
    "README.md": "where to begin",
    "RECIPES.md": "own classes, further stages, images, notebooks, a service",
    "SECRETS.md": "what the storage and the CI need to be told",
    "ci/": "the command `ci`: run, report, leaderboard, doctor, update; it belongs to the template",
    "data/": "the tables, which DVC keeps",
    "dvc.yaml": "the pipeline: sample, prepare, train, evaluate",
    "models/": "the model, which DVC keeps",
    "params.yaml": "every number that can be turned",
    "pyproject.toml": "the packages, and the settings of the tools",
    "uv.lock": "the exact version of every package",
}


def tree(project: Path) -> list[tuple[str, str]]:
    """Return what a fresh project consists of: the name of a file or folder, and what it is for."""
    rows = []
    for path in sorted(project.iterdir(), key=lambda path: (path.is_file(), path.name)):
        name = f"{path.name}/" if path.is_dir() else path.name
        if name in PURPOSES:
            rows.append((name, PURPOSES[name]))
        elif name not in {".git/", ".venv/"}:
            inside = sorted(path.glob("*.py")) if path.is_dir() else [path]
            rows += [(file.relative_to(project).as_posix(), first_line(file)) for file in inside]
            packages = sorted(path.glob("*/__init__.py"))
            rows += [(f"{name}{file.parent.name}/", first_line(file)) for file in packages]
    return rows


def first_line(script: Path) -> str:
    """Return the first line of a script's documentation."""
    documentation = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    return documentation.partition("\n")[0]


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


def turn(name: str, value: str) -> None:
    """Set the first parameter of this name in params.yaml, as a data scientist would by hand."""
    params = PROJECT / "params.yaml"
    text, count = re.subn(
        rf"(?m)^( +{name}:) \w+", rf"\1 {value}", params.read_text(encoding="utf-8"), count=1
    )
    assert count == 1, f"params.yaml has no {name}"
    params.write_text(text, encoding="utf-8")
    print(f"\nparams.yaml: {name} is {value} now\n", flush=True)


def main() -> None:
    """Run the demo from the bake to the report."""
    bake()
    print(f"\nThe project, {PROJECT}:\n")
    for name, purpose in tree(PROJECT):
        print(f"  {name:<28}{purpose}")
    print()
    step("uv", "sync", "--quiet")
    turn("model", "random_forest")
    turn("max_depth", "2")
    step("uv", "run", "dvc", "repro")
    step("git", "add", "--all")
    step("git", "commit", "--quiet", "--message", "Train the first model")
    step("uv", "run", "dvc", "push")
    step("git", "switch", "--quiet", "--create", "deeper-trees")
    turn("max_depth", "null")
    step(
        "git", "commit", "--all", "--quiet", "--message", "Let the trees grow as deep as they like"
    )
    step("uv", "run", "ci", "run", "--baseline", "main")
    step("git", "commit", "--all", "--quiet", "--message", "Record the second model")
    print("\nDone. Five files worth opening:\n")
    for name, why in OPEN_THESE.items():
        print(f"  {PROJECT / name}\n      {why}")


if __name__ == "__main__":
    main()
