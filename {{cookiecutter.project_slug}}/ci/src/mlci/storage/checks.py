"""What the remote says: asked by a process with a limit of time, put into words."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mlci.place import spec
from mlci.storage import keys, server, transfer
from mlci.storage.causes import ADDRESS, CREDENTIALS, ELSEWHERE, LATER, SCHEME, find_cause
from mlci.storage.remote import locate, options, remote_name
from mlci.storage.tools import finish

BLOCKS, ADVISES = "blocks", "advises"  # how grave a failure is


class Check(NamedTuple):
    """What was looked at, how it is ("ok", "failed" or "skipped"), and what mends a failure."""

    name: str
    state: str
    found: str
    mend: str = ""
    severity: str = BLOCKS  # of a failure: does it keep the project from working?

    @property
    def blocks(self) -> bool:
        """Tell whether this has to be mended."""
        return self.state == "failed" and self.severity == BLOCKS


STARTING = 1.5  # seconds that starting, ending and printing take of the doctor's limit
LATE = {
    "Plugin": "still loading, as happens the first time",
    "Storage": "no answer in time: no network, or a server that accepts and says nothing",
    "Data pushed": "there is more to compare than fits the time: `uv run ci dvc status --cloud`",
}


def examine(limit: float, python: str = sys.executable) -> list[Check]:
    """Check the plugin, the storage by a tiny object, and that everything is there.

    Takes at most `limit` seconds. DVC and its plugins are those of `python`.
    """
    try:
        answers, rest, late = ask_probe(time.monotonic() + limit - STARTING, python)
    except ValueError as error:  # of a secret; the value is not in it
        return [Check("Storage", "failed", str(error), "SECRETS.md says how to set it")]
    checks: list[Check] = []
    for name, judge in JUDGES.items():
        answer = answers.get(name)
        if any(check.blocks for check in checks):
            checks.append(Check(name, "skipped", "not asked, since a check before failed"))
        elif answer and (late or answer.get("final", True)):
            checks.append(judge(name, answer))
        elif late:
            checks.append(judge_late(name))
        else:
            checks.append(Check(name, "failed", rest or "DVC printed nothing", "uv sync"))
    return checks


def ask_probe(deadline: float, python: str) -> tuple[dict[str, dict[str, Any]], str, bool]:
    """Run the probe; return its answers, its last other line, and whether it was too late."""
    probe = transfer.start(
        "mlci.storage.probe",
        python=python,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # so that it can be ended with all its children
    )
    output, late = finish(probe, deadline)
    answers, rest = {}, ""
    for line in output.splitlines():
        try:
            answer = json.loads(line)
            if answer.get("final", True) or find_cause(answer["error"]):
                answers[answer["check"]] = answer
        except (ValueError, TypeError, KeyError):
            rest = line.strip() or rest
    return answers, rest, late


def judge_late(name: str) -> Check:
    """Judge what did not answer in time: is there a server at all?"""
    if name == "Data pushed":
        return Check(name, "skipped", LATE[name], LATER)
    problem = server.problem() if name == "Storage" else ""
    if problem:
        return Check(name, "failed", f"there is no answer: {problem}", command(ADDRESS))
    return Check(name, "failed", LATE[name], LATER)


def plugin(name: str, answer: dict[str, Any]) -> Check:
    """Judge whether DVC can load what it needs for this remote."""
    if "error" in answer:
        said = answer["error"].partition("\n")[0]
        return Check(name, "failed", *(explain(answer["error"]) or (said, "uv sync")))
    return Check(name, "ok", spec()["title"])


def storage(name: str, answer: dict[str, Any]) -> Check:
    """Judge what the storage allowed."""
    if "error" not in answer:
        return Check(name, "ok", answer["found"])
    known = explain(answer["error"])
    words, mend = known or (
        answer["error"].partition("\n")[0][:200],
        "uv run ci dvc push --verbose",
    )
    if answer.get("readable"):
        return Check(name, "failed", f"readable, not writable: {words}", mend, ADVISES)
    doing = f"{answer['action']}: " if "action" in answer else ""
    return Check(name, "failed", f"{doing}{words}", mend)


def explain(error: str) -> tuple[str, str] | None:
    """Return what an error means, with the line that says so, and the command that mends it."""
    found = find_cause(error)
    if found is None:
        return None
    return f"{found.words} ({found.line[:150]})", command(found.mend, found.line)


def command(mend: str, line: str = "") -> str:
    """Return the command that mends what a line says, with what is known of this project."""
    if mend == CREDENTIALS:
        return give_credentials(line)
    if mend in (ADDRESS, SCHEME):
        return change_address(mend == SCHEME)
    region = re.search(r"expecting '([\w-]+)'", line)
    mend = mend.replace("{name}", remote_name())
    folder = line.partition("there is no folder ")[2]
    mend = mend.replace("FOLDER", shlex.quote(folder))
    return mend.replace("REGION", region[1]) if region else mend


def change_address(only_its_scheme: bool) -> str:
    """Return the command that changes where DVC looks: the endpoint, where there is one."""
    option = spec()["endpoint_option"]
    key = option if option in options() else "url"
    address = "https://HOST" if key == option else spec()["url"]
    if only_its_scheme:
        scheme, _, rest = options()[key].partition("://")
        other = scheme.removesuffix("s") if scheme.endswith("s") else f"{scheme}s"
        address = f"{other}://{rest}"
    return f"uv run dvc remote modify {remote_name()} {key} {address}"


def give_credentials(line: str) -> str:
    """Return the command that gives DVC on this machine the secrets that it lacks, else all."""
    if spec()["oidc"]:
        return str(spec()["oidc"]["sign_in"])
    secrets = spec()["secrets"]
    unset = [secret for secret in secrets if not locate(secret)]
    lacking = [s for s in unset if s["required"] or (s["option"] or "-") in line.lower()]
    others = [secret for secret in secrets if secret["required"] or secret not in unset]
    return " && ".join(map(give, lacking or others or secrets)) or ELSEWHERE


def give(secret: dict[str, Any]) -> str:
    """Return the command that gives one secret to DVC on this machine; the command holds none."""
    variable, is_windows = secret["name"], os.name == "nt"
    if secret["via"] == "file" and secret["option"] and not keys.environment().get(variable):
        return f"uv run dvc remote modify --local {remote_name()} {secret['option']} /path/to/file"
    if secret["via"] == "file":
        return f"{'set' if is_windows else 'export'} {variable}=/path/to/file"
    return f"set /p {variable}=" if is_windows else f"read -rs {variable} && export {variable}"


def check_push(name: str, answer: dict[str, Any]) -> Check:
    """Judge whether everything in dvc.lock is in the storage."""
    if "error" in answer:
        return Check(name, "failed", answer["error"][:200], "uv run ci dvc status --cloud")
    if "skipped" in answer:
        return Check(name, "skipped", answer["skipped"])
    states = list(answer["status"].values())
    if "new" in states:
        found = f"{states.count('new')} files are only here"
        return Check(name, "failed", found, "uv run ci dvc push", ADVISES)
    if "missing" in states:
        found = f"{states.count('missing')} files are neither here nor there"
        return Check(name, "failed", found, "uv run dvc repro")
    if not Path("dvc.lock").exists():
        return Check(name, "skipped", "there are no results yet: `uv run dvc repro` makes them")
    return Check(name, "ok", "everything in dvc.lock")


JUDGES: dict[str, Callable[[str, dict[str, Any]], Check]] = {
    "Plugin": plugin,
    "Storage": storage,
    "Data pushed": check_push,
}
