"""Are the results of a revision its own? As `dvc status` judges, from Git and `dvc.lock` alone.

For each stage the command, dependencies, parameters and outputs are compared with those that
`dvc.lock` recorded when it was run. What lies in Git is hashed. Data that does not is known by the
chain: what a stage read must be what the stage before it, or a `.dvc` file, made. Code and results
may be those of two commits, since after a squash or a rebase one commit has the results of another.

Two things differ from `dvc status`: data that is not here is not missed, and a stage that runs each
time (`always_changed`) is judged by what it read.
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from mlci.history.objects import Files
from mlci.history.pipelines import PARAMS, Pipelines, Stage, as_list
from mlci.history.repository import is_ignored
from mlci.history.values import below, flat

CONFLICT = "<<<<<<< "  # how a line begins that Git marks a conflict with


class State(Enum):
    """Whether the metrics of a revision are those of its code, data and parameters."""

    CURRENT = "current"
    NOT_RUN = "not run since a change"
    NO_LOCK = "dvc.lock is missing"
    CONFLICT = "dvc.lock has a conflict"
    UNREADABLE = "dvc.yaml or dvc.lock cannot be read"


@dataclass(frozen=True)
class Change:
    """One thing that is not as it was when a stage ran."""

    kind: str  # "command", "dependency", "parameter", "output", or "stage": it never ran
    name: str  # a path, a parameter, or dvc.yaml:stage


@dataclass(frozen=True)
class Freshness:
    """The state of a revision, and what made it so."""

    state: State
    changes: tuple[Change, ...] = ()
    files: tuple[str, ...] = ()  # those that lack, have a conflict or cannot be read


@dataclass(frozen=True)
class Locks:
    """What every `dvc.lock` of a revision recorded."""

    stages: dict[tuple[str, str], dict[str, Any]]  # {(dvc.yaml, stage): its entry}
    missing: tuple[str, ...]
    conflicts: tuple[str, ...]
    broken: tuple[str, ...]


def read_locks(files: Files, pipelines: Pipelines) -> Locks:
    """Read the `dvc.lock` beside every `dvc.yaml` that has stages."""
    stages: dict[tuple[str, str], dict[str, Any]] = {}
    missing: list[str] = []
    conflicts: list[str] = []
    broken: list[str] = []
    for file in dict.fromkeys(stage.file for stage in pipelines.stages):
        path = posixpath.join(posixpath.dirname(file), "dvc.lock")
        if files.find(path) is None:
            missing.append(path)
            continue
        try:
            found = files.parse(path)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            has_marks = any(line.startswith(CONFLICT) for line in files.text(path).splitlines())
            (conflicts if has_marks else broken).append(path)
            continue
        entries = found.get("stages") if "schema" in found else found  # DVC 1 had no schema
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            if isinstance(entry, dict):
                stages[file, str(name)] = entry
    return Locks(stages, tuple(missing), tuple(conflicts), tuple(broken))


def records(entry: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return {path as written: record} of the dependencies ("deps") or outputs ("outs")."""
    found = (one for one in as_list(entry.get(kind)) if isinstance(one, dict))
    return {str(one.get("path")): one for one in found}


def judge(code: Files, declared: Pipelines, results: Files, locks: Locks) -> Freshness:
    """Tell whether the results of one commit are those of the code of another, or of the same."""
    if locks.conflicts:
        return Freshness(State.CONFLICT, files=locks.conflicts)
    if locks.broken or declared.broken:
        return Freshness(State.UNREADABLE, files=(*declared.broken, *locks.broken))
    if locks.missing:
        return Freshness(State.NO_LOCK, files=locks.missing)
    made = checksums_made(declared, locks)
    changes = []
    for stage in declared.stages:
        entry = locks.stages.get((stage.file, stage.name))
        if entry is None:
            changes.append(Change("stage", f"{stage.file}:{stage.name}"))
            continue
        if not stage.frozen:
            changes += command_changes(stage, entry)
            changes += parameter_changes(code, stage, entry)
            changes += dependency_changes(code, stage, entry, made)
        changes += output_changes(results, stage, entry)
    unique = tuple(dict.fromkeys(changes))
    return Freshness(State.NOT_RUN if unique else State.CURRENT, unique)


def checksums_made(declared: Pipelines, locks: Locks) -> dict[str, str]:
    """Return {path: checksum} of all that stages made and `.dvc` files track."""
    made = {path: str(out.get("md5") or "") for path, out in declared.tracked.items()}
    for stage in declared.stages:
        recorded = records(locks.stages.get((stage.file, stage.name), {}), "outs")
        for path in stage.outs:
            made[stage.place(path)] = str(recorded.get(path, {}).get("md5") or "")
    return made


def command_changes(stage: Stage, entry: dict[str, Any]) -> Iterator[Change]:
    """Yield the command where it is another."""
    if stage.cmd != entry.get("cmd"):
        yield Change("command", f"{stage.file}:{stage.name}")


def parameter_changes(code: Files, stage: Stage, entry: dict[str, Any]) -> Iterator[Change]:
    """Yield the parameters that have other values, or none, or were not read when it ran."""
    recorded = below(entry, ["params"])
    for path, keys in stage.params.items():
        place = stage.place(path)
        now = code.load(place)
        before = (recorded or {}).get(path)
        before = before if isinstance(before, dict) else {}
        whole = [*now] if isinstance(now, dict) else []
        for key in keys or dict.fromkeys([*whole, *before]):
            if key not in before:
                yield Change("parameter", key if place == PARAMS else f"{place}:{key}")
                continue
            found = below(now, key.split(".") if keys else [key])
            if found == before[key]:
                continue
            old, new = flat({key: before[key]}), flat({key: found})
            for name in new | old:
                if name not in old or name not in new or old[name] != new[name]:
                    yield Change("parameter", name if place == PARAMS else f"{place}:{name}")


def dependency_changes(
    code: Files, stage: Stage, entry: dict[str, Any], made: dict[str, str]
) -> Iterator[Change]:
    """Yield what is not as the stage read it; what lies outside the repository is not looked at."""
    recorded = records(entry, "deps")
    for path in stage.deps:
        place = stage.place(path)
        record = recorded.get(path)
        if record is None:
            yield Change("dependency", place)
            continue
        before = str(record.get("md5") or "")
        if not before or is_outside(code, place):
            continue
        now = made.get(place) or ""
        if not now and any(is_within(place, other) or is_within(other, place) for other in made):
            continue  # part of a folder that DVC tracks: its listing is not in Git
        if not now:
            now = code.checksum(place, old=record.get("hash") != "md5")
        is_unknown = not now and is_ignored(place)
        if now != before and not is_unknown:
            yield Change("dependency", place)


def output_changes(results: Files, stage: Stage, entry: dict[str, Any]) -> Iterator[Change]:
    """Yield what the stage did not make so; of data that is not in Git only what is not recorded."""
    recorded = records(entry, "outs")
    for path, is_cached in stage.outs.items():
        place = stage.place(path)
        record = recorded.get(path)
        if record is None:
            yield Change("output", place)
            continue
        before = str(record.get("md5") or "")
        if is_cached or not before or is_outside(results, place):
            continue
        now = results.checksum(place, old=record.get("hash") != "md5")
        if now != before and (now or not is_ignored(place)):
            yield Change("output", place)


def is_outside(files: Files, place: str) -> bool:
    """Tell whether a path is no part of the repository."""
    if "://" in place or posixpath.isabs(place):
        return True
    return posixpath.normpath(posixpath.join(files.prefix, place)).partition("/")[0] == ".."


def is_within(path: str, folder: str) -> bool:
    """Tell whether a path lies in a folder."""
    return path.startswith(f"{folder}/")
