"""The state of one run: its settings, how it calls DVC, and what went wrong on the way."""

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from mlci.history.outcome import Outcome
from mlci.markup import code
from mlci.settings import Settings
from mlci.storage import keys
from mlci.work import dvc_words, process
from mlci.work.recovery import remember_child

NOTHING = ["-"]  # the value of a variable that leaves a step out
LOG_LINES = 60
NAMED = 10  # files in one sentence
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\n]*\r(?=[^\n])")  # colours, overwritten progress


class DiskFull(Exception):
    """There is no room to write: nothing that comes after could work."""


@dataclass
class Session:
    """One run: how it reaches the remote, and what the report and the exit code will say."""

    settings: Settings
    no_remote: str  # why the remote is not used, as a sentence; empty where it is
    run: Outcome = field(default_factory=Outcome)
    stage_failed: bool = False
    remote_failed: bool = False
    disk_full: bool = False
    run_cache_fetched: bool = False

    @property
    def may_pull(self) -> bool:
        """Whether what stages need is fetched while they are reproduced."""
        return not self.no_remote and not self.settings.dvc_pull

    def dvc(self, *arguments: str) -> process.Done:
        """Run a DVC command without keys, remembered so that a run after a crash can end it."""
        limit = self.settings.time_limit
        variables = stage_environment(self.settings.stage_env)
        return refuse_full_disk(process.run_dvc([*arguments], variables, limit, remember_child))

    def move_data(self, module: str, *arguments: str) -> process.Done:
        """Run `dvc`, or a module that calls it, with the remote's credentials."""
        limit = self.settings.time_limit
        return refuse_full_disk(process.move_data(module, [*arguments], limit, remember_child))

    def note(self, sentence: str) -> None:
        """Print a Markdown sentence and put it into the report, without secrets."""
        sentence = mask(sentence)
        print(f"\n{sentence.replace('`', '')}", flush=True)
        self.run.notes.append(sentence)

    def lose_remote(self, doing: str, done: process.Done) -> None:
        """Note that the remote failed; from here on the run goes without it."""
        reason = f"it did nothing for {self.settings.time_limit} s (`time_limit`)"
        self.remote_failed = True
        self.no_remote = f"The remote failed while {doing}: "
        self.no_remote += reason if done.stalled else code(dvc_words.error_of(done.output))
        self.note(f"{self.no_remote}. `uv run ci doctor` checks it.")

    def lose_stage(self, stage: str, output: str) -> None:
        """Note the stage that failed, with the end of its log."""
        self.stage_failed = True
        self.run.failed_stage = stage
        log = output[max(0, output.rfind(f"Running stage '{stage}'")) :]
        lines = [line[:300] for line in ESCAPES.sub("", log).splitlines() if line.strip()]
        self.run.log = mask("\n".join(lines[-LOG_LINES:]))


def refuse_full_disk(done: process.Done) -> process.Done:
    """Return how a command ended, unless the disk is full.

    Raises:
        DiskFull: it is.
    """
    if done.code and dvc_words.is_disk_full(done.output):
        raise DiskFull
    return done


def stage_environment(allowed: list[str]) -> dict[str, str]:
    """Return the variables of stages' commands: no secret but those that are allowed.

    Their `python` is the one that runs this, whoever started it.
    """
    secrets = keys.hidden()
    variables = dict(os.environ) | {name: secrets[name] for name in allowed if name in secrets}
    programs = str(Path(sys.executable).parent)
    return variables | {"PATH": os.pathsep.join([programs, variables.get("PATH", os.defpath)])}


def mask(text: str) -> str:
    """Return the text without the values of the secrets: a report is public where a log is not."""
    for value in keys.hidden().values():
        for line in value.splitlines():
            if len(line.strip()) >= 6:  # shorter ones, as a brace, are in every text
                text = text.replace(line.strip(), "***")
    return text


def name_first(paths: list[str]) -> str:
    """Name the first paths in Markdown, and how many follow."""
    more = f" and {len(paths) - NAMED:,} more" if len(paths) > NAMED else ""
    return ", ".join(map(code, paths[:NAMED])) + more
