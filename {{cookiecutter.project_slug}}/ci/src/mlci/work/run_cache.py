"""Find results in DVC's run cache: what a stage made elsewhere of the same code, data and parameters.

As a module that a transfer runs, it fetches them; DVC has no command that does this without running
the stage: `python -m mlci.work.run_cache STAGE …`.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from dvc.exceptions import DvcException
from dvc.output import Output as DvcOutput
from dvc.repo import Repo
from dvc.stage import Stage
from dvc.stage.cache import RunCacheNotSupported, _can_hash

from mlci.history.metadata import Output, outputs_of
from mlci.work.plan import is_related, reads_file


@dataclass(frozen=True)
class Known:
    """What the run cache knows of stages."""

    outputs: dict[str, Output]  # the data that they would make, by path
    lacking: list[str]  # stages that it knows, and whose data are not all in the cache
    unknown: list[str]  # stages that it may know when those before them have run


def find_entries(repo: Repo, names: list[str]) -> Iterator[tuple[Stage, Stage | None]]:
    """Yield each stage, and one with the outputs that `dvc repro` would take from the run cache.

    What a stage reads of an earlier one of these need not be here: its entry says what it will be.
    """
    stages = [stage for name in names for stage in repo.stage.collect(name)]
    unmade = [out.fs_path for stage in stages for out in stage.outs]
    made: dict[str, DvcOutput] = {}
    for stage in stages:
        entry = find_entry(repo, stage) if knows_inputs(repo, stage, made, unmade) else None
        made |= {out.fs_path: out for out in entry.outs} if entry else {}
        yield stage, entry


def knows_inputs(repo: Repo, stage: Stage, made: dict[str, DvcOutput], unmade: list[str]) -> bool:
    """Tell whether it is known what a stage will read, and let its dependencies know.

    Args:
        repo: The project.
        stage: A stage of its `dvc.yaml`.
        made: What stages before it will make, by its path.
        unmade: The paths that lie here, if at all, as they were before.

    """
    for dep in stage.deps:
        if out := made.get(dep.fs_path):
            dep.hash_info, dep.meta = out.hash_info, out.meta
            # DVC hashes the file to see that it can be hashed.
            dep.get_hash = partial(getattr, out, "hash_info")
        elif reads_file(dep) and any(is_related(repo, dep.fs_path, path) for path in unmade):
            return False
        else:
            try:
                dep.save()
            except DvcException:  # it is missing
                return False
    return True


def is_kept(stage: Stage) -> bool:
    """Tell whether the run cache may know a stage; outputs in Git are in no remote."""
    return bool(stage.cmd and stage.outs and all(out.use_cache for out in stage.outs))


def find_entry(repo: Repo, stage: Stage) -> Stage | None:
    """Return a stage with the outputs that the run cache knows of its command and dependencies."""
    if not (is_kept(stage) and _can_hash(stage)):
        return None
    found = repo.stage_cache._load(stage)
    return repo.stage_cache._create_stage(found, wdir=stage.wdir) if found else None


def known_results(names: list[str]) -> Known:
    """Return what is known of these stages, each of which comes after those that it reads from."""
    known = Known({}, [], [])
    with Repo() as repo:
        for stage, entry in find_entries(repo, names):
            if entry:
                known.outputs.update(outputs_of(repo, entry.outs))
                known.lacking.extend([] if entry.outs_cached() else [stage.addressing])
            elif is_kept(stage):
                known.unknown.append(stage.addressing)
    return known


def fetch(names: list[str]) -> None:
    """Fetch the run cache of the remote, and what it knows of these stages."""
    with Repo() as repo, repo.lock:
        try:
            repo.stage_cache.pull(None)
        except RunCacheNotSupported:
            return
        for _, entry in find_entries(repo, names):
            if entry and not entry.outs_cached():
                for objects in entry.get_used_objs().values():
                    repo.cloud.pull(objects)


if __name__ == "__main__":
    try:
        fetch(sys.argv[1:])
    except Exception as error:  # noqa: BLE001 - plugins raise whatever their library raises
        sys.exit(f"ERROR: {error}")
