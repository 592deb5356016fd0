"""The folded section on the run itself: how long it took, on what, and what was moved."""

from mlci.history.comparison import Comparison
from mlci.history.outcome import Machine, Outcome
from mlci.markup import code, fold_away, text
from mlci.writing.folding import VISIBLE_ROWS
from mlci.writing.wording import duration, size


def write(comparison: Comparison, run: Outcome) -> str:
    """Say what the run did; nothing where there was none."""
    if not run.machine:
        return ""
    seconds = [took for took in run.stages.values() if took is not None]
    what = "1 stage" if len(seconds) == 1 else f"{len(seconds):,} stages"
    what = f"{what} in {duration(sum(seconds))}" if seconds else "no stage"
    lines = [name_stages(comparison, run), moved(run)]
    body = "\n".join(f"- {line}" for line in lines if line)
    summary = f"This run: {what}, on {name_machine(run.machine)}"
    return fold_away(summary, body) if body else ""


def name_stages(comparison: Comparison, run: Outcome) -> str:
    """Name each stage with its time, and those that did not run."""
    all_stages = [name.removeprefix("dvc.yaml:") for name in comparison.head.commands]
    others = [name for name in all_stages if name not in run.stages]
    parts = [
        f"{code(name)} {'from the run cache' if took is None else duration(took)}"
        for name, took in run.stages.items()
    ]
    if others:
        why = "unchanged" if comparison.head.is_current else "not run"
        more = f" and {len(others) - VISIBLE_ROWS:,} more" if len(others) > VISIBLE_ROWS else ""
        parts.append(f"{why}: {', '.join(map(code, others[:VISIBLE_ROWS]))}{more}")
    return " · ".join(parts)


def moved(run: Outcome) -> str:
    """Say how much was fetched, made and sent."""
    fetched = f"{count(len(run.fetched))}, {size(sum(run.fetched.values()))}, fetched"
    parts = [fetched] if run.fetched else []
    parts += [f"{size(run.made)} of data made"] if run.made else []
    parts += [f"{count(run.sent)} sent to the remote"] if run.sent else []
    return " · ".join(parts)


def count(files: int) -> str:
    """Write a number of files."""
    return "1 file" if files == 1 else f"{files:,} files"


def name_machine(machine: Machine) -> str:
    """Write what the run could use."""
    cores = "1 core" if machine.cores == 1 else f"{machine.cores:,} cores"
    graphics = f" and {', '.join(map(text, machine.gpus))}" if machine.gpus else ""
    return f"{cores} with {size(machine.memory)} of memory{graphics}"
