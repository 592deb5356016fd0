"""One revision, read once for everyone: its metrics, parameters, data, and whether they are its own.

Report, verdict, leaderboard and tags all read through `Reader`: from Git's objects and DVC's
metadata alone, in one `git cat-file` for hundreds of revisions. Nothing is checked out or downloaded.
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from mlci.history import formats
from mlci.history.freshness import Freshness, Locks, State, judge, read_locks, records
from mlci.history.metadata import Output, cache_folder
from mlci.history.objects import Files, Objects
from mlci.history.pipelines import PARAMS, Pipelines, Stage, read_pipelines
from mlci.history.values import Values, below, flat

CHECKOUT = "this checkout"
SUFFIXES = (".json", ".yaml", ".yml", ".toml")  # of the metrics in a folder


@dataclass(frozen=True)
class Problem:
    """A file of a revision that is missing (no reason) or cannot be read."""

    path: str
    revision: str
    reason: str = ""


@dataclass(frozen=True)
class Revision:
    """A commit or the checkout. Metrics and parameters are {file: {dotted name: value}}."""

    name: str  # as the user calls it
    sha: str  # empty for the checkout
    metrics: Values  # as they are in its files, its own or not
    params: Values
    declared: Pipelines
    locks: Locks
    freshness: Freshness
    problems: tuple[Problem, ...]
    metrics_files: tuple[str, ...]  # all that are declared
    results: str = ""  # the commit that holds its results, where that is another

    @property
    def is_current(self) -> bool:
        """Tell whether its metrics are those of its code, data and parameters."""
        return self.freshness.state is State.CURRENT

    @property
    def own_metrics(self) -> Values:
        """Its metrics, without those that are of other code, data or parameters."""
        return self.metrics if self.is_current else {}

    @cached_property
    def outputs(self) -> dict[str, Output]:
        """The data that DVC tracks."""
        return read_outputs(self.declared, self.locks)

    @cached_property
    def inputs(self) -> dict[str, str]:
        """The checksums of code and data that stages read and none makes."""
        return read_inputs(self.declared, self.locks)

    @cached_property
    def commands(self) -> dict[str, str]:
        """The command of each stage, by `dvc.yaml:stage`."""
        return {f"{one.file}:{one.name}": str(one.cmd) for one in self.declared.stages}


class Reader:
    """Reads revisions; what several of them share is read once."""

    def __enter__(self) -> Self:
        self.objects = Objects().__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self.objects.__exit__(*details)

    @cached_property
    def cache(self) -> Path:
        """The folder of DVC's cache."""
        return cache_folder()

    def read(self, name: str, sha: str, results: str = "") -> Revision:
        """Read a commit, with an empty sha the checkout; its results may be another commit's."""
        files = self.objects.files(sha)
        home = self.objects.files(results) if results else files
        declared = read_pipelines(files)
        locks = read_locks(home, declared)
        problems = [Problem(path, name, reason) for path, reason in declared.broken.items()]
        metrics, bad = self.read_metrics(name, home, declared, locks)
        return Revision(
            name=name,
            sha=sha,
            metrics=metrics,
            params=read_params(files, declared),
            declared=declared,
            locks=locks,
            freshness=judge(files, declared, home, locks),
            problems=(*problems, *bad),
            metrics_files=tuple(metrics_files(files, declared)),
            results=results,
        )

    def lock_matches(self, results: str, code: str) -> bool:
        """Tell whether the results of one commit are those of the code of another.

        So they are after a squash, a rebase, or a change of the documentation only: the `dvc.lock`
        and the outputs in Git of `results` agree with the commands, code, data and parameters of
        `code` as `dvc status` would have it in a checkout of both.
        """
        files = self.objects.files(code)
        declared = read_pipelines(files)
        home = self.objects.files(results)
        return judge(files, declared, home, read_locks(home, declared)).state is State.CURRENT

    def read_metrics(
        self, name: str, files: Files, declared: Pipelines, locks: Locks
    ) -> tuple[Values, list[Problem]]:
        """Read the metrics from Git, from the checkout, or from the cache where they lie there."""
        metrics: Values = {}
        problems = []
        for path, (stage, written) in metrics_files(files, declared).items():
            record = {}
            if stage and stage.outs.get(written):
                entry = locks.stages.get((stage.file, stage.name), {})
                record = records(entry, "outs").get(written, {})
            try:
                found = self.load(files, path, str(record.get("md5") or ""))
                if not isinstance(found, dict):
                    problems.append(
                        Problem(path, name, "" if found is None else "it is no mapping")
                    )
                    continue
                metrics[path] = flat(found)
            except (OSError, ValueError) as error:
                problems.append(Problem(path, name, str(error)))
        return metrics, problems

    def load(self, files: Files, path: str, checksum: str) -> Any:
        """Return what a metrics file holds, None where it is nowhere.

        Raises:
            ValueError, OSError: it cannot be read.
        """
        if files.find(path) or not checksum:
            return files.parse(path)
        places = [self.cache / checksum[:2] / checksum[2:]]
        if files is self.objects.checkout:
            places.insert(0, Path(path))  # DVC makes Git ignore it
        for place in places:
            if place.is_file():
                return formats.parse(place.read_bytes(), path)
        return None


def metrics_files(files: Files, declared: Pipelines) -> dict[str, tuple[Stage | None, str]]:
    """Map the metrics files to the stages that write them and their names there, if any does."""
    found: dict[str, tuple[Stage | None, str]] = {}
    for stage in declared.stages:
        found |= {stage.place(path): (stage, path) for path in stage.metrics}
    for path in declared.metrics:
        entry = files.find(path)
        if entry and entry.kind == "folder":
            inner = (name for name, _ in files.walk(path, entry.identity))
            found |= {name: (None, "") for name in inner if posixpath.splitext(name)[1] in SUFFIXES}
        else:
            found.setdefault(path, producer(declared, path))
    return found


def producer(declared: Pipelines, path: str) -> tuple[Stage | None, str]:
    """Return the stage that has a path among its outputs, and its name there."""
    for stage in declared.stages:
        for written in stage.outs:
            if stage.place(written) == path:
                return stage, written
    return None, ""


def read_params(files: Files, declared: Pipelines) -> Values:
    """Return the parameters: all of params.yaml, of other files those that stages depend on."""
    wanted: dict[str, list[str] | None] = {}
    for stage in declared.stages:
        for path, keys in stage.params.items():
            place = stage.place(path)
            known = wanted.setdefault(place, [])
            wanted[place] = None if known is None or not keys else [*known, *keys]
    wanted |= dict.fromkeys([*declared.params, PARAMS])
    params = {}
    for path, listed in wanted.items():
        found = files.load(path)
        if not isinstance(found, dict):
            continue
        if listed is not None:
            found = {key: below(found, key.split(".")) for key in dict.fromkeys(listed)}
        if found:
            params[path] = flat(found)
    return params


def read_outputs(declared: Pipelines, locks: Locks) -> dict[str, Output]:
    """Return the data that DVC tracks."""
    found = dict(declared.tracked)
    for stage in declared.stages:
        recorded = records(locks.stages.get((stage.file, stage.name), {}), "outs")
        for path, is_cached in stage.outs.items():
            if is_cached and path in recorded:
                found[stage.place(path)] = recorded[path]
    known = {path: record for path, record in found.items() if record.get("md5")}
    cache = cache_folder() if known else Path()
    return {path: make_output(path, record, cache) for path, record in known.items()}


def make_output(path: str, record: dict[str, Any], cache: Path) -> Output:
    """Make an output of its record in `dvc.lock` or a `.dvc` file."""
    checksum = str(record["md5"])
    is_old = record.get("hash") != "md5"
    folder = cache.parent.parent if is_old else cache
    return Output(
        path=path,
        checksum=checksum,
        size=record.get("size"),
        files=record.get("nfiles"),
        is_folder=checksum.endswith(".dir"),
        cached=folder / checksum[:2] / checksum[2:],
    )


def read_inputs(declared: Pipelines, locks: Locks) -> dict[str, str]:
    """Return the checksums of what stages read and no stage makes, as `dvc.lock` has them."""
    made = {stage.place(path) for stage in declared.stages for path in stage.outs}
    inputs = {}
    for place, checksum in read_dependencies(declared, locks):
        folders = [place]
        while folders[-1]:
            folders.append(posixpath.dirname(folders[-1]).rstrip("/"))
        if made.isdisjoint(folders):
            inputs[place] = checksum
    return inputs


def read_dependencies(declared: Pipelines, locks: Locks) -> Iterator[tuple[str, str]]:
    """Yield (path, checksum) of all that stages read when they ran."""
    for stage in declared.stages:
        recorded = records(locks.stages.get((stage.file, stage.name), {}), "deps")
        for path in stage.deps:
            record = recorded.get(path, {})
            checksum = record.get("md5") or record.get("etag") or record.get("checksum")
            if checksum:
                yield stage.place(path), str(checksum)
