"""Run DVC as a user would type it: echoed, its output shown and kept, never left hanging."""

import shlex
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import IO, NamedTuple

import psutil

from mlci.storage import transfer
from mlci.work import dvc_words

KEPT_LINES = 20_000  # of a command's output, for the report
# The output is read as UTF-8, which on Windows only a console is without being told.
ENVIRONMENT = {"PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1", "DVC_NO_ANALYTICS": "1"}
IDLE_CPU = 0.2  # seconds of processor time below which a silent DVC counts as doing nothing


class Done(NamedTuple):
    """How a command ended; `stalled` where it was ended because nothing happened any more."""

    code: int
    output: str
    stalled: bool
    stages: list[tuple[float, str]]  # the lines that name the next stage, with their seconds
    ended: float  # the second, by the same clock


def end(process: psutil.Process) -> None:
    """End a process and all that it started, at once; whoever started it waits for it."""
    with suppress(psutil.Error):
        started = process.children(recursive=True)
        for member in (process, *started):
            with suppress(psutil.Error):
                member.kill()
        psutil.wait_procs(started, timeout=10)


def keep(stream: IO[bytes], kept: deque[str], stages: list[tuple[float, str]]) -> None:
    """Pass the output on as it comes, and keep its last lines."""
    for line in iter(stream.readline, b""):
        text = line.decode("utf-8", "replace")
        sys.stdout.write(text)
        sys.stdout.flush()
        kept.append(text)
        if dvc_words.NEXT_STAGE.match(text):
            stages.append((time.monotonic(), text))


def processor_time(process: psutil.Process) -> float:
    """Return the seconds of processor time that it has used; the last known where it ended."""
    with suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def wait(process: psutil.Process, popen: subprocess.Popen[bytes], time_limit: int) -> bool:
    """Wait until it ended; return True where it had to be ended since nothing happened.

    DVC that waits for a remote uses no processor time, and DVC that moves or hashes data does. The
    commands of stages are its children: as long as one runs there is no limit.
    """
    used, since = 0.0, time.monotonic()
    while popen.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            popen.wait(timeout=1)
        now = processor_time(process)
        with suppress(psutil.Error):
            if now - used > IDLE_CPU or process.children():
                used, since = now, time.monotonic()
        if time.monotonic() - since > time_limit and popen.poll() is None:
            end(process)
            popen.wait()
            return True
    return False


def run_dvc(
    arguments: list[str],
    environment: dict[str, str],
    time_limit: int,
    started: Callable[[psutil.Process], None],
) -> Done:
    """Run one DVC command without the remote's credentials; see `watch`."""
    print(f"\n$ {shlex.join(['dvc', *arguments])}", flush=True)
    popen = subprocess.Popen(
        [sys.executable, "-P", "-m", "dvc", *arguments],
        stdin=subprocess.DEVNULL,  # nothing may wait for an answer that nobody gives
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment | ENVIRONMENT,
    )
    return watch(popen, time_limit, started)


def move_data(
    module: str,
    arguments: list[str],
    time_limit: int,
    started: Callable[[psutil.Process], None],
) -> Done:
    """Run `dvc` or a module of this package with the remote's credentials; see `watch`."""
    if module == "dvc":
        print(f"\n$ {shlex.join(['dvc', *arguments])}", flush=True)
    popen = transfer.start(
        module, *arguments, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return watch(popen, time_limit, started)


def watch(
    popen: subprocess.Popen[bytes],
    time_limit: int,
    started: Callable[[psutil.Process], None],
) -> Done:
    """Keep what a process prints, and wait until it ends.

    Args:
        popen: The process, whose output is a pipe.
        time_limit: Seconds in which it may do nothing.
        started: Called with it, so that a later run can find it.

    """
    process = psutil.Process(popen.pid)
    kept: deque[str] = deque(maxlen=KEPT_LINES)
    stages: list[tuple[float, str]] = []
    reader = threading.Thread(target=keep, args=(popen.stdout, kept, stages), daemon=True)
    try:
        started(process)
        reader.start()
        stalled = wait(process, popen, time_limit)
        ended = time.monotonic()
    except BaseException:  # Ctrl-C, or CI cancels the job: DVC must not go on alone
        end(process)
        popen.wait()
        raise
    reader.join(timeout=5)  # a stage may have left a process behind that keeps the pipe open
    return Done(popen.returncode, "".join(kept), stalled, stages, ended)
