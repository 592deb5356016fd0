"""What a run does, step by step; each leaves its outcome in the session."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo

from mlci.history.metadata import Output, read_outputs
from mlci.history.outcome import Outcome
from mlci.history.repository import git
from mlci.history.terms import Terms, read_terms
from mlci.markup import code
from mlci.settings import Settings
from mlci.storage import remote
from mlci.work import process
from mlci.work.cache import remove_damaged
from mlci.work.recovery import remember_child

NOTHING = ["-"]
FAILED_STAGE = re.compile(r"failed to reproduce '([^']+)'")
# DVC's words for a command that failed; they end the output, however long that is.
RAN = re.compile(r"failed to run: .+, exited with -?\d+", re.DOTALL)
LOG_LINES = 60
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\n]*\r(?=[^\n])")  # colours, overwritten progress


@dataclass
class Session:
    """One run: how it reaches the remote, and what the report and the exit code will say."""

    settings: Settings
    environment: dict[str, str]
    no_remote: str  # why the remote is not used, as a sentence; empty where it is
    run: Outcome = field(default_factory=Outcome)
    stage_failed: bool = False
    remote_failed: bool = False

    def dvc(self, *arguments: str) -> process.Done:
        """Run a DVC command, remembered so that a run after a crash can end it."""
        return process.dvc([*arguments], self.environment, self.settings.time_limit, remember_child)

    def note(self, sentence: str) -> None:
        """Print a Markdown sentence and put it into the report, without secrets."""
        sentence = masked(sentence)
        print(f"\n{sentence.replace('`', '')}", flush=True)
        self.run.notes.append(sentence)

    def lose_remote(self, doing: str, done: process.Done) -> None:
        """Note that the remote failed; from here on the run goes without it."""
        reason = f"it did nothing for {self.settings.time_limit} s (`time_limit`)"
        self.remote_failed = True
        self.no_remote = f"The remote failed while {doing}: "
        self.no_remote += reason if done.stalled else code(error_of(done.output))
        self.note(f"{self.no_remote}. `uv run ci doctor` checks it.")

    def lose_stage(self, stage: str, output: str) -> None:
        """Note the stage that failed, with the end of its log."""
        self.stage_failed = True
        self.run.failed_stage = stage
        log = output[max(0, output.rfind(f"Running stage '{stage}'")) :]
        lines = [line[:300] for line in ESCAPES.sub("", log).splitlines() if line.strip()]
        self.run.log = masked("\n".join(lines[-LOG_LINES:]))


def masked(text: str) -> str:
    """Return the text without the values of the secrets: a report is public where a log is not."""
    for name in [*(secret["name"] for secret in remote.spec()["secrets"]), *remote.tokens()]:
        for line in os.environ.get(name, "").splitlines():
            if len(line.strip()) >= 6:  # shorter ones, as a brace, are in every text
                text = text.replace(line.strip(), "***")
    return text


def error_of(output: str) -> str:
    """Return the error that DVC ended with, in one line."""
    errors = re.findall(r"^ERROR: (?:unexpected error - )?(.+)$", output, re.MULTILINE)
    last = output.strip().rpartition("\n")[2]
    return errors[-1] if errors else last or "it printed nothing"


def check(chosen: Settings) -> Terms:
    """Refuse what cannot be run, before anything is; return what the report will be judged by.

    Raises:
        ValueError: an unknown target or baseline or malformed rules, in one sentence.
        DvcException: dvc.yaml or dvc.lock cannot be read.
    """
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


def why_no_remote() -> str:
    """Return why the remote cannot be used here, as a Markdown sentence, or an empty string."""
    in_ci = bool(os.environ.get("CI"))
    with Repo() as repo:
        name = repo.config["core"].get("remote")
        url = repo.config["remote"].get(name, {}).get("url", "")
        folder = Path(repo.dvc_dir, url)
    if not url:
        return "No DVC remote is set: nothing was pulled or pushed."
    if "://" not in url:
        if folder.is_dir() or (not in_ci and folder.parent.is_dir()):
            return ""
        return (
            f"The remote is the folder {code(str(url))}, which this machine does not have:"
            " nothing was pulled or pushed."
        )
    if in_ci and (secrets := remote.missing()):
        listed = ", ".join(code(name) for name in secrets)
        return (
            f"Not set here, as for a pull request from a fork: {listed}. Nothing was pulled or"
            " pushed."
        )
    return ""


def outputs_here() -> dict[str, Output]:
    """Return what DVC tracks in this checkout as it is now."""
    with Repo() as repo:
        return read_outputs(repo)


def repair_cache(session: Session) -> None:
    """Remove damaged files from the cache and fetch them again where the remote is used."""
    damaged = remove_damaged(outputs_here())
    if not damaged:
        return
    names = ", ".join(code(path) for path in list(damaged)[:10])
    names += f" and {len(damaged) - 10:,} more" if len(damaged) > 10 else ""
    found = f"The cached copy of {names} was damaged and has been removed"
    if session.no_remote:
        session.note(f"{found}; it could not be fetched again.")
        return
    done = session.dvc("fetch", *dict.fromkeys(damaged.values()))
    session.note(f"{found}{' and fetched again' if done.code == 0 else ''}.")
    if done.code:
        session.lose_remote("fetching what was damaged", done)


def pull(session: Session) -> None:
    """Pull the targets that were asked for; what stages need comes while they are reproduced."""
    targets = session.settings.dvc_pull
    if not targets or targets == NOTHING or session.no_remote:
        return
    done = session.dvc("pull", *targets)
    if done.code:
        session.lose_remote("pulling", done)


def reproduce(session: Session) -> None:
    """Reproduce the stages that changed, in the cheapest way that works.

    With `--allow-missing` data that an unchanged stage made need not be here. Where it turns out
    that it is needed and nobody has it, the second attempt makes it again from what is in Git.
    """
    targets = session.settings.repro_targets
    if targets == NOTHING:
        return
    with_remote = ["--pull"] if not session.no_remote and not session.settings.dvc_pull else []
    for flags in ([*with_remote, "--allow-missing"], with_remote):
        done = session.dvc("repro", *flags, *targets)
        if done.code == 0:
            return
        failed = FAILED_STAGE.search(done.output)
        if failed and RAN.search(done.output):
            session.lose_stage(failed[1], done.output)
            return
        if done.stalled or not failed:
            break
    if with_remote:
        session.lose_remote("pulling", done)
        reproduce(session)
    elif session.no_remote and (session.remote_failed or os.environ.get("CI")):
        what = f"Stage {code(failed[1])} was not run" if failed else "Nothing was run"
        session.note(f"{what}, since it needs data that is only in the remote.")
    else:
        session.lose_stage(failed[1] if failed else "dvc repro", done.output)


def push(session: Session) -> None:
    """Push what this machine has of the data, and the run cache, so that no one trains it again.

    It is always tried, since an earlier run may have been killed before its push; outputs that
    were not fetched are left out, since DVC would ask the remote for the list of their files.
    """
    if session.no_remote:
        return
    outputs = outputs_here()
    here = [path for path, out in outputs.items() if out.cached.exists()]
    if not here:
        print("\nNothing to push: no data was fetched or made.", flush=True)
        return
    done = session.dvc("push", "--run-cache", *(here if len(here) < len(outputs) else []))
    if done.code:
        session.lose_remote("pushing", done)


def take(chosen: Settings) -> Session:
    """Do the steps and return how they ended."""
    with remote.credentials() as environment:
        session = Session(chosen, environment, why_no_remote())
        if session.no_remote:
            session.note(session.no_remote)
        if os.environ.get("CI") and not git("ls-files", "uv.lock"):
            session.note(
                "`uv.lock` is not in Git: run `uv lock` and commit it, or each run may get other"
                " packages."
            )
        repair_cache(session)
        pull(session)
        reproduce(session)
        push(session)
    return session
