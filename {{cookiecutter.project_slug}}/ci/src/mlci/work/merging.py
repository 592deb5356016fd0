"""A merge that is not finished: which files it left, and what ends it."""

from pathlib import Path

from mlci.history.repository import git

RESULTS = ("dvc.lock", "metrics.json", "plots")
MARKED = ("dvc.yaml", "dvc.lock", "params.yaml")  # which a run reads first


def conflicts() -> list[str]:
    """Return the files that Git could not merge, or that still hold its marks."""
    unmerged = git("diff", "--name-only", "--diff-filter=U", "--relative").splitlines()
    marked = [name for name in MARKED if has_marks(Path(name))]
    return [*dict.fromkeys(unmerged + marked)]


def has_marks(path: Path) -> bool:
    """Tell whether a file holds the marks that Git puts around what it could not merge."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    starts = [line.startswith("<<<<<<< ") for line in lines]
    ends = [line.startswith(">>>>>>> ") for line in lines]
    return any(starts) and any(ends)


def remedy(files: list[str]) -> str:
    """Return the commands that end the merge: results are taken from one side and made anew."""
    results = [name for name in files if name.startswith(RESULTS)]
    others = [name for name in files if name not in results]
    steps = []
    if results:
        steps.append(f"take one side of the results (git checkout --ours -- {' '.join(results)})")
    if others:
        steps.append(f"resolve {', '.join(others)} in an editor")
    return ", ".join([*steps, "then uv run dvc repro, git add -A and git commit"])
