"""Ask the remote what a push and a pull would ask, in a process that can be ended.

Run by `checks`. Prints one line of JSON per answer, since DVC may wait for minutes for a
server that never answers, and what came before is still worth knowing.
"""

import json
import logging
import tempfile
from pathlib import Path
from typing import Any

from mlci.storage.remote import NAME

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


def round_trip(fs: Any, path: str) -> str:
    """Write a tiny object as a push does, read it back and remove it; return what was possible."""
    content = b"Written by `ci doctor`; it can be deleted.\n"
    with tempfile.TemporaryDirectory() as folder:
        there, back = Path(folder, "there"), Path(folder, "back")
        there.write_bytes(content)
        fs.makedirs(fs.parent(path), exist_ok=True)
        fs.put_file(str(there), path)
        fs.get_file(path, str(back))
        if back.read_bytes() != content:
            raise OSError("the storage returned other bytes than were written")
    try:
        fs.rm_file(path)
    except NotImplementedError:
        return f"readable and writable ({OBJECT} stays there, since DVC cannot delete it)"
    return "readable and writable"


def reasons(error: BaseException | None) -> str:
    """Return an error and all that led to it, one per line, from the last to the first."""
    lines: list[str] = []
    while error is not None and len(lines) < 20:
        lines.append(" ".join(f"{type(error).__name__}: {error}".split()))
        error = error.__cause__ or error.__context__
    return "\n".join(lines)


def main() -> None:
    """Load the plugin, make a round trip, compare the cache with the remote."""
    logging.basicConfig(level=logging.DEBUG, handlers=[Retries()])
    check = "Plugin"
    try:
        from dvc.repo import Repo

        with Repo() as repo:
            remote = repo.cloud.get_remote(NAME)
            tell(check)
            check = "Storage"
            found = round_trip(remote.fs, remote.fs.join(remote.path, OBJECT))
            logging.disable()
            tell(check, found=found)
            check = "Data pushed"
            tell(check, status=repo.status(cloud=True))
    except Exception as error:  # noqa: BLE001 - plugins raise whatever their library raises
        tell(check, error=reasons(error))


if __name__ == "__main__":
    main()
