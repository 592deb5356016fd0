"""What a run fetches from the storage for each kind of pull request, beside plain commands.

Own data of some megabytes, all of it in a bucket on loopback that counts. Prints bytes and stages
run for a run in a fresh clone, as CI has it, and for `dvc pull` with `dvc repro` in another one.
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


KINDS: dict[str, Callable[[Project], None]] = {
    "documentation": write_documentation,
    "a parameter": change_parameter,
    "code": change_code,
    "pushed from a laptop": train_at_home,
    "a stale lock": leave_a_stale_lock,
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
) -> str:
    """Return the megabytes and the stages of some work in a fresh clone of the head commit."""
    clone = histories.clone(project, folder)
    server.fetched = 0
    work(clone)
    stages = clone.stages_run()
    return f"{server.fetched / MEGABYTE:6.1f} MB, {len(stages)} stages"


def main() -> None:
    """Print a line for each kind of pull request."""
    with tempfile.TemporaryDirectory() as name, histories.s3_server() as server:
        project = begin(Path(name), server)
        for number, (kind, change) in enumerate(KINDS.items()):
            project.git("switch", "--quiet", "--force-create", "change", "main")
            project.dvc("checkout", "--quiet")
            change(project)
            project.commit(kind)
            plainly = measure(project, Path(name, f"plain{number}"), server, run_plainly)
            product = measure(project, Path(name, f"run{number}"), server, run_product)
            print(f"{kind:22} `ci run`: {product};  plain DVC: {plainly}", flush=True)


if __name__ == "__main__":
    main()
