"""What the leaderboard and the report cost when a project grows, beside a small one.

500 experiments beside 50, 1,000 metrics beside 10, 100,000 files of data beside 100; and beside the
command of DVC that reads the same. Prints medians of five rounds. It takes a quarter of an hour.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import histories
from histories import Project

ROUNDS = 5
DVC = [sys.executable, "-m", "dvc"]


def add_metrics(project: Project, number: int) -> None:
    """Let the pipeline have measured as many metrics, each another one on a branch."""
    for branch, share in (("main", 0.5), ("change", 0.6)):
        project.git("switch", "--quiet", "--force-create", branch)
        project.measure({"accuracy": share} | {f"m{index}": share for index in range(number)})
        project.commit("Measure")


def add_files(project: Project, number: int) -> None:
    """Have data of as many files, and change one of them on a branch."""
    folder = project.root / "data" / "images"
    folder.mkdir(parents=True)
    for index in range(number):
        (folder / f"{index}.txt").write_text(f"{index}\n")
    project.dvc("add", "--quiet", "data/images")
    project.commit("Add data")
    project.git("switch", "--quiet", "--create", "change")
    (folder / "0.txt").unlink()  # it is a link to the cache
    (folder / "0.txt").write_text("changed\n")
    project.dvc("add", "--quiet", "data/images")
    project.commit("Change data")


@dataclass(frozen=True)
class Growth:
    """What grows, from how many to how many, and the commands that read it."""

    what: str
    add: Callable[[Project, int], None]
    small: int
    large: int
    bare: tuple[str, ...]  # of DVC


GROWTHS = [
    Growth("experiments", histories.add_experiments, 50, 500, ("exp", "show", "--json")),
    Growth("metrics", add_metrics, 10, 1_000, ("metrics", "diff", "main", "--json")),
    Growth("files of data", add_files, 100, 100_000, ("diff", "main", "--json")),
]


def seconds(project: Project, command: list[str]) -> float:
    """Return how long a command takes."""
    start = time.perf_counter()
    project.run(*command, baseline="main")
    return time.perf_counter() - start


def measure(growth: Growth, folder: Path) -> None:
    """Print a line for each command: the large project, beside the small one and beside DVC."""
    projects = []
    for number in (growth.small, growth.large):
        project = histories.new_project(folder / growth.what.split()[0] / str(number))
        del project.env["PYTHONDONTWRITEBYTECODE"]  # users do not compile the package at each start
        project.dvc("repro", "--quiet")
        project.commit("Run the pipeline")
        growth.add(project, number)
        projects.append(project)
    small, large = projects
    bare: list[float] = []
    taken: dict[str, list[tuple[float, float]]] = {"leaderboard": [], "report": []}
    for _ in range(ROUNDS):  # all in turn, so that a busy machine is busy for all of them
        bare.append(seconds(large, [*DVC, *growth.bare]))
        for name, pairs in taken.items():
            command = [sys.executable, "ci", name]
            pairs.append((seconds(small, command), seconds(large, command)))
    for name, pairs in taken.items():
        middle = statistics.median(after for _, after in pairs)
        growing = statistics.median(after / before for before, after in pairs)
        beside = statistics.median(after / b for (_, after), b in zip(pairs, bare, strict=True))
        print(
            f"| `ci {name}`, {growth.large:,} {growth.what} | {middle:.1f} s"
            f" | {growing:.1f} (of {growth.small})"
            f" | {beside:.2f} (of `dvc {' '.join(growth.bare)}`) |",
            flush=True,
        )


def main() -> None:
    """Print a table as Markdown."""
    print("| command | median | ratio to a small project | ratio to DVC |\n|:--|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as name:
        for growth in GROWTHS:
            measure(growth, Path(name))


if __name__ == "__main__":
    main()
