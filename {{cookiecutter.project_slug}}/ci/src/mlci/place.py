"""Where the project is, and what it was made with."""

import json
import os
from pathlib import Path
from typing import Any

BEGAN = Path.cwd()  # where the user is: paths that are given to DVC begin there
MARKS = (".dvc", "ci/remote.json")  # the second finds a project that DVC has not been set up in


def enter_root() -> None:
    """Make the project's root the working directory: the nearest folder from here up that DVC knows.

    Raises:
        ValueError: no folder from here up is a project.
    """
    here = Path.cwd()
    for mark in MARKS:
        for folder in (here, *here.parents):
            if (folder / mark).exists():
                os.chdir(folder)
                return
    raise ValueError(f"{here} lies in no project: there is no folder .dvc from there up")


def spec() -> dict[str, Any]:
    """Return what `remote.json` says about the kind of remote, its secrets and the CI provider."""
    found: dict[str, Any] = json.loads(Path("ci/remote.json").read_text(encoding="utf-8"))
    return found
