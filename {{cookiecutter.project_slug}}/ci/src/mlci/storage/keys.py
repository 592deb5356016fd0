"""The keys of a process: they reach transfers, and no command of a stage.

Whatever runs as the same user can read the environment that a process was started with
(`/proc/PID/environ`). So `hide` starts this process anew without its secrets, in the same place and
under the same number; from then on they are in its memory, which Linux shows to root alone.
"""

import ctypes
import json
import os
import re
import sys
import tempfile
from pathlib import Path

import mlci

HANDOVER = "CI_HANDOVER"  # the number of the open file in which a process finds its secrets
SOURCE = str(Path(mlci.__file__).parents[1])  # for a child where the package is not installed
# Words in the name of a variable that holds a secret, and a password in an address.
SECRET_NAME = re.compile(
    r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|KEY|JWT|SAS|CONNECTION_STRING)(_|$)",
    re.IGNORECASE,
)
# Git's settings by environment: numbered pairs, of which it refuses a part.
GIT_SETTING = re.compile(r"GIT_CONFIG_(COUNT|KEY_\d+|VALUE_\d+)")
PASSWORD_IN_URL = re.compile(r"://[^/\s@]*:[^/\s@]+@")
_hidden: dict[str, str] = {}  # the variables that were taken out of the environment


def is_secret(name: str, value: str, known: set[str]) -> bool:
    """Tell whether a variable is one of the known secrets, or looks like one."""
    if not value:
        return False
    in_url = PASSWORD_IN_URL.search(value) and not name.lower().endswith("_proxy")
    return name in known or bool(SECRET_NAME.search(name) or in_url)


def environment() -> dict[str, str]:
    """Return all variables of this process, those that are hidden included."""
    return dict(os.environ) | _hidden


def hidden() -> dict[str, str]:
    """Return the variables that were taken out of the environment."""
    return dict(_hidden)


def secrets_of(variables: dict[str, str], known: set[str]) -> dict[str, str]:
    """Return those variables that are secrets; Git's settings all or none."""
    settings = {name: value for name, value in variables.items() if GIT_SETTING.fullmatch(name)}
    found = {}
    for name, value in variables.items():
        if name not in settings and is_secret(name, value, known):
            found[name] = value
    for value in settings.values():
        if "extraheader" in value.lower() or PASSWORD_IN_URL.search(value):
            return found | settings
    return found


def hide(arguments: list[str], known: set[str]) -> None:
    """Take the secrets out of the environment of this process, for good.

    Starts `python -m mlci` with these arguments in the place of this process, once; where this is
    that second start, it takes over what the first one left. Windows has no such start, and shows
    no other process the environment.
    """
    if HANDOVER in os.environ:
        with os.fdopen(int(os.environ.pop(HANDOVER)), "rb") as file:
            kept = json.load(file)
        hide_memory()
        _hidden.update(kept["secrets"])
        restore("PYTHONPATH", kept["path"])
        return
    found = secrets_of(dict(os.environ), known)
    if os.name == "nt":
        for name in found:
            del os.environ[name]
        _hidden.update(found)
        return
    kept = {"secrets": found, "path": os.environ.get("PYTHONPATH")}
    number = memory_file(json.dumps(kept).encode())
    clean = {name: value for name, value in os.environ.items() if name not in found}
    clean |= {HANDOVER: str(number), "PYTHONPATH": with_source(os.environ)}
    sys.stdout.flush()
    # -P: the project's folder may hold a module that is called as one of Python's own.
    os.execve(sys.executable, [sys.executable, "-P", "-m", "mlci", *arguments], clean)


def memory_file(content: bytes) -> int:
    """Return the number of an open file without a name, at its begin, for a process to inherit."""
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("ci", 0)
    else:
        with tempfile.TemporaryFile() as file:  # has no name from its first moment on
            number = os.dup(file.fileno())
    os.set_inheritable(number, True)
    os.write(number, content)
    os.lseek(number, 0, os.SEEK_SET)
    return number


def hide_memory() -> None:
    """Keep other processes of this user from the memory and the open files of this one (Linux)."""
    if sys.platform == "linux":
        set_dumpable = 4  # PR_SET_DUMPABLE of <linux/prctl.h>
        ctypes.CDLL(None).prctl(set_dumpable, 0, 0, 0, 0)


def with_source(variables: "os._Environ[str] | dict[str, str]") -> str:
    """Return a PYTHONPATH with which a child finds this package, installed or not."""
    return os.pathsep.join(filter(None, [SOURCE, variables.get("PYTHONPATH")]))


def restore(name: str, value: str | None) -> None:
    """Give a variable the value that it had, or none."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
