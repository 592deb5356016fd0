"""What Git and DVC know of one revision: outputs, inputs, metrics, parameters. No data is read."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc.dependency.param import ParamsDependency
from dvc.exceptions import DvcException
from dvc.output import Output as DvcOutput
from dvc.repo import Repo
from dvc.utils.serialize import LOADERS

from mlci.history.repository import find_baseline
from mlci.history.values import flat
from mlci.markup import code


@dataclass(frozen=True)
class Output:
    """A file or folder that DVC tracks, at one revision. Sizes are in bytes."""

    path: str
    checksum: str
    size: int | None
    files: int | None
    is_folder: bool
    cached: Path = field(compare=False)  # where it lies in the cache, if it does

    def listing(self) -> dict[str, str] | None:
        """Map each file in it to its checksum; None where the folder's listing is not here."""
        if not self.is_folder:
            return {self.path: self.checksum}
        try:
            entries = json.loads(self.cached.read_bytes())
            return {f"{self.path}/{entry['relpath']}": entry["md5"] for entry in entries}
        except (OSError, ValueError, KeyError, TypeError):
            return None


@dataclass
class Snapshot:
    """The metadata of one revision; metrics and parameters are {file: {dotted name: value}}."""

    revision: str  # as the user calls it
    sha: str  # empty where there is no commit yet
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    params: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)  # code and data made by hand: checksums
    problems: list[str] = field(default_factory=list)  # Markdown sentences


def relative(repo: Repo, path: str) -> str:
    """Return a path of the repository's current revision, from the project's root, with `/`."""
    return str(repo.fs.relpath(path, repo.root_dir)).replace(os.sep, "/")


def metrics_files(repo: Repo) -> dict[str, DvcOutput | None]:
    """Map the metrics files of the current revision to the stage outputs that they are."""
    found: dict[str, DvcOutput | None] = {out.fs_path: out for out in repo.index.metrics}
    for dvc_file, paths in repo.index._metrics.items():  # `metrics:` at the top of a dvc.yaml
        for path in paths:
            found.setdefault(repo.fs.normpath(repo.fs.join(repo.fs.parent(dvc_file), path)), None)
    return found


def check_targets(repo: Repo, baseline: str, targets: list[str]) -> None:
    """Refuse metrics files that neither side has.

    Raises:
        ValueError: there is one, in one sentence.
    """
    if not targets:
        return
    sha = find_baseline(baseline)[1]
    known: dict[str, None] = {}
    for _ in repo.brancher(revs=["workspace", sha] if sha else ["workspace"]):
        known |= {relative(repo, path): None for path in metrics_files(repo)}
    for target in targets:
        if target not in known:
            listed = ", ".join(known) or "none yet"
            raise ValueError(
                f"metrics_diff_targets: {target!r} is not a metrics file; they are: {listed}"
            )


def read_metrics(repo: Repo, targets: list[str], snapshot: Snapshot) -> None:
    """Read the metrics of the current revision from Git, or from the cache where they lie there."""
    for path, out in metrics_files(repo).items():
        name = relative(repo, path)
        if targets and name not in targets:
            continue
        fs, place = repo.fs, path
        if out and out.use_cache and out.hash_info and not fs.exists(path):
            fs, place = out.cache.fs, out.cache.oid_to_path(out.hash_info.value)
        try:
            load = LOADERS[Path(name).suffix.lower()]
            snapshot.metrics[name] = flat(load(place, fs=fs))
        except FileNotFoundError:
            snapshot.problems.append(f"{code(name)} is missing at {code(snapshot.revision)}.")
        except (DvcException, OSError, ValueError, RecursionError) as error:
            reason = code(str(error).partition("\n")[0])
            at = code(snapshot.revision)
            snapshot.problems.append(f"{code(name)} at {at} cannot be read: {reason}.")


def read_outputs(repo: Repo) -> dict[str, Output]:
    """Return the data that DVC tracks at the current revision."""
    return outputs_of(repo, repo.index.outs)


def outputs_of(repo: Repo, outs: Iterable[DvcOutput]) -> dict[str, Output]:
    """Return those of DVC's outputs that are in its cache, by their paths."""
    outputs = {}
    for out in outs:
        if out.use_cache and out.hash_info and out.hash_info.value:
            checksum, path = out.hash_info.value, relative(repo, out.fs_path)
            outputs[path] = Output(
                path=path,
                checksum=checksum,
                size=out.meta and out.meta.size,
                files=out.meta and out.meta.nfiles,
                is_folder=bool(out.hash_info.isdir),
                cached=Path(out.cache.oid_to_path(checksum)),
            )
    return outputs


def read_inputs(repo: Repo) -> dict[str, str]:
    """Return the checksums of what stages read and no stage makes, and the stages' commands."""
    stages = [stage for stage in repo.index.stages if stage.cmd]
    made = {out.fs_path for stage in stages for out in stage.outs}
    inputs = {
        f"{relative(repo, stage.path)}:{stage.name or ''}": str(stage.cmd) for stage in stages
    }
    for dep in (dep for stage in stages for dep in stage.deps):
        parts = repo.fs.parts(dep.fs_path) if dep.hash_info and dep.hash_info.value else ()
        within = (repo.fs.join(*parts[:length]) for length in range(1, len(parts) + 1))
        if parts and made.isdisjoint(within) and not isinstance(dep, ParamsDependency):
            inputs[relative(repo, dep.fs_path)] = str(dep.hash_info.value)
    return inputs


def snapshots(repo: Repo, named: dict[str, str], targets: list[str]) -> Iterator[Snapshot]:
    """Read the checkout and then the commits {sha: name}; nothing outside the metadata is read."""
    for sha in repo.brancher(revs=["workspace", *named], sha_only=True):
        checkout = sha == "workspace"
        snapshot = Snapshot("this checkout" if checkout else named[sha], "" if checkout else sha)
        try:
            snapshot.outputs = read_outputs(repo)
            snapshot.inputs = read_inputs(repo)
            read_metrics(repo, targets, snapshot)
        except DvcException as error:
            if checkout:
                raise
            reason = code(str(error).partition("\n")[0])
            snapshot.problems.append(f"{code(snapshot.revision)} cannot be read: {reason}.")
        yield snapshot


def read_params(repo: Repo, shas: list[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return {revision: {file: {name: value}}} of the parameters that stages depend on."""
    shown = repo.params.show(revs=["workspace", *shas], hide_workspace=False)
    return {
        revision: {
            file.replace(os.sep, "/"): flat(found["data"])
            for file, found in result.get("data", {}).items()
            if found.get("data")
        }
        for revision, result in shown.items()
    }
