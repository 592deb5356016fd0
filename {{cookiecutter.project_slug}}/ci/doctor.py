"""Say what of this project is set up, what is not, and the command that mends it.

    python ci/doctor.py                     everything, in at most 10 seconds (--limit)
    python ci/doctor.py --ci                the first step of CI: are the secrets set? No network.
    python ci/doctor.py --json              everything, for machines
    python ci/doctor.py --use-remote URL    use this storage from now on, and push the data to it

Exit codes: 0 nothing is wrong, 1 something is, 2 an argument cannot be.
"""

import argparse
import json
import os
import platform
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import storage
from check import ROOT, Check, ask
from remote import NAME, credentials, missing, options, place, spec
from settings import print_utf8

MARKS = {"ok": "✓", "failed": "✗", "skipped": "–"}
CONFIG = ROOT / ".dvc" / "config"


def examine(limit: float) -> Iterator[Check]:
    """Yield all checks, in at most `limit` seconds; those that wait for the network run meanwhile."""
    with ThreadPoolExecutor() as pool:
        listed = pool.submit(ci_secrets)
        can_ask = is_installed() and options()
        stored = pool.submit(storage.examine, limit) if can_ask else None
        yield from (python(), git_identity(), dvc(), remote(), *secrets())
        yield from stored.result() if stored else []
        yield from (ci_file(), pre_commit(), git_remote(), listed.result())


def python() -> Check:
    """Check Python against what the project asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
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
    if (ROOT / name).is_file():
        return Check("CI file", "ok", name)
    return Check("CI file", "failed", f"{name} is gone", f"git checkout HEAD -- {name}")


def pre_commit() -> Check:
    """Check that each commit is checked."""
    _, path = ask("git", "rev-parse", "--git-path", "hooks/pre-commit")
    if path and (ROOT / path).is_file():
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


def store_command(secret: dict) -> str:
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


def use_remote(url: str, endpoint: str | None, limit: float) -> int:
    """Point the project at another storage of its kind, push the data there, return the exit code.

    What this clone lacks is fetched from the old storage first, if that lets it. An address that
    does not work is not kept.
    """
    schemes = spec()["schemes"]
    pattern = rf"({'|'.join(schemes)})://{spec()['address']}" if schemes else r"(?!.*://).*\S.*"
    if not re.fullmatch(pattern, url) or re.search(r"//[^/]*:[^/]*@", url):
        wanted = f"an address with {schemes[0]}://" if schemes else "the path of a folder"
        print(f"--use-remote takes {wanted}, without a password, as {spec()['url']}; got {url!r}.")
        return 2
    if endpoint is not None and not spec()["endpoint_option"]:
        print(f"--endpoint must be left out: this storage has none ({spec()['title']}).")
        return 2
    if failed := [check for check in (dvc(), remote()) if check.state == "failed"]:
        show(failed)
        return 1
    before, moved = CONFIG.read_bytes(), False
    if run_dvc("fetch"):
        print("The old storage did not help: going on with what this clone has.")
    try:
        moved = move(url if schemes else str(Path(url).expanduser().resolve()), endpoint, limit)
    finally:
        if not moved:
            CONFIG.write_bytes(before)
            print("Nothing was changed: .dvc/config has the old address again.")
    if moved:
        print("Next: git commit .dvc/config, store the secrets as SECRETS.md says, git push.")
    return 0 if moved else 1


def move(address: str, endpoint: str | None, limit: float) -> bool:
    """Change the address, check the storage there, push to it; return whether all of it worked."""
    option = spec()["endpoint_option"]
    changes = [["url", address]]
    if endpoint:
        changes += [[option, endpoint]]
    elif endpoint is not None and option in options():
        changes += [["--unset", option]]
    if any(run_dvc("remote", "modify", NAME, *change) for change in changes):
        return False
    checks = storage.examine(limit)[:2]
    show(checks)
    return all(check.state != "failed" for check in checks) and not run_dvc("push")


def run_dvc(*arguments: str) -> int:
    """Show a DVC command, run it with the remote's credentials, and return its exit code."""
    print("$", shlex.join(["dvc", *arguments]), flush=True)
    with credentials() as environment:
        command = [sys.executable, "-m", "dvc", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def show(checks: list[Check]) -> None:
    """Print the table, and below each failed check the command that mends it."""
    width = max(len(check.name) for check in checks)
    for check in checks:
        print(f"{MARKS[check.state]} {check.name:{width}}  {check.found}")
        if check.state == "failed" and check.mend:
            print(f"  {'':{width}}  → {check.mend}")


def main() -> int:
    """Do what the arguments ask for and return the exit code."""
    print_utf8()
    os.chdir(ROOT)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--ci", action="store_true", help="only whether the secrets are set")
    either.add_argument("--json", action="store_true", help="print JSON instead of the table")
    either.add_argument("--use-remote", metavar="URL", help="use the storage at this address")
    parser.add_argument("--endpoint", metavar="URL", help="with --use-remote: its endpoint, or ''")
    parser.add_argument("--limit", type=float, default=10, metavar="SECONDS", help="default: 10")
    arguments = parser.parse_args()
    if arguments.use_remote is not None:
        return use_remote(arguments.use_remote, arguments.endpoint, arguments.limit)
    if arguments.endpoint is not None:
        parser.error("--endpoint goes with --use-remote")
    if arguments.ci:
        return examine_ci()
    checks = list(examine(arguments.limit))
    failed = any(check.state == "failed" for check in checks)
    if arguments.json:
        print(json.dumps({"ok": not failed, "checks": [c._asdict() for c in checks]}, indent=2))
    else:
        show(checks)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
