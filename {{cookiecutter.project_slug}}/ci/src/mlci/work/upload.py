"""Push data and run cache, and ask the remote whether others can get everything.

As a module that a transfer runs, `python -m mlci.work.upload PATH …` does both in one process, since
the start of DVC is most of what a small one takes. Without a path nothing is pushed.
"""

import json
import os
import sys

from dvc.cli import main as dvc
from dvc.repo import Repo

ASKING = "Asking the remote whether others can get everything"  # said where nothing failed before
ANSWER = "Not in the remote: "
EVERYTHING = "It has everything."


def ask_remote() -> list[str]:
    """Return the files that the remote lacks: `dvc data status --not-in-remote`, without data."""
    with Repo() as repo:
        found = repo.data_status(granular=True, not_in_remote=True, remote_refresh=True)
    return [path.replace(os.sep, "/") for path in found["not_in_remote"]]


def absent_paths(output: str) -> list[str] | None:
    """Return what the remote does not have, from what this module printed; None for no answer."""
    _, answer, paths = output.rpartition(ANSWER)
    if answer:
        absent: list[str] = json.loads(paths.splitlines()[0])
        return absent
    return [] if EVERYTHING in output else None


if __name__ == "__main__":
    if sys.argv[1:] and (failed := dvc(["push", "--run-cache", *sys.argv[1:]])):
        sys.exit(failed)
    print(ASKING, flush=True)
    try:
        absent = ask_remote()
        print(f"{ANSWER}{json.dumps(absent)}" if absent else EVERYTHING)
    except Exception as error:  # noqa: BLE001 - plugins raise whatever their library raises
        sys.exit(f"ERROR: {error}")
