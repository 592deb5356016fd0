"""Look at everything a project needs: what is set up, what is not, and what mends it."""

import json
import os
import platform
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

from mlci.storage import checks as storage
from mlci.storage.checks import Check
from mlci.storage.remote import NAME, missing, options, place, spec
from mlci.storage.tools import ask
from mlci.work.merging import conflicts, remedy

MARKS = {"ok": "✓", "failed": "✗", "skipped": "–"}
CONFIG = Path(".dvc/config")


def examine(limit: float) -> Iterator[Check]:
    """Yield all checks, in at most `limit` seconds; those that wait for the network run meanwhile."""
    with ThreadPoolExecutor() as pool:
        listed = pool.submit(ci_secrets)
        can_ask = is_installed() and options()
        stored = pool.submit(storage.examine, limit) if can_ask else None
        yield from (python(), git_identity(), *unfinished_merge(), dvc(), remote(), *secrets())
        yield from stored.result() if stored else []
        yield from (ci_file(), pre_commit(), git_remote(), listed.result())


def python() -> Check:
    """Check Python against what the project asks for."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    least = re.findall(r"\d+", project["requires-python"])[:2]
    fine = sys.version_info[:2] >= tuple(map(int, least))
    mend = "" if fine else f"uv python install {'.'.join(least)}"
    return Check("Python", "ok" if fine else "failed", platform.python_version(), mend)


def git_identity() -> Check:
    """Check that Git knows who commits."""
    known, output = ask("git", "-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT")
    if known:
        return Check("Git identity", "ok", output.partition(">")[0] + ">")
    named, _ = ask("git", "config", "user.name")
    key, value = ("email", "you@example.com") if named else ("name", "Your Name")
    mend = f'git config --global user.{key} "{value}"'
    return Check("Git identity", "failed", f"Git does not know your {key}", mend)


def unfinished_merge() -> Iterator[Check]:
    """Name the files that a merge left in conflict, if there are any."""
    if files := conflicts():
        yield Check("Merge", "failed", f"left conflicts in {', '.join(files)}", remedy(files))


def is_installed() -> bool:
    """Tell whether this Python has DVC."""
    return any(metadata.distributions(name="dvc"))


def dvc() -> Check:
    """Check that this Python has DVC."""
    if is_installed():
        return Check("DVC", "ok", metadata.version("dvc"))
    return Check("DVC", "failed", "not installed for this Python", "uv sync")


def remote() -> Check:
    """Check the remote's address, and that no secret lies beside it."""
    schemes, url = spec()["schemes"], options().get("url", "")
    if not CONFIG.exists():
        mend = "uv run dvc init --subdir --force"
        return Check("Remote", "failed", "DVC has not been set up here", mend)
    if not url and f'"{NAME}"' in CONFIG.read_text(encoding="utf-8"):
        mend = "git checkout HEAD -- .dvc/config"
        return Check("Remote", "failed", ".dvc/config cannot be read", mend)
    if not url:
        commands = [["add", "--default", NAME, spec()["url"]]]
        commands += [["modify", NAME, *option] for option in spec()["options"].items()]
        mend = " && ".join(f"uv run dvc remote {shlex.join(command)}" for command in commands)
        return Check("Remote", "failed", "none is configured", mend)
    for secret in spec()["secrets"]:
        if secret["via"] == "local" and secret["option"] in options():
            mend = f"uv run dvc remote modify --unset {NAME} {secret['option']}"
            found = f".dvc/config, which is committed, holds the option {secret['option']}"
            return Check("Remote", "failed", found, mend)
    if schemes and url.partition("://")[0] not in schemes:
        found = f"{url} is not {spec()['title']}, which this project was made for"
        return Check("Remote", "skipped", found)
    return Check("Remote", "ok", url)


def secrets() -> Iterator[Check]:
    """Check whether each secret of the remote is set; no value is shown."""
    for secret in spec()["secrets"]:
        if where := place(secret):
            yield Check(secret["name"], "ok", f"set in {where}")
        else:
            optional = "" if secret["required"] else "optional; "
            yield Check(secret["name"], "skipped", f"{optional}not set here; SECRETS.md says how")


def ci_file() -> Check:
    """Check that the CI provider finds its file."""
    name = spec()["ci"]["file"]
    if Path(name).is_file():
        return Check("CI file", "ok", name)
    return Check("CI file", "failed", f"{name} is gone", f"git checkout HEAD -- {name}")


def pre_commit() -> Check:
    """Check that each commit is checked."""
    _, path = ask("git", "rev-parse", "--git-path", "hooks/pre-commit")
    if path and Path(path).is_file():
        return Check("pre-commit", "ok", "installed")
    return Check("pre-commit", "failed", "not installed", "uv run pre-commit install")


def git_remote() -> Check:
    """Check that there is a place to push the code to."""
    asked, output = ask("git", "remote", "--verbose")
    if asked and output:
        return Check("Git remote", "ok", re.sub(r"//[^/@]*@", "//", output.split()[1]))
    return Check("Git remote", "failed", "none is set", "git remote add origin URL")


def ci_secrets() -> Check:
    """Check that the CI provider has the required secrets, where its own tool can say so."""
    provider = spec()["ci"]
    name = f"Secrets of {provider['title']}"
    required = [secret for secret in spec()["secrets"] + provider["secrets"] if secret["required"]]
    if not required:
        return Check(name, "ok", "none is needed")
    answers = [ask(*shlex.split(command)) for command in provider["list"]]
    lists = [output for answered, output in answers if answered]
    if not lists:
        reason = answers[0][1].partition("\n")[0] if answers else "only on its own page"
        return Check(name, "skipped", f"cannot be listed here: {reason}")
    listed = {line.split()[0] for line in "\n".join(lists).splitlines() if line.strip()}
    absent = [secret for secret in required if secret["name"] not in listed]
    if not absent:
        return Check(name, "ok", ", ".join(secret["name"] for secret in required))
    found = f"not set: {', '.join(secret['name'] for secret in absent)}"
    # the first list is that of the environment: where there is none, it is made before
    commands = [*([] if answers[0][0] else provider["prepare"]), store_command(absent[0])]
    return Check(name, "failed", found, " && ".join(commands))


def store_command(secret: dict[str, Any]) -> str:
    """Return the command that gives a secret to the CI provider."""
    kind = "store_file" if secret.get("via") == "file" else "store"
    return str(spec()["ci"][kind]).replace("{name}", secret["name"])


def is_from_a_fork() -> bool:
    """Tell whether CI runs for someone to whom it gives no secrets.

    That is a fork, Dependabot, or on GitLab a branch that is not protected, to which variables that
    are marked protected do not come.
    """
    event = Path(os.environ.get("GITHUB_EVENT_PATH") or os.devnull)
    text = event.read_text(encoding="utf-8") if event.is_file() else "{}"
    pull = json.loads(text).get("pull_request") or {}
    head, base = ((pull.get(side) or {}).get("repo") or {} for side in ("head", "base"))
    source = os.environ.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID")
    target = os.environ.get("CI_MERGE_REQUEST_PROJECT_ID")
    is_bot = os.environ.get("GITHUB_ACTOR") == "dependabot[bot]"
    unprotected = os.environ.get("CI_COMMIT_REF_PROTECTED") == "false"
    is_fork = head.get("full_name") != base.get("full_name") or source != target
    return is_fork or is_bot or unprotected


def examine_ci() -> int:
    """Say which secrets CI lacks, in a sentence for each, and return the exit code."""
    absent = [secret for secret in spec()["secrets"] if secret["name"] in missing()]
    if not absent:
        print("Every secret that the remote needs is set.")
        return 0
    if is_from_a_fork():
        print("A pull request from a fork gets no secrets: data is neither pulled nor pushed.")
        return 0
    for secret in absent:
        print(f"{secret['name']} is not set. It is {secret['what']}: {store_command(secret)}")
    return 1


def show(checks: list[Check]) -> None:
    """Print the table, and below each failed check the command that mends it."""
    width = max(len(check.name) for check in checks)
    for check in checks:
        print(f"{MARKS[check.state]} {check.name:{width}}  {check.found}")
        if check.state == "failed" and check.mend:
            print(f"  {'':{width}}  → {check.mend}")
