"""Look at everything a project needs: what is set up, what is not, and what mends it."""

import configparser
import json
import os
import platform
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from mlci.history.origins import hide_credentials
from mlci.place import spec
from mlci.storage import checks as storage
from mlci.storage.checks import ADVISES, Check
from mlci.storage.remote import (
    NAME,
    default_name,
    is_file,
    locate,
    missing,
    options,
    read_key,
    remote_name,
)
from mlci.storage.tools import ask
from mlci.work import imports, template
from mlci.work.merging import conflicts, remedy

MARKS = {"ok": "✓", "failed": "✗", "skipped": "–"}
ADVICE = "!"
CONFIG = Path(".dvc/config")
LEAST, PER_FILE = 10.0, 0.001  # seconds: the doctor's limit, and more for each file to compare
MOVE = "uv run ci use-remote s3://BUCKET/PROJECT"
# The addresses that the template's questions show, which belong to nobody or to somebody else.
EXAMPLE = re.compile(r"\w+://([^/]*@)?(my-bucket|my-container|[\w.-]*example\.com|0AIac4JZ\w+)\b")
# A signature for storage says in its own text when it expires.
EXPIRY = re.compile(r"[?&;=]se=(\d{4}-\d\d-\d\d(?:T[\d:%A]+Z)?)")


def find_limit() -> float:
    """Return how many seconds to look: more where there is more to compare."""
    _, listed = ask("git", "ls-files", "dvc.lock", "*.dvc")
    texts = [Path(name).read_text("utf-8") for name in listed.splitlines() if Path(name).is_file()]
    files = sum(int(count) for text in texts for count in re.findall(r"\bnfiles: (\d+)", text))
    return LEAST + PER_FILE * files


def examine(limit: float) -> Iterator[Check]:
    """Yield all checks, in at most `limit` seconds; those that wait for the network run meanwhile."""
    with ThreadPoolExecutor() as pool:
        listed = pool.submit(ci_secrets)
        newest = pool.submit(template_version)
        has_dvc = is_installed()
        imported = pool.submit(imports.examine, int(limit / 2)) if has_dvc else None
        stored = pool.submit(storage.examine, limit) if has_dvc and options() else None
        yield from (
            python(),
            git_identity(),
            *unfinished_merge(),
            *absent_data(),
            check_dvc(),
            check_remote(),
            *secrets(),
        )
        yield from stored.result() if stored else []
        yield from imported.result() if imported else []
        yield from (ci_file(), pre_commit(), git_remote(), listed.result(), newest.result())


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


def absent_data() -> Iterator[Check]:
    """Name the data that are not in this checkout and that no stage can make."""
    _, listed = ask("git", "-c", "core.quotepath=false", "ls-files", "*.dvc")
    paths = [name.removesuffix(".dvc") for name in listed.splitlines()]
    if absent := [path for path in paths if not Path(path).exists()]:
        yield Check("Data", "failed", f"not here: {', '.join(absent)}", "uv run dvc pull", ADVISES)


def is_installed() -> bool:
    """Tell whether this Python has DVC."""
    return any(metadata.distributions(name="dvc"))


def check_dvc() -> Check:
    """Check that this Python has DVC."""
    if is_installed():
        return Check("DVC", "ok", metadata.version("dvc"))
    return Check("DVC", "failed", "not installed for this Python", "uv sync")


def check_remote() -> Check:
    """Check the remote: that DVC can read it, that no secret lies beside it, and its address."""
    problem = configuration()
    if problem.state != "ok":
        return problem
    url = options()["url"]
    return judge_address(url, url.partition("://")[0] if "://" in url else "")


def configuration() -> Check:
    """Check that DVC can read the remote, and that no secret lies beside it."""
    url = options().get("url", "")
    if not CONFIG.exists():
        mend = "uv run dvc init --subdir --force"
        return Check("Remote", "failed", "DVC has not been set up here", mend)
    text = CONFIG.read_text(encoding="utf-8")
    others = re.findall(r"remote \"(.+?)\"'\]", text)
    if not url and (not is_readable(text) or (default_name() and remote_name() in others)):
        mend = "git checkout HEAD -- .dvc/config"
        return Check("Remote", "failed", ".dvc/config cannot be read", mend)
    if not url and others:
        found = f"none is DVC's default; there are: {', '.join(others)}"
        return Check("Remote", "failed", found, f"uv run dvc remote default {others[0]}")
    if not url:
        commands = [["add", "--default", NAME, spec()["url"]]]
        commands += [["modify", NAME, *option] for option in spec()["options"].items()]
        mend = " && ".join(f"uv run dvc remote {shlex.join(command)}" for command in commands)
        return Check("Remote", "failed", "none is configured", mend)
    for secret in spec()["secrets"]:
        if secret["via"] == "local" and secret["option"] in options():
            mend = f"uv run dvc remote modify --unset {remote_name()} {secret['option']}"
            found = f".dvc/config, which is committed, holds the option {secret['option']}"
            return Check("Remote", "failed", found, mend)
    return Check("Remote", "ok", url)


def is_readable(text: str) -> bool:
    """Tell whether a configuration file is whole, and without the marks of a merge conflict."""
    try:
        configparser.ConfigParser(interpolation=None).read_string(text)
    except configparser.Error:
        return False
    return True


def judge_address(url: str, scheme: str) -> Check:
    """Judge whether the address can be used by all who need it."""
    renew = f"uv run ci use-remote {shlex.quote(url)}"
    if (scheme in spec()["schemes"]) != bool(scheme):
        found = f"{url} is not {spec()['title']}, for which CI and SECRETS.md are made"
        return Check("Remote", "failed", found, renew, ADVISES)
    if EXAMPLE.match(url):
        mend = f"uv run ci use-remote {scheme}://…"
        return Check("Remote", "failed", f"{url} is still the example address", mend)
    if not scheme:
        found = f"{url}: only machines that see this folder can pull, and hosted CI does not"
        return Check("Remote", "failed", found, MOVE, ADVISES)
    return Check("Remote", "ok", url)


def secrets() -> Iterator[Check]:
    """Check whether each secret of the remote is set and whole; no value is shown."""
    for secret in spec()["secrets"]:
        name, where = secret["name"], locate(secret)
        value = os.environ.get(name) or options("config.local").get(secret["option"] or "", "")
        problem = find_flaw(secret, value)
        if not where:
            optional = "" if secret["required"] else "optional; "
            yield Check(name, "skipped", f"{optional}not set here; SECRETS.md says how")
        elif problem:
            yield Check(name, "failed", f"set in {where}, {problem}", storage.give(secret))
        else:
            yield Check(name, "ok", f"set in {where}")


def find_flaw(secret: dict[str, Any], value: str) -> str:
    """Return what is wrong with a secret as far as its text tells, or an empty string."""
    if secret["via"] == "file":
        return find_flaw_of_file(secret, value)
    if value != value.strip():
        return "with a line break or a blank at its begin or end"
    if found := EXPIRY.search(value):
        until = datetime.fromisoformat(found[1].replace("%3A", ":"))
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        if until < datetime.now(UTC):
            return f"a signature that expired on {until:%Y-%m-%d}"
    return ""


def find_flaw_of_file(secret: dict[str, Any], value: str) -> str:
    """Return what is wrong with the path or the content of a key file; DVC counts from .dvc."""
    if not value or is_file(value) or is_file(str(Path(".dvc", Path(value).expanduser()))):
        return ""
    if re.match(r"[/~.]|[A-Za-z]:\\", value):
        return "which names a file that is not there"
    try:
        read_key(secret, value)
    except ValueError:
        return f"which should begin with {secret['begins']}, or be one line of base64"
    return ""


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
    return Check("pre-commit", "failed", "not installed", "uv run pre-commit install", ADVISES)


def git_remote() -> Check:
    """Check that there is a place to push the code to."""
    asked, output = ask("git", "remote", "--verbose")
    if asked and output:
        address = output.splitlines()[0].partition("\t")[2].removesuffix(" (fetch)")
        return Check("Git remote", "ok", hide_credentials(address))
    return Check("Git remote", "failed", "none is set", "git remote add origin URL", ADVISES)


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
    return Check(name, "failed", found, " && ".join(commands), ADVISES)


def store_command(secret: dict[str, Any]) -> str:
    """Return the command that gives a secret to the CI provider."""
    kind = "store_file" if secret.get("via") == "file" else "store"
    return str(spec()["ci"][kind]).replace("{name}", secret["name"])


def template_version() -> Check:
    """Check which version of its template the project was made from, and whether one is newer."""
    if not template.LINK.exists():
        return Check("Template", "skipped", "unknown: there is no .cruft.json")
    try:
        linked = template.link()
    except ValueError as error:
        said = str(error).removesuffix(f": {template.RESTORE}")
        return Check("Template", "failed", said, template.RESTORE)
    found, reason = template.versions()
    version = f"{template.title(linked['commit'], found)} of {linked['template']}"
    if not found:
        return Check("Template", "skipped", f"{version}, which cannot be asked: {reason}")
    if found["HEAD"] == linked["commit"]:
        return Check("Template", "ok", f"{version}, the newest")
    newest = f"{version}; the newest is {template.title(found['HEAD'], found)}"
    return Check("Template", "failed", newest, "uv run ci update", ADVISES)


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
    if not spec()["schemes"]:
        print(f"The storage is a folder, which CI reaches only where it is mounted: {MOVE}")
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
    """Print the table, and below each failed check the command that mends it.

    A cross is what has to be mended, an exclamation mark what may wait.
    """
    width = max(len(check.name) for check in checks)
    for check in checks:
        mark = ADVICE if check.state == "failed" and not check.blocks else MARKS[check.state]
        print(f"{mark} {check.name:{width}}  {check.found}")
        if check.state == "failed" and check.mend:
            print(f"  {'':{width}}  → {check.mend}")
