"""Say what of this project is set up, what is not, and the command that mends it.

    python ci/doctor.py                     everything, in at most ten seconds
    python ci/doctor.py --ci                the first step of CI: are the secrets set? No network.
    python ci/doctor.py --json              the same for machines
    python ci/doctor.py --use-remote URL    after a fork: use this storage, and push the data to it

Exit code 0 when nothing is wrong, 1 when something is, 2 for an argument that cannot be.
"""

import argparse
import configparser
import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from remote import NAME, credentials, missing, spec

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 9.0  # seconds for all that waits for others; starting and printing take the tenth
MARKS = {"ok": "✓", "failed": "✗", "skipped": "–"}

# What the libraries of all storages say when they fail, from the most special to the most general.
CAUSES = [
    (
        r"certificate|SSL|TLS|WRONG_VERSION_NUMBER",
        "the TLS connection is not trusted",
        "dvc remote modify --local storage ssl_verify /path/to/your-ca.pem",
    ),
    (
        r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|IncorrectEndpoint"
        r"|\b301\b|must be addressed using|region '?[\w-]+'? is wrong",
        "the bucket is in another region",
        "dvc remote modify storage region REGION",
    ),
    (r"expired|ExpiredToken", "the credentials have expired", ""),
    (
        r"NoCredentials|Unable to locate credentials|requires either|require both|set `"
        r"|Could not automatically determine|Anonymous caller|No such file.*(key|json|pem)",
        "no credentials were found",
        "",
    ),
    (
        r"NoSuchBucket|ContainerNotFound|container does not exist|bucket does not exist"
        r"|No such (bucket|container)|File not found|\b404\b|NoSuchContainer",
        "the bucket, container or folder does not exist",
        "python ci/doctor.py --use-remote URL",
    ),
    (
        r"\b40[13]\b|Forbidden|Denied|denied|InvalidAccessKeyId|Signature|[Aa]uthenticat|invalid_grant"
        r"|Unauthorized|Invalid Credentials|PermissionError|[Pp]assphrase|KeyImportError",
        "the storage refuses the credentials: they are wrong, or lack a permission",
        "",
    ),
    (
        r"Could not connect|Connect(ion|or)?\w*Error|[Cc]onnection (refused|reset|aborted)|getaddrinfo"
        r"|Name or service|unreachable|ServiceRequestError|timed out|[Tt]imeout|Max retries|Errno 11[0-3]",
        "no answer: the address is wrong, or there is no network",
        "dvc remote list",
    ),
    (r"ENOSPC|No space left", "the storage is full", ""),
]


class Check(NamedTuple):
    """One line of the table; `mend` is the command that a failed check asks for."""

    name: str
    state: str
    found: str
    mend: str = ""


def ask(*command: str, limit: float = 5.0) -> tuple[bool, str]:
    """Run a command without asking anything back; return whether it succeeded, and its output."""
    try:
        process = start(list(command))
    except OSError:
        return False, f"{command[0]} is not installed"
    output, _ = finish(process, time.monotonic() + limit)
    return process.returncode == 0, output.strip()


def start(command: list[str], env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start a process in a group of its own, so that it can be ended with all its children."""
    return subprocess.Popen(
        [shutil.which(command[0]) or command[0], *command[1:]],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], deadline: float) -> tuple[str, bool]:
    """Return what a process printed, and whether it had to be ended at the deadline."""
    try:
        return process.communicate(timeout=max(0.1, deadline - time.monotonic()))[0], False
    except subprocess.TimeoutExpired:
        if os.name == "nt":
            tree = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
            subprocess.run(tree, check=False, capture_output=True)
        else:
            os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0], True


def storage_command(secret: dict) -> str:
    """Return the command that gives a secret to CI."""
    provider = spec()["ci"]
    store = provider["store_file" if secret.get("via") == "file" else "store"]
    return store.replace("{name}", secret["name"])


def python() -> Check:
    """Check Python against what the project asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    least = re.findall(r"\d+", project["requires-python"])[:2]
    fine = sys.version_info[:2] >= tuple(map(int, least))
    mend = f"uv python install {'.'.join(least)}"
    return Check("Python", "ok" if fine else "failed", platform.python_version(), mend)


def git_identity() -> Check:
    """Check that Git knows who commits."""
    fine, output = ask("git", "-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT")
    if fine:
        return Check("Git identity", "ok", output.partition(">")[0] + ">")
    named, _ = ask("git", "config", "user.name")
    key, value = ("email", "you@example.com") if named else ("name", "Your Name")
    mend = f'git config --global user.{key} "{value}"'
    return Check("Git identity", "failed", f"Git does not know your {key}", mend)


def git_remote() -> Check:
    """Check that there is a place for the code to be pushed to."""
    _, output = ask("git", "remote", "get-url", "origin")
    fine, output = ask("git", "remote", "-v")
    if fine and output:
        url = re.sub(r"//[^/@]*@", "//", output.split()[1])
        return Check("Git remote", "ok", url)
    return Check("Git remote", "failed", "none is set", "git remote add origin URL")


def dvc() -> Check:
    """Check that DVC can be imported by this Python."""
    try:
        return Check("DVC", "ok", metadata.version("dvc"))
    except metadata.PackageNotFoundError:
        return Check("DVC", "failed", "not installed for this Python", "uv sync")


def remote_options() -> dict[str, str]:
    """Return the options of the remote that are committed to Git."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / ".dvc" / "config", encoding="utf-8")
    section = f"'remote \"{NAME}\"'"
    return dict(config[section]) if config.has_section(section) else {}


def remote() -> Check:
    """Check the address of the remote, and that no secret lies beside it in a committed file."""
    options, schemes = remote_options(), spec()["schemes"]
    url = options.get("url", "")
    secret = {secret["option"] for secret in spec()["secrets"] if secret["via"] == "local"}
    if not url:
        mend = f"dvc remote add --default {NAME} {spec()['url']}"
        return Check("Remote", "failed", "none is configured", mend)
    if leaked := sorted(secret & options.keys()):
        mend = f"dvc remote modify --unset {NAME} {leaked[0]}"
        return Check("Remote", "failed", f".dvc/config, a committed file, holds {leaked[0]}", mend)
    if schemes and url.partition("://")[0] not in schemes:
        found = f"{url} is not of the kind that this project was made for ({schemes[0]}://)"
        return Check("Remote", "skipped", found)
    return Check("Remote", "ok", url)


def secrets() -> Iterator[Check]:
    """Check each secret of the remote; none of the values is shown."""
    path = ROOT / ".dvc" / "config.local"
    local = path.read_text(encoding="utf-8") if path.exists() else ""
    for secret in spec()["secrets"]:
        name = secret["name"]
        if os.environ.get(name):
            yield Check(name, "ok", "set in the environment")
        elif secret["option"] and re.search(rf"^\s*{secret['option']}\s*=", local, re.MULTILINE):
            yield Check(name, "ok", "set in .dvc/config.local")
        else:
            needed = "" if secret["required"] else " (optional)"
            yield Check(name, "skipped", f"not in the environment{needed}; see SECRETS.md")


def ci_file() -> Check:
    """Check that the CI provider finds its file."""
    name = spec()["ci"]["file"]
    if (ROOT / name).is_file():
        return Check("CI file", "ok", name)
    return Check("CI file", "failed", f"{name} is gone", f"git checkout HEAD -- {name}")


def pre_commit() -> Check:
    """Check that commits are checked."""
    _, path = ask("git", "rev-parse", "--git-path", "hooks/pre-commit")
    if path and (ROOT / path).is_file():
        return Check("pre-commit", "ok", "installed")
    return Check("pre-commit", "failed", "not installed", "uv run pre-commit install")


def ci_secrets() -> Check:
    """Check that the CI provider has the required secrets, where its own tool can say."""
    provider = spec()["ci"]
    needed = [s for s in [*spec()["secrets"], *provider["secrets"]] if s["required"]]
    title = f"Secrets of {provider['title']}"
    if not needed:
        return Check(title, "ok", "none is needed")
    answers = [ask(*shlex.split(command)) for command in provider["list"]]
    listed = [output for fine, output in answers if fine]
    if not listed:
        reason = (answers[-1][1].splitlines() or ["no answer"])[0] if answers else "see SECRETS.md"
        return Check(title, "skipped", f"cannot be asked for here: {reason}")
    names = {line.split()[0] for output in listed for line in output.splitlines() if line.split()}
    absent = [secret for secret in needed if secret["name"] not in names]
    if not absent:
        return Check(title, "ok", ", ".join(secret["name"] for secret in needed))
    found = f"{', '.join(secret['name'] for secret in absent)} not set"
    return Check(title, "failed", found, storage_command(absent[0]))


def storage(limit: float = LIMIT) -> list[Check]:
    """Check the remote itself: the plugin, a tiny object there and back, everything pushed."""
    deadline = time.monotonic() + limit
    with credentials() as env:
        probe = start([sys.executable, str(Path(__file__).with_name("probe.py"))], env)
        output, late = finish(probe, deadline)
    answers = {}
    for line in output.splitlines():
        if line.startswith("{"):
            answer = json.loads(line)
            answers[answer.pop("step")] = answer
    checks = []
    for step, judge in {"plugin": plugin, "storage": round_trip, "pushed": pushed}.items():
        name = {"plugin": "Plugin", "storage": "Storage", "pushed": "Data pushed"}[step]
        if step in answers:
            checks.append(Check(name, *judge(answers[step])))
        elif late and "failed" not in [check.state for check in checks]:
            checks.append(Check(name, *LATE[step]))
        elif checks and checks[-1].state == "ok" or not checks:
            reason = (output.strip().splitlines() or ["it ended without a word"])[-1]
            checks.append(Check(name, "failed", reason, "uv sync"))
        else:
            checks.append(Check(name, "skipped", "not asked"))
    return checks


LATE = {
    "plugin": ("failed", "still loading (the first time takes longest)", "python ci/doctor.py"),
    "storage": ("failed", "the server accepts, but does not answer in time", "dvc remote list"),
    "pushed": ("skipped", "takes longer than a doctor has; `dvc status --cloud` says"),
}


def plugin(answer: dict) -> tuple[str, ...]:
    """Judge whether DVC could load its plugin for this remote."""
    if "error" not in answer:
        return "ok", spec()["title"]
    return "failed", answer["error"].partition("\n")[0], "uv sync"


def round_trip(answer: dict) -> tuple[str, ...]:
    """Judge how the storage took the tiny object."""
    if "error" not in answer:
        return "ok", answer["found"]
    mend = storage_hint() if missing() else "see SECRETS.md"
    for pattern, words, command in CAUSES:
        if re.search(pattern, answer["error"]):
            return "failed", f"{words} ({detail(answer['error'])})", command or mend
    return "failed", detail(answer["error"]), "see SECRETS.md"


def detail(error: str) -> str:
    """Return the line of an error that says most: its first cause with words of its own."""
    lines = [" ".join(line.split()) for line in error.splitlines()]
    said = [line for line in lines if re.match(r"\w+: \S", line)]
    return (said or lines)[-1 if len(said) < 2 else 0][:160]


def storage_hint() -> str:
    """Return what gives the first missing secret to DVC on this machine."""
    return f"export {missing()[0]}=…   # or as SECRETS.md says for your own machine"


def pushed(answer: dict) -> tuple[str, ...]:
    """Judge whether everything in dvc.lock is in the storage."""
    if "error" in answer:
        return "failed", detail(answer["error"]), "dvc status --cloud"
    states = list(answer["status"].values())
    if "new" in states:
        return "failed", f"{states.count('new')} files are only here", "dvc push"
    if "missing" in states:
        return "failed", f"{states.count('missing')} files are neither here nor there", "dvc repro"
    return "ok", "everything in dvc.lock"


def examine() -> list[Check]:
    """Make all checks, those that wait for others at the same time."""
    with ThreadPoolExecutor() as pool:
        listed, stored = pool.submit(ci_secrets), None
        first = [python(), git_identity(), dvc(), remote(), *secrets()]
        if {check.name: check.state for check in first}["DVC"] == "ok" and remote_options():
            stored = pool.submit(storage)
        last = [ci_file(), pre_commit(), git_remote()]
        return [*first, *(stored.result() if stored else []), *last, listed.result()]


def is_from_a_fork() -> bool:
    """Tell whether this is a pull request from a fork, to which no CI provider gives secrets."""
    event = Path(os.environ.get("GITHUB_EVENT_PATH") or os.devnull)
    text = event.read_text(encoding="utf-8") if event.is_file() else ""
    pull = (json.loads(text) if text else {}).get("pull_request") or {}
    head, base = (pull.get(side, {}).get("repo") or {} for side in ("head", "base"))
    source = os.environ.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID")
    target = os.environ.get("CI_MERGE_REQUEST_PROJECT_ID")
    is_bot = os.environ.get("GITHUB_ACTOR") == "dependabot[bot]"
    return head.get("full_name") != base.get("full_name") or source != target or is_bot


def examine_ci() -> int:
    """Say which secrets CI lacks, a sentence for each, and return the exit code."""
    absent = missing()
    if not absent:
        print("Every secret that the remote needs is set.")
    elif is_from_a_fork():
        print("No secrets here, as for every pull request from a fork: nothing is pulled or pushed.")
        return 0
    for secret in spec()["secrets"]:
        if secret["name"] in absent:
            print(f"{secret['name']} is not set ({secret['what']}): {storage_command(secret)}")
    return 1 if absent else 0


def use_remote(url: str, endpoint: str | None) -> int:
    """Point the project at another storage of its kind and push the data there.

    What this clone lacks is fetched from the old storage first, if that lets it. An address that
    does not work is not kept.
    """
    schemes, example = spec()["schemes"], spec()["url"]
    scheme = url.partition("://")[0] if "://" in url else ""
    if (scheme and scheme not in schemes) or (schemes and not scheme) or re.search("//.*:.*@", url):
        wanted = f"an address that starts with {schemes[0]}://" if schemes else "a folder's path"
        print(f"--use-remote takes {wanted}, without a password, for example {example}; got {url!r}.")
        return 2
    option = spec()["endpoint_option"]
    if endpoint is not None and not option:
        print(f"--endpoint is not for this kind of storage ({spec()['title']}).")
        return 2
    before = (ROOT / ".dvc" / "config").read_bytes()
    with credentials() as env:
        if tell_and_run("dvc", "fetch", env=env):
            print("The old storage was of no help; going on with what this clone has.")
    address = url if schemes else str((Path.cwd() / Path(url).expanduser()).resolve())
    tell_and_run("dvc", "remote", "modify", NAME, "url", address)
    if endpoint:
        tell_and_run("dvc", "remote", "modify", NAME, option, endpoint)
    elif endpoint is not None:
        tell_and_run("dvc", "remote", "modify", "--unset", NAME, option)
    checks = storage()[:2]
    show(checks)
    if any(check.state == "failed" for check in checks):
        (ROOT / ".dvc" / "config").write_bytes(before)
        print("The old address is back in .dvc/config.")
        return 1
    with credentials() as env:
        failed = tell_and_run("dvc", "push", env=env)
    if not failed:
        print("Next: git commit .dvc/config, store the secrets of SECRETS.md, open a pull request.")
    return 1 if failed else 0


def tell_and_run(*command: str, env: dict[str, str] | None = None) -> int:
    """Print a command, run it with this Python's DVC, and return its exit code."""
    print("$", shlex.join(command), flush=True)
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=env, check=False
    ).returncode


def show(checks: list[Check]) -> None:
    """Print the table, and below each failed check the command that mends it."""
    width = max(len(check.name) for check in checks)
    for check in checks:
        print(f"{MARKS[check.state]} {check.name:{width}}  {check.found}")
        if check.state == "failed":
            print(f"  {'':{width}}  → {check.mend}")


def main() -> int:
    """Do what the arguments ask for and return the exit code."""
    for stream in (sys.stdout, sys.stderr):  # consoles that are not UTF-8 would refuse the marks
        stream.reconfigure(encoding="utf-8", errors="replace")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ci", action="store_true", help="only whether the secrets are set")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--use-remote", metavar="URL", help="point the project at this storage")
    parser.add_argument("--endpoint", metavar="URL", help="with --use-remote: its endpoint, or ''")
    arguments = parser.parse_args()
    if arguments.use_remote:
        return use_remote(arguments.use_remote, arguments.endpoint)
    if arguments.ci:
        return examine_ci()
    checks = examine()
    failed = any(check.state == "failed" for check in checks)
    if arguments.json:
        print(json.dumps({"ok": not failed, "checks": [c._asdict() for c in checks]}, indent=2))
    else:
        show(checks)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
