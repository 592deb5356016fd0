"""The command `ci`: finds the project and hands over to one of the commands.

    uv run ci                 the list of commands
    uv run ci COMMAND --help  what one of them takes

Only the module of the command that was asked for is loaded, and it loads what it works with after
its arguments were read: help and refusals are there at once.
"""

import os
import sys
from importlib import import_module

from mlci import collect_rarely
from mlci.place import enter_root
from mlci.settings import print_utf8

COMMANDS = {
    "run": "pull, reproduce, push and report: what CI runs",
    "report": "write report.md and report.html: the baseline against this checkout",
    "leaderboard": "rank every branch, tag and experiment, the best first",
    "promote": "make a branch of an experiment",
    "doctor": "say what is set up, what is missing, and the command that mends it",
    "use-remote": "use another storage from now on, and push the data there",
    "update": "take what the template learned, and say what is left to do",
    "dvc": "run DVC with the remote's credentials, as in `ci dvc push`",
    "results": "bring the results of a CI run into this checkout",
}


def list_commands() -> str:
    """Return what `ci --help` says."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {meaning}" for name, meaning in COMMANDS.items()]
    return "\n".join(
        ["usage: ci COMMAND …", "", *lines, "", "`ci COMMAND --help` says what a command takes."]
    )


def main(arguments: list[str] | None = None) -> int:
    """Run one command in the project's root and return its exit code."""
    collect_rarely()
    print_utf8()
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        print(list_commands())
        return 0
    if name not in COMMANDS:
        print(f"ci: {name!r} is no command; there are: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    command = import_module(f"mlci.commands.{name.replace('-', '_')}")
    try:
        if not {"-h", "--help"} & set(rest):
            enter_root()
        done = int(command.main(rest))
        sys.stdout.flush()
        return done
    except BrokenPipeError:  # `ci leaderboard | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ValueError as error:
        print(f"ci {name}: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "mlci":
            raise
        print(f"ci {name}: {error.name} is not installed: use `uv run ci {name}`", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
