"""The remote of this project: which secrets it needs, and how they reach DVC."""

import base64
import configparser
import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlci.storage.oidc import signed_in

NAME = "storage"  # what the remote is called in .dvc/config


def spec() -> dict[str, Any]:
    """Return what `remote.json` says about the kind of remote, its secrets and the CI provider."""
    found: dict[str, Any] = json.loads(Path("ci/remote.json").read_text(encoding="utf-8"))
    return found


def missing() -> list[str]:
    """Return the names of the required secrets that the environment lacks or has empty.

    CI providers pass a secret that is not set as an empty variable. On your own machine a secret
    may also lie in `.dvc/config.local` or where the storage's own tools keep it.
    """
    required = [secret["name"] for secret in spec()["secrets"] if secret["required"]]
    return [name for name in required if not os.environ.get(name)]


def tokens() -> list[str]:
    """Return the variables that may hold the token to write with; CML knows both spellings."""
    return [
        name
        for secret in spec()["ci"]["secrets"]
        for name in (secret["name"], secret["name"].lower())
    ]


def options(name: str = "config") -> dict[str, str]:
    """Return the remote's options in `.dvc/config`, or in `.dvc/config.local` by its name."""
    config = configparser.ConfigParser(interpolation=None)
    with contextlib.suppress(configparser.Error):  # cut short, or with marks of a merge conflict
        config.read(Path(".dvc", name), encoding="utf-8")
    section = f"'remote \"{NAME}\"'"
    return dict(config[section]) if config.has_section(section) else {}


def place(secret: dict[str, Any]) -> str:
    """Return where on this machine a secret is set, or an empty string."""
    if os.environ.get(secret["name"]):
        return "the environment"
    return ".dvc/config.local" if secret["option"] in options("config.local") else ""


@contextlib.contextmanager
def credentials() -> Iterator[dict[str, str]]:
    """Make the secrets of the environment reach DVC, and take them back at the end.

    Yields:
        The environment for DVC's processes. A secret `via` "env" stays in it. One `via` "file"
        becomes a file that only this user can read, outside the checkout. One that DVC takes as
        an `option` goes to `.dvc/config.local`, which Git ignores, and not into the environment.

    """
    environment, chosen = dict(os.environ), {}
    with tempfile.TemporaryDirectory(prefix="dvc-") as folder:
        for secret in spec()["secrets"]:
            name, option = secret["name"], secret["option"]
            value = environment.pop(name, "")
            if value and secret["via"] == "file":
                value = str(private_file(Path(folder, name.lower()), value))
            if value and option:
                chosen[option] = value
            elif value:
                environment[name] = value
        for name in tokens():  # may write to the repository, which no stage needs
            environment.pop(name, None)
        with local_options(chosen), identity(environment, Path(folder)):
            yield environment


def identity(environment: dict[str, str], folder: Path) -> contextlib.AbstractContextManager[None]:
    """Sign in by CI's own token in a project that has no keys."""
    how = spec()["oidc"]
    if not how:
        return contextlib.nullcontext()
    return signed_in(how, environment, folder)


def private_file(path: Path, value: str) -> Path:
    """Write a secret, given as it is or as one line of base64; one that is a path stays there."""
    with contextlib.suppress(OSError):  # a name that is too long is no path
        if Path(value).is_file():
            return Path(value).resolve()
    with contextlib.suppress(ValueError):  # a key or JSON as it is: neither is base64
        value = base64.b64decode(value, validate=True).decode()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
        file.write(value.rstrip("\n") + "\n")
    return path


@contextlib.contextmanager
def local_options(chosen: dict[str, str]) -> Iterator[None]:
    """Set options of the remote as `dvc remote modify --local` does, and undo it at the end."""
    if not chosen:
        yield
        return
    from dvc.config import Config  # not needed where no secret is an option

    path = Path(".dvc", "config.local")
    before = path.read_bytes() if path.exists() else None
    try:
        path.touch(mode=0o600)
        with Config(dvc_dir=".dvc").edit("local") as config:
            config.setdefault("remote", {}).setdefault(NAME, {}).update(chosen)
        yield
    finally:
        if before is not None:
            path.write_bytes(before)
        else:
            path.unlink(missing_ok=True)
