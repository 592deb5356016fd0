"""Stages that run on workers: processes that are started, waited for and killed."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

ADDRESS = "DASK_SCHEDULER_ADDRESS"
ADDRESS_IN_LOG = re.compile(r"Scheduler at: +(\S+)\n")
# A scheduler and a worker look at themselves a hundred times in a second, also while they wait.
CALM = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "10s",
}


@contextmanager
def started(
    environment: Path,
    folder: Path,
    *command: str,
    log: Path | None = None,
    env: dict[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Run Python in a folder and in a process group of its own, and end it.

    What it says goes to the log; without one to a pipe, which is full after 64 KB.
    """
    with ExitStack() as stack:
        said = stack.enter_context(log.open("w")) if log else subprocess.PIPE
        process = subprocess.Popen(
            [environment / "bin" / "python", *command],
            cwd=folder, env=os.environ | (env or {}), text=True, start_new_session=True,
            stdout=said, stderr=said,
        )  # fmt: skip
        stack.enter_context(process)
        stack.callback(process.kill)
        yield process


def wait_for(process: subprocess.Popen[str], is_there: Callable[[], bool]) -> None:
    """Wait for what a process is to do while it runs."""
    for _ in range(12_000):
        if is_there():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    pytest.fail("nothing came of it")


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the worker processes that a process has started."""
    found = psutil.Process(process.pid).children(recursive=True)
    return [child for child in found if "spawn_main" in " ".join(child.cmdline())]


@contextmanager
def scheduler(environment: Path, folder: Path, **env: str) -> Iterator[str]:
    """Give the address of a scheduler that runs in this folder."""
    command = ["-m", "distributed.cli.dask_scheduler", "--no-dashboard"]
    command += ["--host", "127.0.0.1", "--port", "0"]
    log = folder / "scheduler.log"
    with started(environment, folder, *command, log=log, env=CALM | env) as process:
        # A file that is there may be empty yet, so it is a whole line that is waited for.
        wait_for(process, lambda: ADDRESS_IN_LOG.search(log.read_text()) is not None)
        yield ADDRESS_IN_LOG.findall(log.read_text())[0]


@contextmanager
def worker(
    environment: Path, folder: Path, address: str, *options: str
) -> Iterator[subprocess.Popen[str]]:
    """Give a worker that a scheduler has: a process that starts it again when it dies."""
    command, log = ["-m", "distributed.cli.dask_worker", address, "--no-dashboard"], folder / "log"
    with started(environment, folder, *command, *options, log=log, env=CALM) as process:
        wait_for(process, lambda: "Registered to" in log.read_text())
        yield process
