"""One line of the doctor's table, and commands that cannot keep it waiting."""

import os
import shutil
import signal
import subprocess
import time

LIMIT = 4.0  # seconds


def ask(*command: str) -> tuple[bool, str]:
    """Run a command that cannot ask back; return whether it succeeded, and what it printed."""
    try:
        process = start(list(command))
    except OSError:
        return False, f"{command[0]} is not installed"
    output, late = finish(process, time.monotonic() + LIMIT)
    return process.returncode == 0, output.strip() or ("no answer in time" if late else "")


def start(command: list[str], env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start a process in a group of its own, so that it can be ended with all its children."""
    return subprocess.Popen(
        [shutil.which(command[0]) or command[0], *command[1:]],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], deadline: float) -> tuple[str, bool]:
    """Return what a process printed, and whether it had to be ended at the deadline."""
    try:
        return process.communicate(timeout=max(0.1, deadline - time.monotonic()))[0], False
    except subprocess.TimeoutExpired:
        if os.name == "nt":
            tree = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
            subprocess.run(tree, check=False, capture_output=True)
        else:
            os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0], True
