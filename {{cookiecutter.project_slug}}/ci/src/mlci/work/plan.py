"""What a run has to do next: asked of DVC, without network and without a change."""

from dataclasses import dataclass
from typing import Any

from dvc.dependency.param import ParamsDependency
from dvc.output import Output as DvcOutput
from dvc.repo import Repo
from dvc.repo.reproduce import get_active_graph, plan_repro
from dvc.stage import Stage

from mlci.history.metadata import relative


@dataclass(frozen=True)
class Input:
    """An output that the next stages read and that is not in the checkout."""

    path: str
    maker: str  # the stage that makes it; empty for data that no stage can make
    cached: bool


@dataclass(frozen=True)
class Step:
    """The stages to run next, none of which waits for another, and what they lack.

    The followers read what these make, and nothing else that is not here: the same command can run
    those of them that then have changed.
    """

    stages: list[str]
    inputs: list[Input]
    followers: list[str]


def next_step(targets: list[str], ran: set[str], remade: set[str]) -> Step:
    """Return the changed stages that can be run now; none where everything is up to date.

    Data that an unchanged stage made need not be here.

    Args:
        targets: Stages to reproduce; empty for all of every `dvc.yaml`.
        ran: The stages that this run has run already.
        remade: Stages to run although they are unchanged, since their outputs are nowhere.

    """
    with Repo() as repo, repo.lock:
        graph = get_active_graph(repo.index.graph)
        chosen = [stage for target in targets for stage in repo.stage.collect(target)]
        waiting: list[Stage] = []
        ready: list[Stage] = []
        for stage in plan_repro(graph, chosen or list(repo.index.stages)):
            sources = list(graph.successors(stage))  # an edge leads from a stage to what it reads
            if any(source in ready or source in waiting for source in sources):
                waiting.append(stage)
            elif stage.addressing not in ran and is_changed(stage, sources, remade):
                ready.append(stage)
        lacking = {out.fs_path: out for stage in ready for out in missing_inputs(repo, stage)}
        inputs = [describe(repo, out) for out in lacking.values()]
        # `--allow-missing`, with which they are run, would skip these.
        skipped = [one for one in ready if not one.deps or one.addressing in remade]
        followers = [] if skipped else find_followers(repo, graph, ready, waiting)
        names = [[stage.addressing for stage in stages] for stages in (ready, followers)]
        return Step(names[0], inputs, names[1])


def find_followers(repo: Repo, graph: Any, ready: list[Stage], waiting: list[Stage]) -> list[Stage]:
    """Return the waiting stages, in their order, whose inputs are here or will be made.

    Args:
        repo: The project.
        graph: Its stages, a networkx.DiGraph with an edge from each to what it reads.
        ready: The stages that are run before.
        waiting: The changed ones that are not ready, and all that read what others make.

    """
    followers: list[Stage] = []
    for stage in waiting:
        makers = {out.stage for out in missing_inputs(repo, stage)}
        known = {*ready, *followers}
        sources = {source for source in graph.successors(stage) if source in waiting}
        # One without dependencies that is not in dvc.lock is what `--allow-missing` overlooks.
        if stage.deps and makers | sources <= known:
            followers.append(stage)
    return followers


def is_changed(stage: Stage, sources: list[Stage], remade: set[str]) -> bool:
    """Tell whether a stage has to run, when all that it reads is as it will be.

    DVC's own `--allow-missing` would skip one that is not in `dvc.lock`, or not as it is now.
    """
    if stage.addressing in remade:
        return True
    entries = [*stage.deps, *stage.outs] if stage.cmd and not stage.is_import else []
    if any(not entry.hash_info for entry in entries):
        return True
    return bool(stage.changed(allow_missing=True, upstream=sources))


def missing_inputs(repo: Repo, stage: Stage) -> list[DvcOutput]:
    """Return the tracked outputs that a stage reads and that are not in the checkout."""
    read = [dep.fs_path for dep in stage.deps if reads_file(dep)]
    return [
        out
        for out in repo.index.outs
        if out.use_cache
        and any(is_related(repo, out.fs_path, path) for path in read)
        and not out.exists
    ]


def reads_file(dep: DvcOutput) -> bool:
    """Tell whether a dependency is a file or folder on this machine."""
    return dep.protocol == "local" and not isinstance(dep, ParamsDependency)


def is_related(repo: Repo, one: str, other: str) -> bool:
    """Tell whether one path is the other or lies in it."""
    return bool(repo.fs.isin_or_eq(one, other) or repo.fs.isin_or_eq(other, one))


def can_be_made(stage: Stage) -> bool:
    """Tell whether running a stage makes its outputs again."""
    return bool(stage.cmd) and not stage.frozen


def describe(repo: Repo, out: DvcOutput) -> Input:
    """Return what a run needs to know of an output."""
    maker = out.stage.addressing if can_be_made(out.stage) else ""
    return Input(relative(repo, out.fs_path), maker, not out.changed_cache())


def sources() -> list[str]:
    """Return the paths of the data that no stage can make; imports have a home elsewhere."""
    with Repo() as repo:
        return [
            relative(repo, out.fs_path)
            for out in repo.index.outs
            if out.use_cache and not can_be_made(out.stage) and not out.stage.is_repo_import
        ]
