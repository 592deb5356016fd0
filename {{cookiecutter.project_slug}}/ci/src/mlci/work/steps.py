"""What a run does, step by step; each leaves its outcome in the session."""

import os
import shlex
from itertools import takewhile
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo

from mlci.history.metadata import read_outputs
from mlci.history.repository import git
from mlci.history.terms import Terms, read_terms
from mlci.markup import code
from mlci.settings import Settings
from mlci.storage import remote
from mlci.work import dvc_words, machine
from mlci.work.exchange import (
    fetch,
    fetch_known_results,
    outputs_here,
    pull,
    push,
    repair_cache,
)
from mlci.work.plan import Step, next_step, sources
from mlci.work.recovery import keep_locks, put_back_locks
from mlci.work.state import NOTHING, DiskFull, Session, name_first


def check(chosen: Settings) -> Terms:
    """Refuse what cannot be run, before anything is; return what the report will be judged by.

    Raises:
        ValueError: an unknown target or baseline, malformed rules or secrets, in one sentence.
        DvcException: dvc.yaml or dvc.lock cannot be read.
    """
    remote.credentials()
    terms = read_terms(chosen.baseline, chosen.metrics_diff_targets)
    with Repo() as repo:
        stages = [stage.addressing for stage in repo.index.graph]
        for target in [] if chosen.repro_targets == NOTHING else chosen.repro_targets:
            try:
                repo.stage.collect(target)
            except DvcException:
                known = ", ".join(stages) or "none yet"
                raise ValueError(
                    f"repro_targets: {target!r} is not a stage; the stages are: {known}"
                ) from None
        for target in [] if chosen.dvc_pull == NOTHING else chosen.dvc_pull:
            try:
                repo.stage.collect_granular(target)
            except DvcException:
                known = ", ".join([*read_outputs(repo), *stages]) or "none yet"
                raise ValueError(
                    f"dvc_pull: {target!r} is not tracked by DVC; allowed are: {known}"
                ) from None
    return terms


def begin(chosen: Settings) -> Session:
    """Find out whether the remote can be used here, and say why where it cannot."""
    in_ci = bool(os.environ.get("CI"))
    with Repo() as repo:
        name = repo.config["core"].get("remote")
        url = repo.config["remote"].get(name, {}).get("url", "")
        folder = Path(repo.dvc_dir, url)
    session = Session(chosen, "")
    if not url:
        session.no_remote = "No DVC remote is set: nothing was pulled or pushed."
    elif "://" not in url and not folder.is_dir() and (in_ci or not folder.parent.is_dir()):
        session.no_remote = (
            f"The remote is the folder {code(str(url))}, which this machine does not have:"
            " nothing was pulled or pushed. `uv run ci use-remote URL`, on the machine that has it,"
            " moves the data to a storage that others reach."
        )
        if in_ci and (there := sources()):
            session.remote_failed = True
            session.no_remote += f" Only that machine has {name_first(there)}."
    elif in_ci and (secrets := remote.missing()):
        session.no_remote = (
            f"Not set here, as for a pull request from a fork: {name_first(secrets)}. Nothing was"
            " pulled or pushed."
        )
    if session.no_remote:
        session.note(session.no_remote)
    if in_ci and not git("ls-files", "uv.lock"):
        session.note(
            "`uv.lock` is not in Git: run `uv lock` and commit it, or each run may get other"
            " packages."
        )
    return session


def reproduce(session: Session) -> None:
    """Run the stages that changed, level by level: fetch what they read, hash it, run them.

    What is nowhere is made again by the stages that lead to it.
    """
    targets = session.settings.repro_targets
    if targets == NOTHING:
        return
    ran: set[str] = set()
    remade: set[str] = set()
    asked: set[str] = set()
    while (step := next_step(targets, ran, remade)).stages:
        missing = [entry for entry in step.inputs if not entry.cached]
        new = [entry.path for entry in missing if entry.path not in asked]
        makers = {entry.maker for entry in missing}
        if new and session.may_pull:
            asked |= set(new)
            fetch(session, new)
        elif "" in makers or makers & (ran | remade):
            lose_sources(session, step)
            return
        elif missing:
            remade |= makers
        else:
            ran |= set(run_stages(session, step))
            if session.stage_failed:
                return
    if not ran:
        print("\nNothing to reproduce: data and pipelines are up to date.", flush=True)


def lose_sources(session: Session, step: Step) -> None:
    """Note the stages that cannot run, since nobody here has what they read."""
    paths = name_first([entry.path for entry in step.inputs if not entry.cached])
    stages = ", ".join(map(code, step.stages))
    if session.no_remote:
        what = f"Not run: {stages}, which needs {paths}; it needs data that is only in the remote."
        session.note(what)
        if not os.environ.get("CI"):
            session.remote_failed = True
        return
    session.remote_failed = True
    session.note(
        f"Not run: {stages}, which needs {paths}. The remote does not have that, and no stage can"
        " make it: `uv run ci dvc push` on the machine that has it."
    )


def run_stages(session: Session, step: Step) -> list[str]:
    """Run stages whose inputs are in the cache; return those that need not be run again."""
    check_out(step)
    flags, followers = [], step.followers
    if session.settings.run_cache:
        known = fetch_known_results(session, [*step.stages, *followers])
        if known.outputs:  # what comes of them may be known, too: that is looked up when it is here
            followers = list(takewhile(lambda name: name not in known.unknown, followers))
    else:
        flags += ["--no-run-cache"]
    if followers:
        flags += ["--allow-missing"]
    stages = [*step.stages, *followers]
    keep_locks()
    try:
        done = session.dvc("repro", "--single-item", *flags, *stages)
    except DiskFull:
        put_back_locks()
        raise
    taken = dvc_words.cached_stages(done.output)
    session.run.stages |= dict.fromkeys(taken)
    session.run.stages |= dvc_words.stage_times(done.stages, done.ended)
    if taken:
        session.note(
            f"Not run, but taken from the run cache as an earlier run left it: {name_first(taken)}."
            " `run_cache=false` runs it."
        )
    if done.code:
        session.lose_stage(dvc_words.failed_stage(done.output) or "dvc repro", done.output)
    return [*step.stages, *dvc_words.ran_stages(done.output)]


def check_out(step: Step) -> None:
    """Put what the next stages read into the checkout, from the cache."""
    paths = [entry.path for entry in step.inputs]
    if paths:
        print(f"\n$ {shlex.join(['dvc', 'checkout', *paths])}", flush=True)
        with Repo() as repo:
            repo.checkout(paths)


def take(chosen: Settings) -> Session:
    """Do the steps and return how they ended."""
    session = begin(chosen)
    session.run.machine = machine.look()
    before = outputs_here()
    try:
        repair_cache(session, before)
        pull(session)
        reproduce(session)
        now = outputs_here()
        session.run.made = sum(
            out.size or 0
            for path, out in now.items()
            if out != before.get(path) and str(out.cached) not in session.run.fetched
        )
        push(session, now)
    except DiskFull:
        session.disk_full = True
    return session
