"""Make a repository of the rendered files: Git, DVC, the remote, the lock, the first commit.

Nothing here may cost the user the project: a tool that is missing or fails leaves its commands to
be typed by hand, and they are printed. A step whose result is there already is left out, so that a
second run changes nothing.
"""

import configparser
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ANSWERS = json.loads(
    r'''
{{ cookiecutter | tojson }}
'''
)
REMOTE = ANSWERS["_remotes"][ANSWERS["remote"]]
TIME_LIMIT = 300  # seconds for one command; the slowest is a `uv lock` with an empty cache


class Step(NamedTuple):
    """One command, as the user could type it, and the kind of step whose failure prevents it."""

    tool: str
    command: list[str]
    needs: str = ""


def remove_empty_folders(root: Path) -> None:
    """Remove the folders whose files depend on answers that were not given."""
    for folder in sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True):
        if ".git" not in folder.relative_to(root).parts and not any(folder.iterdir()):
            folder.rmdir()


def git_answers(*arguments: str) -> str | None:
    """Return what a Git query prints, or None where it fails or Git is missing."""
    try:
        query = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return query.stdout.strip() if query.returncode == 0 else None


def is_part_of_another_repository(root: Path) -> bool:
    """Tell whether an outer repository tracks this folder (one that ignores it does not count)."""
    top = git_answers("rev-parse", "--show-toplevel")
    ignored = git_answers("check-ignore", "--quiet", str(root)) is not None
    return bool(top) and Path(top).resolve() != root and not ignored


def remote_url(root: Path) -> str:
    """Return the URL of the remote; a local one absolute, so that it holds in every clone."""
    url = ANSWERS["remote_url"]
    return url if REMOTE["schemes"] else str((root / Path(url).expanduser()).resolve())


def remote_options() -> dict[str, str]:
    """Return the DVC options of the remote, its endpoint included where one was given."""
    options = dict(REMOTE["options"])
    if ANSWERS["remote_endpoint"]:
        options[REMOTE["endpoint_option"]] = ANSWERS["remote_endpoint"]
    return options


def git_steps(root: Path) -> list[Step]:
    """Plan a repository on the branch main, in words that Git before 2.28 understands too."""
    if (root / ".git").exists():
        return []
    return [
        Step("git", ["git", "init", "--quiet"]),
        Step("git", ["git", "symbolic-ref", "HEAD", "refs/heads/main"], needs="git"),
    ]


def dvc_steps(root: Path, subdir: bool) -> list[Step]:
    """Plan `dvc init` and the default remote `storage`."""
    config = configparser.ConfigParser()
    config.read(root / ".dvc" / "config", encoding="utf-8")
    steps = []
    if not (root / ".dvc" / "config").exists():
        steps += [["init", "--quiet", *(["--subdir"] if subdir else [])]]
    if not config.has_option("core", "analytics"):
        steps += [["config", "core.analytics", "false"]]
    if '\'remote "storage"\'' not in config.sections():
        steps += [["remote", "add", "--quiet", "--default", "storage", remote_url(root)]]
        steps += [["remote", "modify", "storage", *item] for item in remote_options().items()]
    return [Step("dvc", ["dvc", *step], needs="git dvc") for step in steps]


def plan(root: Path) -> list[Step]:
    """List the commands that the folder still needs, in their order."""
    subdir = is_part_of_another_repository(root)
    steps = [] if subdir else git_steps(root)
    steps += dvc_steps(root, subdir)
    if not (root / "uv.lock").exists():
        steps += [Step("uv", ["uv", "lock", "--quiet"])]
    if not subdir and git_answers("rev-parse", "--verify", "--quiet", "HEAD") is None:
        message = f"Create {ANSWERS['project_slug']} from cookiecutter-dvc-cml"
        steps += [Step("git", ["git", "add", "--all"], needs="git")]
        steps += [Step("git", ["git", "commit", "--quiet", "--message", message], needs="git")]
    return steps


def executable(step: Step) -> list[str]:
    """Return the command as this machine can run it."""
    if step.tool == "dvc":
        if importlib.util.find_spec("dvc"):
            return [sys.executable, "-m", *step.command]
        if not shutil.which("dvc"):
            return ["uvx", *step.command]
    if step.command[:2] == ["git", "commit"]:  # without an identity Git would invent one
        return ["git", "-c", "user.useConfigOnly=true", *step.command[1:]]
    return step.command


def run(step: Step) -> str:
    """Run one step; return why it failed, or nothing."""
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    if sys.version_info >= (3, 11):  # the project's own Python may not be on this machine yet
        environment["UV_PYTHON"] = sys.executable
    try:
        done = subprocess.run(
            executable(step), capture_output=True, text=True, timeout=TIME_LIMIT, env=environment
        )
    except FileNotFoundError:
        return f"{step.tool} was not found"
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else (done.stderr or done.stdout).strip() or "it failed"
