"""The remote of this project: which secrets it needs, and how they reach DVC."""

import base64
import configparser
import contextlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlci.place import spec
from mlci.storage import keys

NAME = "storage"  # the name that .dvc/config of a new project gives its remote


@dataclass(frozen=True)
class Credentials:
    """What a transfer needs to reach the storage; only `transfer` hands it on."""

    environment: dict[str, str]  # all variables, those that are secrets included
    hidden: list[str] = field(default_factory=list)  # those that commands of stages do not get
    options: dict[str, str] = field(default_factory=dict)  # of DVC's default remote
    option_files: dict[str, str] = field(default_factory=dict)  # {option: content of its file}
    variable_files: dict[str, str] = field(default_factory=dict)  # {variable: the same}
    oidc: dict[str, Any] = field(default_factory=dict)  # how to sign in without a key, or nothing


def missing() -> list[str]:
    """Return the names of the required secrets that the environment lacks or has empty.

    CI providers pass a secret that is not set as an empty variable. On your own machine a secret
    may also lie in `.dvc/config.local` or where the storage's own tools keep it.
    """
    required = [secret["name"] for secret in spec()["secrets"] if secret["required"]]
    return [name for name in required if not keys.environment().get(name)]


def tokens() -> list[str]:
    """Return the variables that may hold the token to write with; CML knows both spellings."""
    return [
        name
        for secret in spec()["ci"]["secrets"]
        for name in (secret["name"], secret["name"].lower())
    ]


def secret_names() -> set[str]:
    """Return the variables that hold secrets of the remote, or a token to write with."""
    return {secret["name"] for secret in spec()["secrets"]} | set(tokens())


def section(file: str, title: str) -> dict[str, str]:
    """Return a section of one of DVC's configuration files, such as `core` of `config.local`.

    DVC puts a value with a comma or another special character into quotes.
    """
    config = configparser.ConfigParser(interpolation=None)
    with contextlib.suppress(configparser.Error):  # cut short, or with marks of a merge conflict
        config.read(Path(".dvc", file), encoding="utf-8")
    found = config[title] if config.has_section(title) else {}
    return {name: re.sub(r"^(['\"])(.*)\1$", r"\2", value) for name, value in found.items()}


def default_name() -> str:
    """Return what DVC's default remote is called (`core.remote`); empty where there is none."""
    local, shared = section("config.local", "core"), section("config", "core")
    return local.get("remote") or shared.get("remote", "")


def remote_name() -> str:
    """Return what the project's remote is called, or would be: DVC's default one."""
    return default_name() or NAME


def options(file: str = "config") -> dict[str, str]:
    """Return the default remote's options in `.dvc/config`, or in `.dvc/config.local`."""
    return section(file, f"'remote \"{remote_name()}\"'")


def locate(secret: dict[str, Any]) -> str:
    """Return where on this machine a secret is set, or an empty string."""
    if keys.environment().get(secret["name"]):
        return "the environment"
    return ".dvc/config.local" if secret["option"] in options("config.local") else ""


def credentials() -> Credentials:
    """Return the secrets of this process, sorted by the way in which DVC takes them.

    Raises:
        ValueError: what should be a key file is none.
    """
    environment = keys.environment()
    found = spec()
    secrets = keys.secrets_of(environment, secret_names())
    result = Credentials(environment, hidden=[*secrets])
    result.oidc.update(found["oidc"] or {})
    for name in tokens():  # may write to the repository, which no transfer needs
        environment.pop(name, None)
    for secret in found["secrets"]:
        name, option = secret["name"], secret["option"]
        value = environment.pop(name, "")
        if not value:
            continue
        if secret["via"] == "file" and not is_file(value):
            files = result.option_files if option else result.variable_files
            files[option or name] = read_key(secret, value)
            continue
        if secret["via"] == "file":
            value = str(Path(value).resolve())
        if option:
            result.options[option] = value
        else:
            environment[name] = value
    return result


def is_file(value: str) -> bool:
    """Tell whether a secret is the path of a file, as at home."""
    try:
        return Path(value).is_file()
    except (OSError, ValueError):  # a name that is too long, or no name
        return False


def read_key(secret: dict[str, Any], value: str) -> str:
    """Return the content of a key file from a variable: as it is, or as one line of base64.

    How such a file begins (`begins` of remote.json) tells one from the other.

    Raises:
        ValueError: it is neither.
    """
    content = value.strip()
    with contextlib.suppress(ValueError):
        if not content.startswith(secret["begins"]):
            content = base64.b64decode(content, validate=True).decode().strip()
    if not content.startswith(secret["begins"]):
        raise ValueError(
            f"{secret['name']} neither names a file nor holds one: that would begin with"
            f" {secret['begins']}, or be one line of base64"
        )
    return f"{content}\n"
