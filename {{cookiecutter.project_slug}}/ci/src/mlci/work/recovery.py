"""Begin again after a run that was killed."""

import json
from contextlib import suppress
from pathlib import Path

import psutil

from mlci.work import process

LOCK = Path(".dvc/tmp/ci-run.lock")  # held by the operating system: it cannot outlive its process
CHILD = Path(".dvc/tmp/ci-process.json")  # the DVC process of the run that is going on


def remember_child(child: psutil.Process) -> None:
    """Write down the DVC process that this run started."""
    with suppress(psutil.Error):
        CHILD.write_text(json.dumps([child.pid, child.create_time()]), encoding="utf-8")


def tidy_up_after_crash() -> None:
    """End the DVC process of a run that was killed, and free what it had locked.

    DVC's own locks end with their process, but its list of paths in use (`rwlock`) is a file: one
    cut short by a kill makes every later command fail, and so does a process number used again.
    """
    with suppress(OSError, ValueError, psutil.Error):
        pid, created = json.loads(CHILD.read_text(encoding="utf-8"))
        child = psutil.Process(pid)
        if child.create_time() == created:
            process.end(child)
            child.wait(timeout=10)
    CHILD.unlink(missing_ok=True)
    rwlock = LOCK.with_name("rwlock")
    try:
        entries = json.loads(rwlock.read_text(encoding="utf-8"))
        writers = [*entries.get("write", {}).values()]
        readers = [reader for readers in entries.get("read", {}).values() for reader in readers]
        if any(runs_dvc(entry["pid"]) for entry in writers + readers):
            return
    except FileNotFoundError:
        return
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        pass  # cut short
    rwlock.unlink(missing_ok=True)


def runs_dvc(pid: int) -> bool:
    """Tell whether this process exists and is DVC."""
    try:
        return any("dvc" in word for word in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False
