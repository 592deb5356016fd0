"""The machine that a run is on."""

import os

import psutil

from mlci.history.outcome import Machine
from mlci.work.gpu import gpus


def look() -> Machine:
    """Return what this process may use of the machine."""
    has_affinity = hasattr(os, "sched_getaffinity")  # not on macOS and Windows
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    names = tuple(line.partition(" (UUID")[0].partition(": ")[2] for line in gpus())
    return Machine(cores, psutil.virtual_memory().total, names)
