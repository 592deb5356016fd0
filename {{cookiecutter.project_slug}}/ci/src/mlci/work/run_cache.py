"""Find results in DVC's run cache: what a stage made elsewhere of the same code, data and parameters.

As a module that a transfer runs, it fetches them; DVC has no command that does this without running
the stage: `python -m mlci.work.run_cache STAGE …`.
"""

import sys

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.stage import Stage
from dvc.stage.cache import RunCacheNotSupported, _can_hash

from mlci.history.metadata import Output, outputs_of


def find_entry(repo: Repo, stage: Stage) -> Stage | None:
    """Return a stage with the outputs that the run cache knows, as `dvc repro` would choose them."""
    if not (stage.cmd and stage.outs and all(out.use_cache for out in stage.outs)):
        return None  # outputs in Git are in no remote
    try:
        stage.save_deps()
    except DvcException:  # an input is missing
        return None
    found = repo.stage_cache._load(stage) if _can_hash(stage) else None
    return repo.stage_cache._create_stage(found, wdir=stage.wdir) if found else None


def known_results(names: list[str]) -> tuple[dict[str, Output], list[str]]:
    """Return the known outputs of these stages, and the stages of which some are not in the cache."""
    outputs: dict[str, Output] = {}
    lacking = []
    with Repo() as repo:
        for name in names:
            for stage in repo.stage.collect(name):
                entry = find_entry(repo, stage)
                if entry:
                    outputs |= outputs_of(repo, entry.outs)
                    lacking += [] if entry.outs_cached() else [name]
    return outputs, lacking


def fetch(names: list[str]) -> None:
    """Fetch the run cache of the remote, and what it knows of these stages."""
    with Repo() as repo, repo.lock:
        try:
            repo.stage_cache.pull(None)
        except RunCacheNotSupported:
            return
        for name in names:
            for stage in repo.stage.collect(name):
                entry = find_entry(repo, stage)
                if entry and not entry.outs_cached():
                    for objects in entry.get_used_objs().values():
                        repo.cloud.pull(objects)


if __name__ == "__main__":
    try:
        fetch(sys.argv[1:])
    except Exception as error:  # noqa: BLE001 - plugins raise whatever their library raises
        sys.exit(f"ERROR: {error}")
