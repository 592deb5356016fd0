"""Begin again after a run that was killed."""

import json
import shutil
import time
from contextlib import suppress
from pathlib import Path

import psutil
import yaml

from mlci.history.metadata import cache_folder
from mlci.history.repository import git
from mlci.work import process

LOCK = Path(".dvc/tmp/ci-run.lock")  # held by the operating system: it cannot outlive its process
KEPT = Path(".dvc/tmp/ci-locks")  # each dvc.lock, as it was before the stages were run
CHILD = Path(".dvc/tmp/ci-process.json")  # the DVC process of the run that is going on
WRITING = 60  # seconds; younger files of a shared cache may be somebody's who is writing them


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
    mend_locks()
    mend_run_cache()
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


def mend_run_cache() -> None:
    """Remove what a full disk or a kill left half written in DVC's run cache.

    DVC takes the newest file of a stage's folder for its result, and fails where there is none.
    """
    cache = cache_folder().parents[1]
    shared = cache != Path(".dvc/cache").resolve()
    latest = time.time() - (WRITING if shared else 0)
    for folder in (cache / "runs").glob("*/*"):
        with suppress(OSError):  # another project's run removed it just now
            changed = folder.stat().st_mtime  # what is removed from it changes that
            for entry in list(folder.iterdir()):
                status = entry.stat()
                half = entry.suffix == ".tmp" or not status.st_size
                if half and status.st_mtime <= latest:
                    entry.unlink()
            if not any(folder.iterdir()) and changed <= latest:
                folder.rmdir()


def runs_dvc(pid: int) -> bool:
    """Tell whether this process exists and is DVC."""
    try:
        return any("dvc" in word for word in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


def lock_files() -> list[Path]:
    """Return each `dvc.lock` of the project, whether Git knows it or not."""
    names = git("ls-files", "--cached", "--others", "--exclude-standard", "*dvc.lock")
    return [Path(name) for name in names.splitlines() if Path(name).name == "dvc.lock"]


def keep_locks() -> None:
    """Keep what is whole of the `dvc.lock` files: a full disk leaves DVC's writing half done."""
    shutil.rmtree(KEPT, ignore_errors=True)
    for path in lock_files():
        if path.exists() and is_whole(path):
            kept = KEPT / path
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, kept)


def put_back_locks() -> None:
    """Put each `dvc.lock` back as it was before the stages were run.

    On a full disk DVC writes down results that it could not keep. What it did keep is in the run
    cache: the next run takes it from there.
    """
    for path in lock_files():
        kept = KEPT / path
        if kept.exists():
            kept.replace(path)  # takes no room
        else:
            path.unlink(missing_ok=True)


def mend_locks() -> None:
    """Put back each `dvc.lock` that is empty or cut short: the one kept, else that of the commit.

    One with marks of a merge is the user's to mend.
    """
    for path in lock_files():
        if is_whole(path) or b"<<<<<<<" in path.read_bytes():
            continue
        kept = KEPT / path
        committed = git("show", f"HEAD:./{path.as_posix()}")
        if kept.exists() and is_whole(kept):
            kept.replace(path)  # takes no room on a full disk
        elif committed:
            path.write_text(committed + "\n", encoding="utf-8")
        else:
            path.unlink()
        print(f"ci run: {path} was empty or cut short; it is again as it was before.", flush=True)


def is_whole(path: Path) -> bool:
    """Tell whether a `dvc.lock` can be read and says something, or is not there at all."""
    try:
        return isinstance(yaml.safe_load(path.read_bytes()), dict)
    except FileNotFoundError:
        return True
    except (OSError, ValueError, yaml.YAMLError):
        return False
