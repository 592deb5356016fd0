"""Where the project is: the nearest folder, from the working directory up, that DVC knows."""

import os
from pathlib import Path

BEGAN = Path.cwd()  # where the user is: paths that are given to DVC begin there
MARKS = (".dvc", "ci/remote.json")  # the second finds a project that DVC has not been set up in


def enter_root() -> None:
    """Make the project's root the working directory, which all paths begin from.

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
