"""What a bake costs beside the tools that it cannot do without, as ratios within one run.

Prints the median seconds of five bakes with hooks, of the rendering alone, of `git init`, `dvc init`
and `dvc remote add`, and of `uv lock` in the baked project; and the ratio of a bake to each, and to
the commands together.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent
ENVIRONMENT = os.environ | {
    "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
    "UV_PYTHON": sys.executable,
    "DVC_NO_ANALYTICS": "1",
}
ROUNDS = 5
SETUP = [["git", "init", "-q"], ["dvc", "init", "-q"], ["dvc", "remote", "add", "-q", "r", "../r"]]


def seconds(folder: Path, *commands: list[str]) -> float:
    """Return how long the commands take together, in seconds."""
    start = time.perf_counter()
    for command in commands:
        subprocess.run(command, cwd=folder, env=ENVIRONMENT, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure each part in turn, so that a busy machine is busy for all of them; print a table."""
    bake = ["cookiecutter", "--no-input", str(TEMPLATE)]
    parts = ("bake", "rendering", "git init, dvc init", "uv lock")
    taken: dict[str, list[float]] = {part: [] for part in parts}
    for _ in range(ROUNDS + 1):
        with tempfile.TemporaryDirectory() as name:
            folder, rendered, empty = Path(name), Path(name, "rendered"), Path(name, "empty")
            rendered.mkdir()
            empty.mkdir()
            taken["bake"].append(seconds(folder, bake))
            taken["rendering"].append(seconds(rendered, [*bake, "--accept-hooks", "no"]))
            taken["git init, dvc init"].append(seconds(empty, *SETUP))
            taken["uv lock"].append(seconds(rendered / "my-ml-project", ["uv", "lock"]))
    pairs = zip(taken["git init, dvc init"], taken["uv lock"], strict=True)
    taken["the commands together"] = [sum(pair) for pair in pairs]
    print("| part | median | ratio of a bake to it |\n|:--|--:|--:|")
    for part, times in taken.items():
        rounds = list(zip(taken["bake"], times, strict=True))[1:]  # the first warms the caches
        ratio = statistics.median(bake / other for bake, other in rounds)
        print(f"| {part} | {statistics.median(times[1:]):.1f} s | {ratio:.2f} |")


if __name__ == "__main__":
    main()
