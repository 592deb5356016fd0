"""Run DVC with the remote's credentials, which are in the memory of its process and nowhere else.

The parent starts this module with an environment that holds no secret and writes the credentials to
its standard input. They then are variables and options of DVC's remote inside the process; what a
library takes only as a file is one without a name. So nothing is left whatever ends the process,
and the commands of stages get none of it.
"""

import atexit
import json
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlci import collect_rarely
from mlci.storage import keys
from mlci.storage.oidc import sign_in
from mlci.storage.remote import Credentials, credentials

FOLDER = "dvc-keys-"  # of the files, followed by the number of their process


def start(
    module: str, *arguments: str, python: str = sys.executable, **options: Any
) -> subprocess.Popen[Any]:
    """Start a Python module, such as `dvc`, with the credentials of the remote.

    Args:
        module: The module, run as `python -m` does.
        arguments: Its arguments.
        python: The interpreter; another one has this package, and plugins of DVC, of its own.
        options: Further ones of `subprocess.Popen`; `env` adds variables.
    """
    given = credentials()
    added = options.pop("env", {})
    given.environment.update(added)
    visible = {name: value for name, value in os.environ.items() if name not in given.hidden}
    visible |= added
    if python == sys.executable:
        visible["PYTHONPATH"] = keys.with_source(os.environ)
    process = subprocess.Popen(
        [python, "-P", "-m", "mlci.storage.transfer", module, *arguments],
        stdin=subprocess.PIPE,
        env=visible,
        **options,
    )
    stream: Any = getattr(process.stdin, "buffer", process.stdin)  # bytes, below one of text
    with suppress(BrokenPipeError), stream:
        stream.write(json.dumps(asdict(given)).encode())
    process.stdin = None  # closed: `communicate` would write to it
    return process


class Files:
    """Files with secrets, which only this process can open and which are gone when it is.

    Linux keeps them in memory. Elsewhere they lie in a folder that only this user can enter; it is
    removed at the end, or by the next transfer where this one was killed.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.folder: Path | None = None
        if not hasattr(os, "memfd_create"):
            remove_left_folders()
            self.folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-"))
            atexit.register(shutil.rmtree, self.folder, ignore_errors=True)

    def write(self, name: str, text: str) -> str:
        """Write a file, in the place of the one of that name, and return its path."""
        content = text.encode()
        if self.folder:
            path, new = self.folder / name, self.folder / f"{name}.new"
            new.write_bytes(content)
            new.replace(path)
            return str(path)
        number = keys.memory_file(content)
        os.set_inheritable(number, False)
        if name in self.numbers:  # at once, so that no reader finds half of it
            os.dup2(number, self.numbers[name], inheritable=False)
            os.close(number)
        return f"/proc/self/fd/{self.numbers.setdefault(name, number)}"


def remove_left_folders() -> None:
    """Remove the files of transfers that were killed."""
    import psutil  # needed on the systems without files in memory only

    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER}*"):
        number = folder.name.removeprefix(FOLDER).partition("-")[0]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def give_options(options: dict[str, str]) -> None:
    """Give DVC's default remote options that no configuration file holds."""
    from dvc.config import Config

    load = Config.load

    def load_with_options(self: Any, *arguments: Any, **more: Any) -> None:
        load(self, *arguments, **more)
        remote = self["remote"].get(self["core"].get("remote"))
        if remote is not None:
            remote.update(options)

    Config.load = load_with_options


def keep_from_stages(names: set[str]) -> None:
    """Leave variables out of the environment in which DVC runs the commands of stages."""
    from dvc.stage import run

    fix_env = run.fix_env

    def fix_and_clean(env: dict[str, str] | None = None) -> dict[str, str]:
        return {name: value for name, value in fix_env(env).items() if name not in names}

    run.fix_env = fix_and_clean


def read_from_terminal() -> None:
    """Read from the terminal, if there is one, now that the credentials are read: DVC may ask."""
    terminal = "CONIN$" if os.name == "nt" else "/dev/tty"
    try:
        number = os.open(terminal if sys.stdout.isatty() else os.devnull, os.O_RDWR)
    except OSError:
        number = os.open(os.devnull, os.O_RDWR)
    os.dup2(number, 0)
    os.close(number)


def main() -> None:
    """Take the credentials from standard input and run the module."""
    keys.hide_memory()
    collect_rarely()
    given = Credentials(**json.load(sys.stdin.buffer))
    read_from_terminal()
    os.environ.clear()
    os.environ.update(given.environment)
    files = Files()
    options = dict(given.options)
    for name, text in given.option_files.items():
        options[name] = files.write(name, text)
    for name, text in given.variable_files.items():
        os.environ[name] = files.write(name.lower(), text)
    try:
        signs = sign_in(given.oidc, os.environ, files.write) if given.oidc else []
    except ValueError as error:
        sys.exit(f"ERROR: {error}")
    give_options(options)
    os.environ["DVC_DAEMON"] = "1"  # DVC then starts no process that goes on after this one
    keep_from_stages({*given.hidden, *signs, "DVC_DAEMON"})
    module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
