"""Ask the remote what a push and a pull would ask, in a process that can be killed.

Run by `ci/doctor.py`, with its limit of time. Prints one line of JSON per answer, since DVC may hang
for minutes on a server that never answers, and what came before that is still worth knowing.
"""

import json
import logging
import tempfile
from pathlib import Path

from remote import NAME

OBJECT = ".dvc-doctor"  # one name, so that a storage that cannot delete keeps at most one


def tell(**answer: object) -> None:
    """Print one answer at once."""
    print(json.dumps(answer), flush=True)


def round_trip(fs: object, path: str) -> str:
    """Write a tiny object as a push does, read it back, remove it; return what is worth a word."""
    content = b"Written by ci/doctor.py; it can be deleted.\n"
    with tempfile.TemporaryDirectory() as folder:
        there, back = Path(folder, "there"), Path(folder, "back")
        there.write_bytes(content)
        fs.makedirs(fs.parent(path), exist_ok=True)
        fs.put_file(str(there), path)
        fs.get_file(path, str(back))
        if back.read_bytes() != content:
            message = "the storage returned other bytes than were written"
            raise OSError(message)
    try:
        fs.remove(path)
    except NotImplementedError:
        return f"readable and writable (nothing can be deleted there: {OBJECT} remains)"
    return "readable and writable"


def reasons(error: BaseException | None) -> str:
    """Return an error and all that led to it, one per line, from the outermost to the first."""
    lines = []
    while error is not None and len(lines) < 20:
        lines.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return "\n".join(lines)


def main() -> None:
    """Load the plugin, make a round trip, compare the cache with the remote."""
    logging.disable()  # retries are logged as warnings; the doctor has its own words
    step = "plugin"
    try:
        from dvc.repo import Repo

        with Repo() as repo:
            remote = repo.cloud.get_remote(NAME)
            tell(step=step)
            step = "storage"
            tell(step=step, found=round_trip(remote.fs, remote.fs.join(remote.path, OBJECT)))
            step = "pushed"
            tell(step=step, status=repo.status(cloud=True))
    except Exception as error:  # plugins raise whatever their library raises
        tell(step=step, error=reasons(error))


if __name__ == "__main__":
    main()
