"""Run any DVC command with the remote's credentials of the environment.

    uv run ci dvc push

Plain `dvc` does not know where a password or a key in a variable belongs. Here each secret that
`SECRETS.md` names reaches DVC in the memory of its process: none is written to a file, and none is
on a command line. The exit code is DVC's.
"""

import subprocess
import sys

HELP = ("-h", "--help")


def main(arguments: list[str]) -> int:
    """Run DVC where the user is and return its exit code."""
    if not arguments or arguments[0] in HELP:
        print(__doc__.strip())
        return 0
    if set(HELP) & set(arguments):
        return subprocess.run(
            [sys.executable, "-P", "-m", "dvc", *arguments], check=False
        ).returncode
    from mlci.place import BEGAN
    from mlci.storage import transfer

    process = transfer.start("dvc", *arguments, cwd=BEGAN)
    try:
        return process.wait()
    except KeyboardInterrupt:  # which DVC got as well
        return process.wait() or 130
