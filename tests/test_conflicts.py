"""Promise: two branches that both ran the pipeline leave one file to merge by hand, `params.yaml`."""

from conftest import run


def test_what_a_run_writes_is_never_merged_by_lines(render) -> None:
    """Git merges both sides' lines into a lock of neither, or leaves marks in data, without this."""
    project = render()
    results = ("dvc.lock", "metrics.json", "plots/deep/roc.csv")
    run("git", "init", "--quiet", "--initial-branch=main", cwd=project.path)

    def commit(value: str) -> None:
        for name in (*results, "notes.txt"):
            path = project.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"first\n{value}\nlast\n", encoding="utf-8")
        project.git("add", "--all")
        project.git("commit", "--quiet", "--message", value)

    commit("old")
    project.git("switch", "--quiet", "--create", "change")
    commit("theirs")
    project.git("switch", "--quiet", "main")
    commit("ours")
    done = run("git", "merge", "change", cwd=project.path, check=False)
    assert done.returncode == 1
    assert project.git("diff", "--name-only", "--diff-filter=U").split() == sorted(
        [*results, "notes.txt"]
    )
    for name in results:
        assert project.read(name) == "first\nours\nlast\n"
    assert "<<<<<<<" in project.read("notes.txt")  # the control
    project.git("checkout", "--theirs", *results)
    assert project.read("dvc.lock") == "first\ntheirs\nlast\n"
