"""The variables of a run: their names, defaults and meaning, and what makes one malformed.

Each is read from the environment (as CI passes it; empty counts as unset) or from the flag of the
same name, which wins: `repro_targets=train` or `--repro-targets train`.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from mlci import numerals


class Variable(NamedTuple):
    """One variable: `parse` turns its text into the value or raises ValueError with a sentence."""

    default: str
    meaning: str
    parse: Callable[[str], Any] = str.strip


def names(text: str) -> list[str]:
    """Split a comma-separated list.

    Raises:
        ValueError: an entry is empty.
    """
    entries = [entry.strip() for entry in text.split(",")] if text else []
    if not all(entries):
        raise ValueError(f"{text!r} has an empty entry; separate names by commas, as in 'a,b'")
    return entries


def yes_or_no(text: str) -> bool:
    """Read `true` or `false`, in any case.

    Raises:
        ValueError: it is neither.
    """
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither 'true' nor 'false'")
    return text.lower() == "true"


def seconds(text: str) -> int:
    """Read a whole number of seconds, at least 1.

    Raises:
        ValueError: it is not one.
    """
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{text!r} is not a whole number of seconds, such as '300'")
    return int(text)


def pattern(text: str) -> str:
    """Check a numeral.js pattern.

    Raises:
        ValueError: it is not one that `numeral` understands.
    """
    numerals.parse(text)
    return text


def tag_prefix(text: str) -> str:
    """Check that Git accepts a tag that begins so.

    Raises:
        ValueError: Git refuses it.
    """
    check = ["git", "check-ref-format", f"refs/tags/{text}0000000"]
    if text and (text.startswith("-") or subprocess.run(check, check=False).returncode):
        raise ValueError(
            f"Git accepts no tag that begins with {text!r}; allowed is for example 'v-'"
        )
    return text


@dataclass(frozen=True)
class Settings:
    """The variables of a run, read and checked; those that a command does not use are unset."""

    baseline: str = ""
    repro_targets: list[str] = field(default_factory=list)
    metrics_diff_targets: list[str] = field(default_factory=list)
    tag_prefix: str = ""
    metrics_format: str = ""
    dvc_pull: list[str] = field(default_factory=list)
    commit_results: bool = False
    time_limit: int = 0
    apply_command: str = ""
    run_cache: bool = True
    stage_env: list[str] = field(default_factory=list)


VARIABLES = {
    "baseline": Variable(
        "",
        "revision to compare with: a branch, HEAD~1, a tag, a sha (empty: origin's default branch)",
    ),
    "repro_targets": Variable(
        "", "comma-separated stages to reproduce (empty: all); '-' reproduces nothing", names
    ),
    "metrics_diff_targets": Variable(
        "", "comma-separated metrics files to report (empty: all)", names
    ),
    "tag_prefix": Variable(
        "",
        "when set, CI tags each run on the default branch <prefix><short sha>, and the report lists"
        " the latest 5 of them",
        tag_prefix,
    ),
    "metrics_format": Variable(
        "0[.][0000000]", "numeral.js pattern for the numbers in the report", pattern
    ),
    "dvc_pull": Variable(
        "",
        "comma-separated data to pull first (empty: just what the changed stages need);"
        " '-' pulls nothing",
        names,
    ),
    "commit_results": Variable(
        "false",
        "when true, CI commits the dvc.lock, metrics and plots that the run produced",
        yes_or_no,
    ),
    "time_limit": Variable(
        "300", "seconds to wait for a remote that does nothing before giving it up", seconds
    ),
    "apply_command": Variable(
        "",
        "what the report tells to type to get the run's results into a checkout (set by CI;"
        " empty: 'git add')",
    ),
    "run_cache": Variable(
        "true",
        "when false, a changed stage is run even where the run cache has its results already",
        yes_or_no,
    ),
    "stage_env": Variable(
        "",
        "comma-separated variables with a secret that the commands of stages may see, such as the"
        " key of an experiment tracker (empty: none)",
        names,
    ),
}


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        """Print the sentence and exit with code 2."""
        self.exit(2, f"{self.prog}: {message}\n")


def one_line(error: Exception) -> str:
    """Return an error's text, and that of its cause, which says where in a file, on one line."""
    texts = [str(one) for one in (error, error.__cause__) if one]
    return " ".join(": ".join(texts).split())


def print_utf8() -> None:
    """Print UTF-8 from here on: a pipe or file on Windows has no letters for all that is said."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]


def read(parser: Parser, used: list[str], arguments: list[str]) -> Settings:
    """Read the variables that a command uses; a malformed one ends it with a sentence and code 2."""
    for name in used:
        default, meaning, _ = VARIABLES[name]
        help_text = f"{meaning}; default: {default or 'empty'}; variable: {name}".replace("%", "%%")
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", help=help_text)
    given = parser.parse_args(arguments)
    values = {}
    for name in used:
        text = getattr(given, name) or os.environ.get(name) or VARIABLES[name].default
        try:
            values[name] = VARIABLES[name].parse(text)
        except ValueError as error:
            parser.error(f"{name}: {error}")
    return Settings(**values)
