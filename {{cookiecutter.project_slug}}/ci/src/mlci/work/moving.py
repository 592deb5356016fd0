"""Point the project at another storage, of any kind, and take the data along.

Everything is done in a copy of the checkout first: the template's files, the lock, the environment,
the check of the new storage, the push. Then the changed files are put into the checkout.
"""

import contextlib
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mlci.place import spec
from mlci.storage import checks as storage
from mlci.storage import transfer
from mlci.storage.remote import options, remote_name
from mlci.work import template
from mlci.work.diagnosis import check_dvc, configuration, show
from mlci.work.duplicate import Copy, find_interrupted, finish, make_copy, put_back, refuse_changes
from mlci.work.interruption import TERMINATED, expect_one_signal

LOCAL = Path(".dvc/config.local")
SCOPE = ["--all-commits", "--run-cache"]  # what older commits use moves too
NEXT = """\
Next: look at `git diff`, store the secrets as SECRETS.md says, then
  git add --all
  git commit -m "Use another storage"
  git push"""


class NotMovedError(Exception):
    """Why the project stays with its storage, and the commands that help."""


@dataclass(frozen=True)
class Target:
    """The storage to use from now on."""

    kind: str
    url: str
    endpoint: str | None  # None: as it is

    @property
    def is_of_the_same_kind(self) -> bool:
        """Tell whether the project uses this kind of storage already."""
        return bool(self.kind == spec()["remote"])

    @property
    def answers(self) -> dict[str, str]:
        """The answers to the template's questions that lead to this storage."""
        endpoint = self.endpoint
        if endpoint is None and self.is_of_the_same_kind:
            endpoint = options().get(spec()["endpoint_option"] or "")
        answers = {"remote": self.kind, "remote_url": self.url, "remote_endpoint": endpoint or ""}
        if spec()["oidc"] and not spec()["kinds"][self.kind]["keyless"]:
            answers["credentials"] = "secrets"
        return answers


def change_remote(url: str, endpoint: str | None, limit: float) -> int:
    """Move the project to another storage and return the exit code.

    Raises:
        ValueError: the address is that of no storage.
    """
    target = read_target(url, endpoint)
    expect_one_signal()
    try:
        if found := find_interrupted():
            finish(*found)
            print(f"The change to {found[1]['what']}, which was interrupted, is finished.")
        else:
            move(target, limit)
    except NotMovedError as reason:
        print(f"{reason}\nNothing was changed.")
        return 1
    except (KeyboardInterrupt, SystemExit) as end:
        print("\nCall it again to finish it." if find_interrupted() else "\nNothing was changed.")
        return 130 if isinstance(end, KeyboardInterrupt) else TERMINATED
    if subprocess.run([template.uv(), "sync", "--quiet"], check=False).returncode:
        print("The environment could not be brought up to date: uv sync")
    print(NEXT)
    return 0


def read_target(url: str, endpoint: str | None) -> Target:
    """Find out which kind of storage an address is of.

    Raises:
        ValueError: it is of none, it holds a password, or it has an endpoint that it cannot have.
    """
    kinds = spec()["kinds"]
    scheme, separator, _ = url.partition("://")
    found = [kind for kind, known in kinds.items() if scheme in known["schemes"]]
    if not separator:
        found = [kind for kind, known in kinds.items() if not known["schemes"]]
    if re.search(r"//[^/]*:[^/]*@", url):
        raise ValueError("the address must hold no password, since it is committed to Git")
    if not url.strip() or not found or (separator and not is_address(url)):
        schemes = ", ".join(f"{name}://" for known in kinds.values() for name in known["schemes"])
        raise ValueError(
            f"{url!r} is no storage's address; give a folder's path or an address with {schemes},"
            " for example s3://my-bucket/my-project"
        )
    if endpoint and not re.fullmatch(r"https?://[^/\s@?#]+(/[^\s?#]*)?", endpoint):
        raise ValueError(
            f"--endpoint takes an address such as https://minio.example.com; got {endpoint!r}"
        )
    is_folder = not separator
    return Target(found[0], str(Path(url).expanduser().resolve()) if is_folder else url, endpoint)


def is_address(url: str) -> bool:
    """Tell whether an address is whole: a scheme, a host or bucket, and maybe a path."""
    return bool(re.fullmatch(rf"\w+://{spec()['address']}", url))


def move(target: Target, limit: float) -> None:
    """Do all of it, in the order in which it may fail.

    Raises:
        NotMovedError: a step failed; the checkout is as it was.
    """
    failed = [check for check in (check_dvc(), configuration()) if check.blocks]
    if failed:
        show(failed)
        raise NotMovedError("This has to be mended first.")
    if refusal := refuse_changes():
        raise NotMovedError(refusal)
    if run_dvc(sys.executable, "fetch", *SCOPE):
        print("Not all could be fetched from the old storage: going on with what this clone has.")
    cache = cache_folder()
    with make_copy() as copy:
        same = target.is_of_the_same_kind
        local = LOCAL.read_text(encoding="utf-8") if LOCAL.exists() else ""
        with contextlib.chdir(copy.project):
            renew_files(target)
            write_config(target, same, local, cache)
            python = sys.executable if same else make_environment(copy)
            make_folder(target)
            check(python, limit)
            push(python)
            use_cache(None)
        put_back(copy, target.url, [str(LOCAL)] if local and not same else [])


def renew_files(target: Target) -> None:
    """Let the template write SECRETS.md, ci/remote.json, the CI file and pyproject.toml anew.

    Raises:
        NotMovedError: it cannot be reached or merged, and without it this kind of storage cannot be
            used. Within a kind, the address in .dvc/config is all that DVC needs.
    """
    answers, same = target.answers, target.is_of_the_same_kind
    if reason := template.render(answers):
        if not same:
            raise NotMovedError(f"{reason}\n{by_hand(answers)}")
        subprocess.run(["git", "reset", "--quiet", "--hard"], check=True)
        subprocess.run(["git", "clean", "--quiet", "--force", "-d"], check=True)
        print(f"{reason}\nSECRETS.md and ci/remote.json keep the old address until this works:")
        print(by_hand(answers))


def by_hand(answers: dict[str, str]) -> str:
    """Return the commands that do the same, for a machine that reaches the template."""
    if not template.LINK.exists():
        return "and call this again."
    add = ["dvc", "remote", "add", "--force", "--default", remote_name(), answers["remote_url"]]
    commands = [
        shlex.join(["uvx", *template.update_command(answers)]),
        "uv lock",
        "uv sync",
        f"uv run {shlex.join(add)}",
        "uv run dvc push --all-commits",
    ]
    return "By hand, on a machine that reaches it:\n  " + "\n  ".join(commands)


def write_config(target: Target, same: bool, local: str, cache: str) -> None:
    """Write the new address into the copy's .dvc/config, and let the copy use this clone's cache.

    Raises:
        NotMovedError: DVC does not take the address.
    """
    from dvc.config import Config

    LOCAL.touch(mode=0o600)
    LOCAL.write_text(local, encoding="utf-8")
    if not same:
        forget_local_options()
    use_cache(cache)
    endpoint, name = spec()["endpoint_option"], remote_name()
    try:
        with Config(dvc_dir=".dvc").edit("repo") as config:
            known = config["remote"].get(name, {}) if same else dict(spec()["options"])
            known["url"] = target.url
            if target.endpoint:
                known[endpoint] = target.endpoint
            elif target.endpoint is not None:
                known.pop(endpoint, None)
            config["remote"][name] = known
            config["core"]["remote"] = name
    except (OSError, ValueError) as error:
        raise NotMovedError(f"DVC does not take this address: {error}") from None


def forget_local_options() -> None:
    """Take the options of the old kind of storage out of .dvc/config.local: DVC would stumble."""
    from dvc.config import Config

    if not options("config.local"):
        return
    with Config(dvc_dir=".dvc").edit("local") as config:
        removed = config["remote"].pop(remote_name())
    print(f".dvc/config.local: {', '.join(removed)} of the old storage were removed.")


def cache_folder() -> str:
    """Return the folder of this clone's cache."""
    from dvc.repo import Repo

    with Repo() as repo:
        return str(Path(repo.cache.local.path).parents[1])  # without files/md5


def use_cache(folder: str | None) -> None:
    """Let the copy use this clone's cache, or again its own."""
    from dvc.config import Config

    with Config(dvc_dir=".dvc").edit("local") as config:
        config.setdefault("cache", {}).pop("dir", None)
        if folder:
            config["cache"]["dir"] = folder


def make_environment(copy: Copy) -> str:
    """Lock and install what the new kind of storage needs; return the Python that has it.

    Raises:
        NotMovedError: the packages cannot be had.
    """
    hidden = ("UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    for command in (["lock"], ["sync", "--locked"]):
        print(f"$ uv {command[0]}", flush=True)
        done = subprocess.run([template.uv(), *command, "--quiet"], env=environment, check=False)
        if done.returncode:
            raise NotMovedError(f"The packages of this storage cannot be had: uv {command[0]}.")
    return str(copy.python)


def make_folder(target: Target) -> None:
    """Make the new storage, where it is a folder.

    Raises:
        NotMovedError: it cannot be made.
    """
    if "://" in target.url:
        return
    try:
        Path(target.url).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotMovedError(f"The folder cannot be made: {error}") from None


def check(python: str, limit: float) -> None:
    """Check the new storage.

    Raises:
        NotMovedError: it cannot be used.
    """
    checks = storage.examine(limit, python)[:2]
    show(checks)
    if any(found.blocks for found in checks):
        raise NotMovedError("The new storage cannot be used yet.")


def push(python: str) -> None:
    """Push everything that this clone has.

    Raises:
        NotMovedError: not all of it arrived.
    """
    if run_dvc(python, "push", *SCOPE):
        raise NotMovedError("Not everything could be pushed to the new storage.")


def run_dvc(python: str, *arguments: str) -> int:
    """Show a DVC command, run it with the remote's credentials, and return its exit code."""
    print("$", shlex.join(["dvc", *arguments]), flush=True)
    process = transfer.start("dvc", *arguments, python=python)
    try:
        return int(process.wait())
    except BaseException:  # Ctrl-C, or SIGTERM: DVC must not go on alone
        process.kill()
        process.wait()
        raise
