"""Ask the remote what a push and a pull would ask, in a process that can be ended.

Run by `checks`. Prints one line of JSON per answer, since DVC may wait for minutes for a
server that never answers, and what came before is still worth knowing.
"""

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlci.storage.causes import is_refusal

OBJECT = ".dvc-doctor"  # one name, so that a storage that cannot delete keeps one at most


def tell(check: str, **answer: object) -> None:
    """Print one answer at once."""
    print(json.dumps({"check": check, **answer}), flush=True)


class Retries(logging.Handler):
    """Tell why a library tries again: it may do so for longer than the doctor can wait."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell the message of a record that is about another attempt."""
        if "retry" in str(record.msg).lower():
            tell("Storage", error=record.getMessage(), final=False)


class ActionError(Exception):
    """One of the actions that a push and a pull need failed; the cause says why."""


@contextmanager
def action(name: str) -> Iterator[None]:
    """Say which action it was that failed."""
    try:
        yield
    except Exception as error:
        raise ActionError(name) from error


def round_trip(fs: Any, root: str) -> str:
    """Write a tiny object as a push does, list, read it back, remove it; return what was possible.

    Raises:
        ActionError: one of the first three actions failed.
    """
    path, content = fs.join(root, OBJECT), b"Written by `ci doctor`; it can be deleted.\n"
    with tempfile.TemporaryDirectory() as folder:
        there, back = Path(folder, "there"), Path(folder, "back")
        there.write_bytes(content)
        with action("write"):
            # Made here, it would hide a drive that is not mounted.
            if fs.protocol == "local" and not fs.isdir(root):
                raise FileNotFoundError(f"there is no folder {root}")
            fs.makedirs(fs.parent(path), exist_ok=True)
            fs.put_file(str(there), path)
        with action("list"):
            if fs.CAN_TRAVERSE:  # HTTP knows no lists, and DVC asks it for none
                fs.ls(root)
        with action("read"):
            fs.get_file(path, str(back))
            if back.read_bytes() != content:
                raise OSError("the storage returned other bytes than were written")
    try:
        fs.rm_file(path)
    except NotImplementedError:
        return f"readable and writable ({OBJECT} stays there, since DVC cannot delete it)"
    except Exception as error:
        if not is_refusal(reasons(error)):
            raise ActionError("delete") from error
        return f"readable and writable ({OBJECT} stays there, since this key may not delete it)"
    return "readable and writable"


def read_something(fs: Any, root: str) -> None:
    """List the storage as a pull does, and read the first byte of the first file there is.

    Raises:
        ActionError: this key may not.
    """
    if not fs.CAN_TRAVERSE:
        with action("read"):
            fs.exists(fs.join(root, OBJECT))
        return
    with action("list"):
        path = first_file(fs, root)
    with action("read"):
        if path:
            with fs.open(path, "rb") as file:
                file.read(1)


def first_file(fs: Any, folder: str) -> str:
    """Return a file in the folder or below it; an empty string where there is none yet."""
    try:
        entries = sorted(fs.ls(folder, detail=True), key=lambda entry: str(entry["name"]))
    except FileNotFoundError:  # object storage has no empty folders
        return ""
    for entry in entries:
        if entry["type"] != "directory":
            return str(entry["name"])
        if path := first_file(fs, entry["name"]):
            return path
    return ""


def try_storage(fs: Any, root: str) -> None:
    """Tell what the storage allows; where it does not let us write, whether it lets us read."""
    try:
        tell("Storage", found=round_trip(fs, root))
    except ActionError as error:
        said, failed = reasons(error.__cause__), str(error)
        if failed != "write" or not is_refusal(said):
            tell("Storage", error=said, action=failed)
            raise
        tell("Storage", error=said, action=failed, final=False)
        try:
            read_something(fs, root)
        except ActionError:
            tell("Storage", error=said, action=failed)
            raise
        tell("Storage", error=said, action=failed, readable=True)


def reasons(error: BaseException | None) -> str:
    """Return an error and all that led to it, one per line, from the last to the first."""
    lines: list[str] = []
    while error is not None and len(lines) < 20:
        lines.append(" ".join(f"{type(error).__name__}: {error}".split()))
        error = error.__cause__ or error.__context__
    return "\n".join(lines)


def main() -> None:
    """Load the plugin, try the storage, compare the cache with it."""
    logging.basicConfig(level=logging.DEBUG, handlers=[Retries()])
    check = "Plugin"
    try:
        from dvc.repo import Repo

        with Repo() as repo:
            remote = repo.cloud.get_remote()
            tell(check)
            check = "Storage"
            try:
                try_storage(remote.fs, remote.path)
            except ActionError:
                return
            logging.disable()
            check = "Data pushed"
            if remote.fs.version_aware or remote.worktree:
                tell(check, skipped="`version_aware` keeps versions, which DVC does not compare")
                return
            tell(check, status=repo.status(cloud=True))
    except Exception as error:  # noqa: BLE001 - plugins raise whatever their library raises
        tell(check, error=reasons(error))


if __name__ == "__main__":
    main()
