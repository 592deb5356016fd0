"""What a run of CI left: its artifact, read as the publish job reads it."""

import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any


def publisher() -> Any:
    """Return the module `ci/publish.py`, which is no part of this package: CI fetches it alone."""
    sys.path.insert(0, "ci")
    return import_module("publish")


def fetch(run: str) -> dict[str, bytes]:
    """Return the results of a run by their paths in the project.

    Args:
        run: The number of a GitHub run, the branch of a GitLab pipeline, a zip file or a folder.

    Raises:
        ValueError: the artifact cannot be fetched or read, or holds no results, in one sentence.
    """
    publish = publisher()
    try:
        with tempfile.TemporaryDirectory() as folder:
            if Path(run).exists():
                folder = run
            elif Path(".gitlab-ci.yml").exists():
                publish.command("glab", "job", "artifact", run, "run", "--path", folder)
            else:
                publish.command("gh", "run", "download", run, "--name", "results", "--dir", folder)
            results: dict[str, bytes] = publish.read_results(Path(folder))[0]
    except publish.Refused as why:
        raise ValueError(f"The results of {run} could not be fetched: {why}") from None
    if not results:
        raise ValueError(
            f"{run} holds no results: it should have a dvc.lock, a metrics.json or plots/."
        )
    return results
