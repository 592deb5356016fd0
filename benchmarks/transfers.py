"""What a run fetches from the storage and sends to it for each kind of pull request.

Own data of some megabytes, all of it in a bucket on loopback that counts. Prints bytes for a run in a
fresh clone, as CI has it, and for `dvc pull`, `dvc repro` in another one, of which the share says how
much a run fetches. Bytes do not depend on the machine, so that they are counted once.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import histories
from histories import Project, S3Server

OWN = "stages:\n" + "".join(histories.PIPELINE.partition("  prepare:")[1:])
ROWS = 500_000  # of each of four files: 8 MB together
MEGABYTE = 1e6


def begin(folder: Path, server: S3Server) -> Project:
    """Make a project with own data, run on a laptop and pushed."""
    keys = dict.fromkeys(histories.SECRETS, "test-secret")
    project = histories.new_project(folder / "laptop", "s3", **keys)
    histories.set_remote(project, "s3://bucket/project", server.endpoint)
    project.write("dvc.yaml", OWN)
    for number in range(4):
        project.write(f"data/source/{number}.csv", f"{number:03}\n" * ROWS)
    project.dvc("add", "--quiet", "data/source")
    project.dvc("repro", "--quiet")
    project.dvc("push", "--quiet", "--run-cache")
    project.commit("Run the pipeline")
    return project


def write_documentation(project: Project) -> None:
    """Change what no stage reads."""
    project.write("README.md", "How this works\n")


def change_parameter(project: Project) -> None:
    """Change a parameter of the training."""
    project.set_rate(0.6)


def change_code(project: Project) -> None:
    """Change the code of the training."""
    project.write("train.py", histories.FILES["train.py"] + "\n# a comment\n")


def train_at_home(project: Project) -> None:
    """Change a parameter, run the pipeline and push what it made."""
    project.set_rate(0.7)
    project.dvc("repro", "--quiet")
    project.dvc("push", "--quiet", "--run-cache")


def leave_a_stale_lock(project: Project) -> None:
    """Change the preparation and commit without a run."""
    project.write("prepare.py", histories.FILES["prepare.py"] + "\n# a comment\n")


def add_data(project: Project) -> None:
    """Add a file of one percent of the data, and push it without a run."""
    project.write("data/source/4.csv", "004\n" * (ROWS * 4 // 100))
    project.dvc("add", "--quiet", "data/source")
    project.dvc("push", "--quiet", "data/source.dvc")


KINDS: dict[str, Callable[[Project], None]] = {
    "documentation": write_documentation,
    "a parameter": change_parameter,
    "code": change_code,
    "pushed from a laptop": train_at_home,
    "a stale lock": leave_a_stale_lock,
    "1 % more data": add_data,
}


def run_product(clone: Project) -> None:
    """Do what CI does."""
    done = clone.script("run", baseline="main", CI="true")
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)


def run_plainly(clone: Project) -> None:
    """Do what the commands of DVC's own tutorials do."""
    clone.dvc("pull", "--quiet", "--allow-missing")
    clone.dvc("repro", "--quiet")


def measure(
    project: Project, folder: Path, server: S3Server, work: Callable[[Project], None]
) -> tuple[float, float]:
    """Return the megabytes fetched and sent by some work in a fresh clone of the head commit."""
    clone = histories.clone(project, folder)
    server.fetched = server.sent = 0
    work(clone)
    return server.fetched / MEGABYTE, server.sent / MEGABYTE


def main() -> None:
    """Print a line of a table for each kind of pull request."""
    print(
        "| change | a run fetches | plain DVC fetches | a run sends | share |\n|:--|--:|--:|--:|--:|"
    )
    with tempfile.TemporaryDirectory() as name, histories.s3_server() as server:
        project = begin(Path(name), server)
        for number, (kind, change) in enumerate(KINDS.items()):
            project.git("switch", "--quiet", "--force-create", "change", "main")
            project.dvc("checkout", "--quiet")
            change(project)
            project.commit(kind)
            product = measure(project, Path(name, f"run{number}"), server, run_product)
            plain = measure(project, Path(name, f"plain{number}"), server, run_plainly)
            fetched, sent = product
            cells = [f"{megabytes:.1f} MB" for megabytes in (fetched, plain[0], sent)]
            print(f"| {kind} | {' | '.join(cells)} | {fetched / plain[0]:.0%} |", flush=True)


if __name__ == "__main__":
    main()
