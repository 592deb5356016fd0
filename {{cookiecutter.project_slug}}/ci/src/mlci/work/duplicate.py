"""A copy of the checkout to try a change in, and the way of its files back into the checkout.

Whatever ends the work in the copy leaves the checkout as it was. What ends the way back is finished
by the next call, since the copy then holds a plan that says so.
"""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TMP = Path(".dvc/tmp")  # which Git ignores
PREFIX = "use-remote-"
LAST = ".dvc/config"  # the file that counts: the others are worth nothing without it


@dataclass(frozen=True)
class Copy:
    """A copy of the whole repository, at the commit that is checked out."""

    folder: Path  # absolute
    prefix: str  # the project's folder in the repository, as `ml/`, or nothing

    @property
    def repository(self) -> Path:
        """The copied repository."""
        return self.folder / "repository"

    @property
    def project(self) -> Path:
        """The copied project."""
        return self.repository / self.prefix

    @property
    def python(self) -> Path:
        """The Python of the copy's own environment."""
        return self.project / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def plan(self) -> Path:
        """The file that is there once nothing is left to do but to put the files into place."""
        return self.folder / "plan.json"


def git(*arguments: str, cwd: Path | None = None) -> str:
    """Return what a Git command prints.

    Raises:
        CalledProcessError: it fails.
    """
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=cwd, check=True, capture_output=True, encoding="utf-8")
    return done.stdout


def changes(folder: Path | None = None) -> list[str]:
    """Return the files that differ from the commit, untracked ones too, from the repository's top."""
    listed = git("status", "--porcelain", "--untracked-files=all", "--no-renames", "-z", cwd=folder)
    return [entry[3:] for entry in listed.split("\0") if entry]


def refuse_changes() -> str:
    """Return the sentence that asks for a clean checkout, or nothing where it is clean."""
    dirty = changes()
    return f"Commit or remove your own changes first: {', '.join(dirty[:5])}." if dirty else ""


def head() -> str:
    """Return the commit that is checked out."""
    return git("rev-parse", "HEAD").strip()


@contextlib.contextmanager
def make_copy() -> Iterator[Copy]:
    """Make a copy of the repository; at the end remove it, unless its way back was interrupted."""
    TMP.mkdir(exist_ok=True)
    for left in TMP.glob(f"{PREFIX}*"):  # by a call that was killed
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=TMP)).resolve()
    copy = Copy(folder, git("rev-parse", "--show-prefix").strip())
    try:
        top = git("rev-parse", "--show-toplevel").strip()
        git("clone", "--quiet", top, str(copy.repository))
        yield copy
    finally:
        if not copy.plan.exists():
            shutil.rmtree(folder, ignore_errors=True)


def put_back(copy: Copy, what: str, ignored: list[str]) -> None:
    """Put the changed files of the copy into the checkout, the one that counts last.

    Args:
        copy: The copy.
        what: What the change is, for whoever has to finish it.
        ignored: Files of the project, which Git ignores, that belong to the change.
    """
    last = copy.prefix + LAST
    names = [name for name in changes(copy.repository) if name != last]
    names += [copy.prefix + name for name in ignored]
    plan = {"what": what, "commit": head(), "prefix": copy.prefix, "names": [*names, last]}
    draft = copy.plan.with_suffix(".new")
    draft.write_text(json.dumps(plan), encoding="utf-8")
    draft.replace(copy.plan)
    finish(copy, plan)


def finish(copy: Copy, plan: dict[str, Any]) -> None:
    """Put files of the copy into the checkout, each at once and whole, then remove the copy."""
    top = Path(git("rev-parse", "--show-toplevel").strip())
    for name in plan["names"]:
        source, target = copy.repository / name, top / name
        if not source.exists():
            target.unlink(missing_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = copy.folder / "draft"  # on the same file system, and not in Git's way
        shutil.copy(source, draft)
        draft.replace(target)
    copy.plan.unlink()
    shutil.rmtree(copy.folder, ignore_errors=True)


def find_interrupted() -> tuple[Copy, dict[str, Any]] | None:
    """Return the copy whose way back was interrupted at this commit, with its plan."""
    for path in TMP.glob(f"{PREFIX}*/plan.json"):
        plan = json.loads(path.read_text(encoding="utf-8"))
        if plan["commit"] == head():
            return Copy(path.parent.resolve(), plan["prefix"]), plan
    return None
