"""What the remote says: asked by a process with a limit of time, put into words."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mlci.storage import transfer
from mlci.storage.remote import NAME, options, place, spec
from mlci.storage.tools import finish


class Check(NamedTuple):
    """What was looked at, how it is ("ok", "failed" or "skipped"), and what mends a failure."""

    name: str
    state: str
    found: str
    mend: str = ""


STARTING = 1.5  # seconds that starting, ending and printing take of the doctor's limit
ELSEWHERE = "uv run ci use-remote URL"
CREDENTIALS = "credentials"  # stands for the command that gives the secrets to DVC
ADDRESS = "address"  # stands for the one that changes where DVC looks
LATER = "uv run ci doctor --limit 60"

# What the libraries of all storages say when they fail, from the most special to the most general.
CAUSES = [
    (r"not a git repository", "DVC needs Git", "git init"),
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
        (
            r"locate credentials|Partial credentials|requires either|require both|set `"
            r"|find credentials|Anonymous caller"
        ),
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
            r"|Unauthorized|Invalid Credentials|[Pp]assphrase|KeyImportError|token is malformed"
        ),
        "it refuses the credentials: they are wrong or lack a permission",
        CREDENTIALS,
    ),
    (
        r"\b50[0-4]\b|reduce your request|[Ii]nternal (server )?error|[Ss]erver ?[Bb]usy",
        "the server is in trouble or has too much to do: try again later",
        LATER,
    ),
    (
        (
            r"[Cc]onnect|getaddrinfo|Name or service|unreachable|ServiceRequestError|[Tt]imed? ?out"
            r"|Max retries|Errno (-2|-3|10\d|11\d)\b|Invalid endpoint"
        ),
        "there is no answer: a wrong address, or no network",
        ADDRESS,
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
            checks.append(Check(name, state, LATE[name], LATER))
        else:
            checks.append(Check(name, "failed", rest or "DVC ended without a word", "uv sync"))
    return checks


def ask_probe(deadline: float) -> tuple[dict[str, dict[str, Any]], str, bool]:
    """Run the probe; return its answers, its last other line, and whether it was too late."""
    probe = transfer.start(
        "mlci.storage.probe",
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
            if answer.get("final", True) or cause(answer["error"]):
                answers[answer["check"]] = answer
        except (ValueError, TypeError, KeyError):
            rest = line.strip() or rest
    return answers, rest, late


def plugin(name: str, answer: dict[str, Any]) -> Check:
    """Judge whether DVC can load what it needs for this remote."""
    if "error" in answer:
        said = answer["error"].partition("\n")[0]
        return Check(name, "failed", *(cause(answer["error"]) or (said, "uv sync")))
    return Check(name, "ok", spec()["title"])


def storage(name: str, answer: dict[str, Any]) -> Check:
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
                return f"{words} ({line[:150]})", command(mend, line)
    return None


def command(mend: str, line: str) -> str:
    """Return the command that mends what a line says, with what is known of this project."""
    if mend == CREDENTIALS:
        return give_credentials(line)
    if mend == ADDRESS:
        option = spec()["endpoint_option"]
        change = f"{option} https://HOST" if option in options() else f"url {spec()['url']}"
        return f"uv run dvc remote modify {NAME} {change}"
    region = re.search(r"expecting '([\w-]+)'", line)
    return mend.replace("REGION", region[1]) if region else mend


def give_credentials(line: str) -> str:
    """Return the command that gives DVC on this machine the secrets that it lacks, else all."""
    if spec()["oidc"]:
        return str(spec()["oidc"]["sign_in"])
    secrets = spec()["secrets"]
    unset = [secret for secret in secrets if not place(secret)]
    lacking = [s for s in unset if s["required"] or (s["option"] or "-") in line.lower()]
    others = [secret for secret in secrets if secret["required"] or secret not in unset]
    return " && ".join(map(give, lacking or others or secrets)) or ELSEWHERE


def give(secret: dict[str, Any]) -> str:
    """Return the command that gives one secret to DVC on this machine."""
    quote = '"' if os.name == "nt" else "'"
    value = "/path/to/file" if secret["via"] == "file" else f"{quote}…{quote}"
    if secret["option"] and not os.environ.get(secret["name"]):
        return f"uv run dvc remote modify --local {NAME} {secret['option']} {value}"
    return f'set "{secret["name"]}=…"' if os.name == "nt" else f"export {secret['name']}={value}"


def pushed(name: str, answer: dict[str, Any]) -> Check:
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
    if not Path("dvc.lock").exists():
        return Check(name, "skipped", "there are no results yet: `uv run dvc repro` makes them")
    return Check(name, "ok", "everything in dvc.lock")


JUDGES: dict[str, Callable[[str, dict[str, Any]], Check]] = {
    "Plugin": plugin,
    "Storage": storage,
    "Data pushed": pushed,
}
