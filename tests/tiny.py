"""A project whose pipeline takes a moment, for the tests in which machine learning is not the point."""

import json
import textwrap
from pathlib import Path

from conftest import TEMPLATE, BakedProject, run
from cookiecutter.main import cookiecutter
from servers.running import Server, answers_for

FILES = {
    "params.yaml": "rate: 0.5\n",
    "tiny.py": """
        import json
        from pathlib import Path

        rate = float(Path("params.yaml").read_text().split()[1])
        for folder in ("models", "plots"):
            Path(folder).mkdir(exist_ok=True)
        Path("models/model.txt").write_text(f"model {rate}")
        Path("plots/curve.json").write_text(json.dumps([{"x": 0, "y": rate}, {"x": 1, "y": 1}]))
        Path("metrics.json").write_text(json.dumps({"accuracy": rate}))
        """,
    "dvc.yaml": """
        stages:
          train:
            cmd: python tiny.py
            deps: [tiny.py]
            params: [rate]
            outs:
              - models/model.txt
              - plots/curve.json: {cache: false}
            metrics:
              - metrics.json: {cache: false}
        """,
}
PLOTS = "plots:\n  - plots/curve.json: {x: x, y: y}\n"  # for dvc.yaml: drawing it takes seconds


def bake_tiny(folder: Path, environment: Path, **answers: str) -> BakedProject:
    """Bake a project with its hooks, and put the tiny pipeline in the place of its own."""
    path = cookiecutter(
        str(TEMPLATE), no_input=True, extra_context=answers, output_dir=str(folder),
        default_config=True,
    )  # fmt: skip
    project = BakedProject(Path(path), environment)
    write(project, FILES)
    commit(project, "Make the pipeline tiny")
    return project


def bake_with_bucket(folder: Path, environment: Path, s3: Server, **answers: str) -> BakedProject:
    """Bake a tiny project that keeps its data in a bucket, and make its environment."""
    project = bake_tiny(folder, environment, **answers_for("s3", s3), **answers)
    project.run("dvc", "--version")
    return project


def write(project: BakedProject, files: dict[str, str]) -> None:
    """Write files of the project, dedented."""
    for name, text in files.items():
        path = project.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip(), encoding="utf-8")


def commit(project: BakedProject, message: str) -> str:
    """Commit everything and return the sha."""
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", message)
    return project.git("rev-parse", "HEAD")


def reproduce(project: BakedProject) -> None:
    """Run the pipeline at home."""
    project.run("dvc", "repro", "--quiet")


def leave_results(project: BakedProject) -> None:
    """Change main, and leave the results where CI's run of it does."""
    write(project, {"params.yaml": "rate: 0.6\n"})
    sha = commit(project, "Learn a little faster")
    reproduce(project)
    commit(project, "Results")
    ref = f"refs/exps/{sha[:2]}/{sha[2:]}/ci-{sha[:7]}"
    project.git("push", "--quiet", "origin", f"{sha}:refs/heads/main", f"HEAD:{ref}")
    project.git("reset", "--quiet", "--hard", sha)


def leak(project: BakedProject) -> None:
    """Make the stage give away what it can see: what tests for leaks must find."""
    write(
        project,
        {
            "tiny.py": """
                import os
                key = os.environ["AWS_SECRET_ACCESS_KEY"]
                print("key:", key)
                print("tokens:", os.environ.get("REPO_TOKEN"), os.environ.get("repo_token"))
                open(".dvc/tmp/leak", "w").write(key)
                """
        },
    )
    with (project.path / "tiny.py").open("a", encoding="utf-8") as file:
        file.write(textwrap.dedent(FILES["tiny.py"]).replace('"y": 1', '"y": key'))
    commit(project, "Leak")


def places_with(value: str, places: dict[str, str | Path]) -> set[str]:
    """Return those of the places (texts, folders or bare repositories) that hold a value."""
    return {name for name, place in places.items() if value in readable(place)}


def readable(place: str | Path) -> str:
    """Return all text of a place."""
    if isinstance(place, str):
        return place
    if place.suffix == ".git":
        return run("git", "log", "--all", "--patch", "--format=fuller", cwd=place).stdout
    files = [path.read_bytes() for path in place.rglob("*") if path.is_file()]
    assert files
    return b"".join(files).decode(errors="replace")


def bare(project: BakedProject, path: Path) -> Path:
    """Make the bare repository that plays the provider's, and the project's `origin`."""
    run("git", "clone", "--quiet", "--bare", project.path, path, cwd=path.parent)
    run("git", "config", "uploadpack.allowAnySHA1InWant", "true", cwd=path)
    return path


def metrics(project: BakedProject, revision: str) -> dict[str, float]:
    """Return the metrics that a commit holds."""
    values: dict[str, float] = json.loads(project.git("show", f"{revision}:metrics.json"))
    return values
