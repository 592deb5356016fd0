"""The exchange with the remote: what comes from it is hashed before it is used."""

import shlex
import time

from dvc.repo import Repo

from mlci.history.metadata import Output, read_outputs
from mlci.history.origins import hide_credentials
from mlci.markup import code
from mlci.work import dvc_words, imports, upload
from mlci.work.cache import new_files, remove_damaged
from mlci.work.plan import sources
from mlci.work.run_cache import Known, known_results
from mlci.work.state import NOTHING, Session, name_first


def outputs_here() -> dict[str, Output]:
    """Return what DVC tracks in this checkout as it is now."""
    with Repo() as repo:
        return read_outputs(repo)


def repair_cache(session: Session, outputs: dict[str, Output]) -> None:
    """Remove damaged files from the cache and fetch them again where the remote is used."""
    damaged = remove_damaged(outputs)
    if not damaged:
        return
    found = f"The cached copy of {name_first([*damaged])} was damaged and has been removed"
    if session.no_remote:
        session.note(f"{found}; it could not be fetched again.")
        return
    again = fetch(session, [*dict.fromkeys(damaged.values())])
    session.note(f"{found}{' and fetched again' if again else ''}.")


def fetch(session: Session, targets: list[str]) -> bool:
    """Fetch data into the cache, where it is hashed before anything reads it.

    What the remote lacks is left to the caller; what is damaged there is named and removed here.

    Returns:
        Whether all of it came.

    """
    since = time.time_ns()
    done = session.move_data("dvc", "fetch", *targets)
    outputs = outputs_here()
    damaged = reject_damaged(session, outputs)
    session.run.fetched |= new_files(outputs, since)
    lacking = not done.stalled and dvc_words.is_not_there(done.output)
    if done.code and not damaged and not lacking:
        session.lose_remote("fetching", done)
    return done.code == 0 and not damaged


def reject_damaged(session: Session, outputs: dict[str, Output]) -> bool:
    """Remove what came damaged from the remote and say so; return whether anything did."""
    damaged = remove_damaged(outputs)
    if damaged:
        session.remote_failed = True
        session.note(
            f"Damaged in the remote, and not used: {name_first([*damaged])} is not what its checksum"
            " says. Delete it there, then `uv run ci dvc push` on a machine that has it."
        )
    return bool(damaged)


def pull(session: Session) -> None:
    """Pull the targets that were asked for; what stages need comes while they are reproduced."""
    targets = session.settings.dvc_pull
    if not targets or targets == NOTHING or session.no_remote:
        return
    if fetch(session, targets):
        session.dvc("checkout", *targets)
    elif not session.remote_failed:
        session.remote_failed = True
        session.note(f"The remote does not have all of {name_first(targets)} (`dvc_pull`).")


def fetch_known_results(session: Session, stages: list[str]) -> Known:
    """Fetch and hash what another run made of the same code, data and parameters; return it."""
    since = time.time_ns()
    known = known_results(stages) if session.run_cache_fetched else Known({}, stages, stages)
    if session.may_pull and known.lacking:
        print(f"\nLooking in the remote's run cache for: {', '.join(stages)}", flush=True)
        session.run_cache_fetched = True
        done = session.move_data("mlci.work.run_cache", *stages)
        if done.code:
            session.lose_remote("fetching the run cache", done)
    if known.lacking:
        known = known_results(stages)
        session.run.fetched |= new_files(known.outputs, since)
    if known.outputs:
        reject_damaged(session, outputs_here() | known.outputs)
    return known


def push(session: Session, outputs: dict[str, Output]) -> None:
    """Push what this machine has of the data, and the run cache, so that no one trains it again.

    It is always tried, since an earlier run may have been killed before its push; outputs that
    were not fetched are left out, since DVC would ask the remote for the list of their files.
    Afterwards the remote is asked whether it has everything.
    """
    if session.no_remote:
        return
    here = [path for path, out in outputs.items() if out.cached.exists()]
    if here:
        print(f"\n$ {shlex.join(['dvc', 'push', '--run-cache', *here])}", flush=True)
    else:
        print("\nNothing to push: no data was fetched or made.", flush=True)
    done = session.move_data(upload.__name__, *here)
    session.run.sent = dvc_words.pushed_files(done.output)
    refused = not done.stalled and dvc_words.is_not_allowed(done.output)
    if refused and upload.ASKING not in done.output:
        done = session.move_data(upload.__name__)
        if done.code == 0:
            session.note("The key of the remote may read and not write: nothing was pushed.")
    absent = None if done.code else upload.absent_paths(done.output)
    if absent is None:
        asked = upload.ASKING in done.output
        session.lose_remote("asking what it has" if asked else "pushing", done)
    else:
        judge_absent(session, absent)
        judge_imports(session)


def judge_absent(session: Session, absent: list[str]) -> None:
    """Note what others cannot get; data that no stage can make are red."""
    roots = tuple(f"{path}/" for path in sources())
    only_here = [path for path in absent if f"{path.rstrip('/')}/".startswith(roots)]
    remade = [path for path in absent if path not in only_here]
    if only_here:
        session.remote_failed = True
        session.note(
            f"Nobody else can get {name_first(only_here)}: the remote does not have it."
            " `uv run ci dvc push` on the machine that has it."
        )
    if remade:
        session.note(
            f"Not in the remote: {name_first(remade)}. A run that needs it makes it again."
        )


def judge_imports(session: Session) -> None:
    """Note which imports nobody can get, since their repository, at their revision, is out of reach."""
    brought = imports.list_imports()
    if brought:
        paths = ", ".join(found.path for found in brought)
        print(f"Not asked: the storage that {paths} was imported from.", flush=True)
    for found in brought:
        if why := imports.why_unreadable(found, session.settings.time_limit):
            session.remote_failed = True
            session.note(
                f"{code(found.path)} is imported from {code(hide_credentials(found.url))}, which"
                f" cannot be read here at {code(found.rev)}: {code(why)}."
            )
