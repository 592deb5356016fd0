"""What a bake costs beside the tools that it cannot do without, as ratios within one run.

Prints the median seconds of five bakes with hooks, of the rendering alone, of `dvc init` with
`dvc remote add`, and of `uv lock` in the baked project; and what share of a bake each of them is.
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
    """Measure each part in turn, round by round, so that a busy machine is busy for all of them."""
    bake = ["cookiecutter", "--no-input", str(TEMPLATE)]
    taken: dict[str, list[float]] = {"bake": [], "render": [], "dvc init": [], "uv lock": []}
    for _ in range(ROUNDS + 1):
        with tempfile.TemporaryDirectory() as name:
            folder, rendered, empty = Path(name), Path(name, "rendered"), Path(name, "empty")
            rendered.mkdir()
            empty.mkdir()
            taken["bake"].append(seconds(folder, bake))
            taken["render"].append(seconds(rendered, [*bake, "--accept-hooks", "no"]))
            taken["dvc init"].append(seconds(empty, *SETUP))
            taken["uv lock"].append(seconds(rendered / "my-ml-project", ["uv", "lock"]))
    bakes = taken["bake"][1:]  # the first round warms the caches
    for part, times in taken.items():
        share = statistics.median(t / b for t, b in zip(times[1:], bakes, strict=True))
        print(f"{part:10} {statistics.median(times[1:]):6.2f} s  {share:5.0%} of a bake")


if __name__ == "__main__":
    main()
