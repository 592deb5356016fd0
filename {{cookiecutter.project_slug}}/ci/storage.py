"""What the remote says: asked by a process with a limit of time, put into words."""

import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from check import Check, finish, start
from remote import NAME, credentials, spec

STARTING = 1.5  # seconds that starting, ending and printing take of the doctor's limit
ELSEWHERE = "uv run python ci/doctor.py --use-remote URL"
CREDENTIALS = "credentials"  # stands for the command that gives a secret to DVC

# What the libraries of all storages say when they fail, from the most special to the most general.
CAUSES = [
    (
        r"shared object|[Uu]nable to load|DLL load failed",
        "a program that it needs is not on this machine; SECRETS.md names it",
        "",
    ),
    (
        r"certificate|SSL|TLS|WRONG_VERSION_NUMBER",
        "its TLS certificate is not trusted",
        f"uv run dvc remote modify --local {NAME} ssl_verify /path/to/ca.pem",
    ),
    (
        (
            r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|\b301\b"
            r"|must be addressed using|region \S+ is wrong"
        ),
        "the bucket is in another region",
        f"uv run dvc remote modify {NAME} region REGION",
    ),
    (r"[Ee]xpired", "the credentials have expired", CREDENTIALS),
    (
        r"locate credentials|requires either|require both|set `|find credentials|Anonymous caller",
        "no credentials were found",
        CREDENTIALS,
    ),
    (
        (
            r"NoSuchBucket|NoSuchContainer|ContainerNotFound|(bucket|container) does not exist"
            r"|No such (bucket|container|file)|[Ff]ile not found|\b404\b|FileNotFoundError"
        ),
        "the bucket, container or folder does not exist",
        ELSEWHERE,
    ),
    (
        (
            r"\b40[13]\b|Forbidden|[Dd]enied|InvalidAccessKeyId|Signature|[Aa]uthenticat|invalid_grant"
            r"|Unauthorized|Invalid Credentials|[Pp]assphrase|KeyImportError"
        ),
        "it refuses the credentials: they are wrong or lack a permission",
        CREDENTIALS,
    ),
    (
        (
            r"[Cc]onnect|getaddrinfo|Name or service|unreachable|ServiceRequestError|[Tt]imed? ?out"
            r"|Max retries|Errno (-2|-3|10\d|11\d)\b"
        ),
        "there is no answer: a wrong address, or no network",
        f"uv run dvc remote modify {NAME} url {spec()['url']}",
    ),
    (r"No space left|Errno 28\b", "it is full", ELSEWHERE),
]
LATE = {
    "Plugin": "still loading, as happens the first time",
    "Storage": "no answer in time: no network, or a server that accepts and says nothing",
    "Data pushed": "there is more to compare than fits the time: `uv run dvc status --cloud`",
}


def examine(limit: float) -> list[Check]:
    """Check the plugin, the storage by a tiny object, and that everything is there.

    Takes at most `limit` seconds.
    """
    answers, rest, late = ask_probe(time.monotonic() + limit - STARTING)
    checks: list[Check] = []
    for name, judge in JUDGES.items():
        answer = answers.get(name)
        if checks and checks[-1].state != "ok":
            checks.append(Check(name, "skipped", "not asked, since the check before failed"))
        elif answer and (late or answer.get("final", True)):
            checks.append(judge(name, answer))
        elif late:
            state = "skipped" if name == "Data pushed" else "failed"
            checks.append(Check(name, state, LATE[name], "uv run python ci/doctor.py --limit 60"))
        else:
            checks.append(Check(name, "failed", rest or "DVC ended without a word", "uv sync"))
    return checks


def ask_probe(deadline: float) -> tuple[dict[str, dict], str, bool]:
    """Run `ci/probe.py`; return its answers, its last other line, and whether it was too late."""
    with credentials() as environment:
        probe = [sys.executable, str(Path(__file__).with_name("probe.py"))]
        output, late = finish(start(probe, environment), deadline)
    answers, rest = {}, ""
    for line in output.splitlines():
        try:
            answer = json.loads(line)
            if answer.get("final", True) or cause(answer["error"]):
                answers[answer["check"]] = answer
        except (ValueError, TypeError, KeyError):
            rest = line.strip() or rest
    return answers, rest, late


def plugin(name: str, answer: dict) -> Check:
    """Judge whether DVC can load what it needs for this remote."""
    if "error" in answer:
        return Check(name, "failed", answer["error"].partition("\n")[0], "uv sync")
    return Check(name, "ok", spec()["title"])


def storage(name: str, answer: dict) -> Check:
    """Judge how the storage took the tiny object."""
    if "error" not in answer:
        return Check(name, "ok", answer["found"])
    if known := cause(answer["error"]):
        return Check(name, "failed", *known)
    said = answer["error"].partition("\n")[0][:200]
    return Check(name, "failed", said, "uv run dvc push --verbose")


def cause(error: str) -> tuple[str, str] | None:
    """Return what an error means, with the line that says so, and the command that mends it."""
    for pattern, words, mend in CAUSES:
        for line in error.splitlines():
            if re.search(pattern, line):
                command = give_credentials() if mend == CREDENTIALS else mend
                return f"{words} ({line[:150]})", command
    return None


def give_credentials() -> str:
    """Return the command that gives the first secret to DVC on this machine."""
    for secret in spec()["secrets"]:
        value = "/path/to/file" if secret["via"] == "file" else "…"
        if secret["option"]:
            return f"uv run dvc remote modify --local {NAME} {secret['option']} {value}"
        word = "set" if os.name == "nt" else "export"
        return f"{word} {secret['name']}={value}"
    return ELSEWHERE


def pushed(name: str, answer: dict) -> Check:
    """Judge whether everything in dvc.lock is in the storage."""
    if "error" in answer:
        return Check(name, "failed", answer["error"][:200], "uv run dvc status --cloud")
    states = list(answer["status"].values())
    if "new" in states:
        found = f"{states.count('new')} files are only here"
        return Check(name, "failed", found, "uv run dvc push")
    if "missing" in states:
        found = f"{states.count('missing')} files are neither here nor there"
        return Check(name, "failed", found, "uv run dvc repro")
    return Check(name, "ok", "everything in dvc.lock")


JUDGES: dict[str, Callable[[str, dict], Check]] = {
    "Plugin": plugin,
    "Storage": storage,
    "Data pushed": pushed,
}
