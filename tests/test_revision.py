"""`history.revision`: what a commit holds and whether it is its own, wherever DVC lets it lie."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import histories
import pytest
import yaml
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.utils.serialize import parse_yaml
from histories import Project
from mlci.history import formats
from mlci.history.freshness import State
from mlci.history.repository import is_ignored
from mlci.history.revision import Reader, Revision
from mlci.history.values import Value, below

Mutation = Callable[[Project], None]
CURVES = """\
  draw:
    cmd: python draw.py
    deps: [draw.py]
    outs:
      - plots: {cache: false}
  count:
    cmd: python count.py
    deps: [tools, count.py]
    outs:
      - counts.json: {cache: false}
"""
DRAW = """\
import json, pathlib
pathlib.Path("plots").mkdir(exist_ok=True)
for name in "abc":
    pathlib.Path(f"plots/{name}.json").write_text(json.dumps([{"x": 1, "y": 2}]))
"""
COUNT = 'import pathlib\npathlib.Path("counts.json").write_text("{}")\n'


@contextmanager
def inside(project: Project) -> Iterator[None]:
    """Read in a project, as `ci` does in its root."""
    is_ignored.cache_clear()
    before = Path.cwd()
    os.chdir(project.root)
    try:
        yield
    finally:
        os.chdir(before)


def read(project: Project, sha: str = "HEAD") -> Revision:
    """Read one revision of a project; with an empty sha the checkout."""
    with inside(project), Reader() as reader:
        return reader.read("it", project.git("rev-parse", sha) if sha else "")


def dvc_status(project: Project) -> dict[str, object]:
    """Return what `dvc status` says."""
    with inside(project), Repo() as repo:
        status: dict[str, object] = repo.status()
        return status


def replace(path: str, old: str, new: str) -> Mutation:
    """Return what replaces a text in a file that has it."""

    def mutate(project: Project) -> None:
        text = (project.root / path).read_text(encoding="utf-8")
        assert old in text
        project.write(path, text.replace(old, new))

    return mutate


def write(path: str, text: str) -> Mutation:
    """Return what writes a file."""
    return lambda project: project.write(path, text)


def remove(path: str) -> Mutation:
    """Return what removes a file."""
    return lambda project: (project.root / path).unlink()


def link(path: str, target: str) -> Mutation:
    """Return what moves a file, and leaves a link to it in its place."""

    def mutate(project: Project) -> None:
        place = project.root / path
        (place.parent / target).parent.mkdir(exist_ok=True)
        place.rename(place.parent / target)
        place.symlink_to(target)

    return mutate


def ignore(path: str) -> Mutation:
    """Return what writes a file that DVC ignores, as Git does not."""

    def mutate(project: Project) -> None:
        project.write(".dvcignore", f"# notes\n{path}\n")
        project.write(path, "words")

    return mutate


def own_data(project: Project) -> None:
    """Put own data in the place of the stage `sample`, as the README says."""
    top, _, rest = (project.root / "dvc.yaml").read_text().partition("  sample:")
    project.write("dvc.yaml", f"{top}  prepare:{rest.partition('  prepare:')[2]}")
    project.write("data/source/0.csv", "own\n")
    project.dvc("add", "--quiet", "data/source")
    project.git("add", "--force", "data/source.dvc")


def half_merged(project: Project) -> None:
    """Take `prepare` in dvc.lock from a run with other parameters, the rest as it is."""
    lock = yaml.safe_load((project.root / "dvc.lock").read_text())
    params = json.loads((project.root / "params.yaml").read_text())
    project.write("params.yaml", params | {"prepare": {"times": 3}})
    project.dvc("repro", "--quiet", "prepare")
    merged = yaml.safe_load((project.root / "dvc.lock").read_text())
    lock["stages"]["prepare"] = merged["stages"]["prepare"]
    project.write("dvc.lock", yaml.safe_dump(lock, sort_keys=False))


MUTATIONS: dict[str, tuple[Mutation, bool]] = {  # and whether the results are still its own
    "command": (replace("dvc.yaml", "python train.py", "python -B train.py"), False),
    "dependency added": (replace("dvc.yaml", "[data/raw, train.py]", "[data/raw, train.py, draw.py]"), False),
    "dependency removed": (replace("dvc.yaml", "[data/raw, train.py]", "[data/raw]"), True),
    "parameter added": (replace("dvc.yaml", "params: [train]", "params: [train, prepare.times]"), False),
    "stage renamed": (replace("dvc.yaml", "  train:", "  fit:"), False),
    "dvc.lock removed": (remove("dvc.lock"), False),
    "conflict": (replace("dvc.lock", "stages:", "<<<<<<< HEAD\n=======\n>>>>>>> other\nstages:"), False),
    "half merged": (half_merged, False),
    "own data": (own_data, False),
    "metrics by hand": (write("metrics.json", '{"accuracy": 1}'), False),
    "plot by hand": (write("plots/a.json", "[]"), False),
    "a plot too many": (write("plots/d.json", "[]"), False),
    "a plot removed": (remove("plots/a.json"), False),
    "unused parameter": (replace("params.yaml", '{"prepare"', '{"unused": 1, "prepare"'), True),
    "1 in place of 1.0": (replace("params.yaml", '"times": 2', '"times": 2.0'), True),
    "comment in dvc.yaml": (replace("dvc.yaml", "stages:", "# words\nstages:"), True),
    "parameter changed": (replace("params.yaml", "0.5", "0.75"), False),
    "parameter removed": (replace("params.yaml", ', "train": {"rate": 0.5}', ""), False),
    "code changed": (replace("train.py", "rows = ", "rows  = "), False),
    "code removed": (remove("train.py"), False),
    "code in a folder": (write("tools/b.py", "2\n"), False),
    "code added to a folder": (write("tools/deep/c.py", "3\n"), False),
    "a link in the place of code": (link("train.py", "code/train.py"), True),
    "a link in a folder of code": (link("tools/a.py", "../moved.py"), True),
    "a link to a folder": (lambda project: (project.root / "tools/more").symlink_to("../data"), True),
    "a file that DVC ignores": (ignore("tools/notes.txt"), True),
    "dvc.lock cut short": (write("dvc.lock", "schema: '2.0'\nstages: [\n"), False),
    "documentation": (write("README.md", "Words"), True),
    "output added": (replace("dvc.yaml", "outs: [models/model.json]", "outs: [models/model.json, models/more]"), False),
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with plots and a folder of code, run once."""
    made = histories.new_project(tmp_path_factory.mktemp("mutations") / "project")
    made.write("dvc.yaml", histories.PIPELINE + CURVES)
    made.write("draw.py", DRAW)
    made.write("count.py", COUNT)
    made.write("tools/a.py", "1\n")
    made.dvc("repro", "--quiet")
    made.commit("Run")
    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_current_is_what_dvc_status_means(home: Project, tmp_path: Path, name: str) -> None:
    """Each change, committed or not, judged by the reader and by DVC itself."""
    mutate, expected = MUTATIONS[name]
    project = home.copy(tmp_path / "project")
    assert read(project).is_current
    mutate(project)
    checkout = read(project, "")
    project.commit(name)
    committed = read(project)
    assert committed.freshness == checkout.freshness
    assert committed.is_current is expected
    if committed.freshness.state in (State.CONFLICT, State.UNREADABLE):
        with pytest.raises(DvcException, match=r"dvc\.lock"):
            dvc_status(project)
    else:
        assert (dvc_status(project) == {}) is expected


def declare(project: Project, text: str, files: dict[str, str]) -> Revision:
    """Commit and run a pipeline; check that DVC finds it clean, and read it."""
    project.write("dvc.yaml", text)
    for path, content in files.items():
        project.write(path, content)
    project.dvc("repro", "--quiet", "--all-pipelines")
    project.commit("Run")
    assert dvc_status(project) == {}
    found = read(project)
    assert found.is_current, found.freshness
    return found


@pytest.mark.slow
def test_a_pipeline_in_a_folder(project: Project) -> None:
    """Its metrics count, and its script that was changed makes them somebody else's."""
    score = "import pathlib\npathlib.Path('score.json').write_text('{\"gain\": 0.7}')\n"
    files = {
        "sub/dvc.yaml": "stages:\n  score:\n    cmd: python score.py\n    deps: [score.py]\n"
        "    metrics:\n      - score.json: {cache: false}\n",
        "sub/score.py": score,
    }
    found = declare(project, histories.PIPELINE, files)
    assert found.metrics["sub/score.json"] == {"gain": 0.7}
    params = json.loads((project.root / "params.yaml").read_text())
    project.write("params.yaml", params | {"report": {"primary_metric": "gain"}})
    project.write("sub/score.py", score.replace("0.7", "0.9"))
    project.commit("Change the script, and leave the run to CI")
    (change,) = read(project).freshness.changes
    assert (change.kind, change.name) == ("dependency", "sub/score.py")
    assert project.script("report", "--baseline", "HEAD~1").returncode == 0
    assert project.report.startswith("## ❔ Not run since `sub/score.py` changed")


@pytest.mark.slow
def test_templates_are_resolved_as_dvc_does(project: Project) -> None:
    """`${…}`, `vars`, `foreach`, `matrix` and `wdir`, with metrics in YAML, JSON and TOML."""
    text = (
        "vars: [more.yaml:names]\nmetrics: ['${names.top}']\nstages:\n"
        "  each:\n    foreach: [a, b]\n    do:\n      wdir: sub\n      cmd: python make.py ${item} yaml\n"
        "      deps: [make.py]\n      params: [../params.yaml: [train.rate]]\n"
        "      metrics: ['${item}.yaml': {cache: false}]\n"
        "  grid:\n    matrix: {n: [1, 2]}\n    wdir: sub\n    cmd: python make.py ${item.n} toml\n"
        "    deps: [make.py]\n    metrics: ['${item.n}.toml': {cache: false}]\n"
    )
    make = (
        "import sys, pathlib\nname, kind = sys.argv[1:]\n"
        "sign = ' = ' if kind == 'toml' else ': '\n"
        "pathlib.Path(f'{name}.{kind}').write_text(f'score{sign}1e-3')\n"
    )
    files = {"more.yaml": "names: {top: top.json}\n", "sub/make.py": make, "top.json": '{"t": 1}'}
    found = declare(project, text, files)
    assert found.metrics == {
        **{f"sub/{name}": {"score": 0.001} for name in ("a.yaml", "b.yaml", "1.toml", "2.toml")},
        "top.json": {"t": 1},
    }
    assert found.params["params.yaml"]["train.rate"] == 0.5
    assert set(found.commands) == {
        f"dvc.yaml:{one}" for one in ("each@a", "each@b", "grid@1", "grid@2")
    }
    project.set_rate(0.75)
    project.commit("Change")
    assert [change.name for change in read(project).freshness.changes] == ["train.rate"]
    project.write("more.yaml", "names: {}\n")
    project.commit("Break a template")
    broken = read(project)
    assert broken.freshness.state is State.UNREADABLE
    assert "top" in broken.problems[0].reason


@pytest.mark.slow
def test_data_without_a_pipeline(project: Project) -> None:
    """`.dvc` files alone: what they track is known, in any folder."""
    project.git("rm", "--quiet", "dvc.yaml", "dvc.lock")
    project.write("inputs/table.csv", "1\n")
    project.dvc("add", "--quiet", "inputs/table.csv")
    project.commit("Data only")
    found = read(project)
    assert found.is_current
    with inside(project):
        (out,) = found.outputs.values()
    assert (out.path, out.checksum) == ("inputs/table.csv", hashlib.md5(b"1\n").hexdigest())
    assert out.cached.exists()


@pytest.mark.slow
def test_metrics_in_the_cache_are_one_number_everywhere(project: Project) -> None:
    """Without `cache: false` they are not in Git; verdict and leaderboard read the cache, or none."""
    text = histories.PIPELINE.replace("- metrics.json: {cache: false}", "- metrics.json")
    project.git("rm", "--quiet", "--cached", "metrics.json")
    project.set_rate(0.6)
    found = declare(project, text, {})
    assert project.git("ls-files", "metrics.json") == ""
    assert found.metrics == {"metrics.json": project.metrics}
    project.git("switch", "--quiet", "-c", "better")
    project.set_rate(0.75)
    project.dvc("repro", "--quiet")
    project.commit("Better")
    board = json.loads(project.script("leaderboard", "--json").stdout)
    scores = {row["names"][0]: row["metrics"]["accuracy"] for row in board}
    assert scores == {"better": 0.75 / 0.9, "main": 0.6 / 0.9}
    project.script("report", "--baseline", "main")
    assert "`accuracy` 0.6667 → 0.8333" in project.report.partition("\n")[0]
    clone = histories.clone(project, project.root.parent / "clone")
    assert read(clone).metrics == {}
    rows = json.loads(clone.script("leaderboard", "--json").stdout)
    assert [row["metrics"] for row in rows] == [{}] * len(rows)
    clone.script("report", "--baseline", "origin/main")
    assert clone.report.startswith("## ❔ No verdict: there is no metric yet")


@pytest.mark.slow
def test_a_dependency_outside_the_repository(project: Project) -> None:
    """It is skipped, and spoils neither its own branch nor anybody else's."""
    (project.root.parent / "ext").mkdir()
    (project.root.parent / "ext" / "e.txt").write_text("x")
    project.git("switch", "--quiet", "-c", "outside")
    text = histories.PIPELINE.replace("[models/model.json, evaluate.py]", "[models/model.json, evaluate.py, ../ext/e.txt]")  # fmt: skip
    declare(project, text, {})
    project.git("switch", "--quiet", "main")
    done = project.script("leaderboard", "--json")
    assert done.returncode == 0, done.stderr
    assert all(row["metrics"]["accuracy"] == 0.5 / 0.9 for row in json.loads(done.stdout))


@pytest.mark.slow
def test_a_project_in_a_folder_of_the_repository(tmp_path: Path) -> None:
    """Paths are the project's own; what lies beside it in the repository counts where it is read."""
    outer = Project(tmp_path / "outer")
    outer.root.mkdir()
    outer.git("init", "--quiet", "--initial-branch=main")
    inner = histories.new_project(outer.root / "ml")
    (inner.root / ".git").rename(tmp_path / "away")
    text = histories.PIPELINE.replace("deps: [data/raw, train.py]", "deps: [data/raw, train.py, ../shared.py]")  # fmt: skip
    inner.write("../shared.py", "1\n")
    config = inner.root / ".dvc" / "config"
    config.write_text(config.read_text())
    found = declare(inner, text, {})
    assert found.metrics["metrics.json"] == inner.metrics
    inner.write("../shared.py", "2\n")
    outer.git("add", "--all")
    outer.git("commit", "--quiet", "-m", "Change what is shared")
    assert [change.name for change in read(inner).freshness.changes] == ["../shared.py"]


@pytest.mark.slow
def test_a_lock_of_the_same_content(project: Project) -> None:
    """After squash, rebase or a change of words; not after one of code, parameters or data."""

    def matches(results: str, code: str) -> bool:
        shas = [project.git("rev-parse", name) for name in (results, code)]
        with inside(project), Reader() as reader:
            return reader.lock_matches(*shas)

    project.git("switch", "--quiet", "-c", "idea")
    project.set_rate(0.75)
    project.commit("Change, and leave the run to CI")
    project.dvc("repro", "--quiet")
    project.commit("Results")
    project.git("switch", "--quiet", "-c", "squashed", "main")
    project.write("README.md", "Words")
    project.set_rate(0.75)
    project.commit("Squash of the code alone, on a main that moved")
    assert matches("idea", "squashed")
    assert matches("idea", "idea~1")
    assert matches("main", "main")
    assert not matches("main", "squashed")
    assert not matches("idea", "main")
    project.write("train.py", (project.root / "train.py").read_text() + "\n")
    project.commit("Other code")
    assert not matches("idea", "squashed")
    # Metrics that somebody turned by hand belong to no code at all.
    project.git("switch", "--quiet", "idea")
    project.write("metrics.json", {"accuracy": 1})
    project.commit("Cheat")
    assert not matches("idea", "squashed~1")


def test_yaml_is_read_as_dvc_reads_it() -> None:
    """By the rules of YAML 1.2, the same in C as by DVC's own parser."""
    text = (
        "[yes, no, on, off, true, False, 010, 0o17, 0x1F, 1:30, 1e-3, 1E5, 1_000, -1, +2, .5, 5.,"
        " -.inf, null, ~, 2026-01-01, '1', 1.0, abc, 1e, 0.1e+2, y, n]"
    )
    assert formats.parse(text.encode(), "a.yaml") == parse_yaml(text, "a.yaml")
    assert formats.parse(b"", "params.yaml") == {}


def test_a_link_that_leads_out_or_in_a_circle_is_no_code(project: Project) -> None:
    for name, target in {"train.py": "train.py", "evaluate.py": "/etc/hosts"}.items():
        (project.root / name).unlink()
        (project.root / name).symlink_to(target)
    project.commit("Link")
    changes = read(project).freshness.changes
    assert [(change.kind, change.name) for change in changes] == [
        ("dependency", "train.py"),
        ("dependency", "evaluate.py"),
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    {
        "train.rate": 0.5,
        "a.b": "dots",
        "layers.1": 64,
        "layers.2": None,
        "train.rate.x": None,
    }.items(),
)
def test_a_parameter_is_found_by_its_dotted_name(key: str, value: object) -> None:
    params = {"train": {"rate": 0.5}, "layers": [128, 64], "a.b": "dots"}
    assert below(params, key.split(".")) == value


def test_aliases_are_bounded() -> None:
    """A few lines that stand for half a million values are refused, at once and in words."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    nines = (", ".join([f"*a{level}"] * 9) for level in range(8))
    lines += [f"a{level}: &a{level} [{nine}]" for level, nine in enumerate(nines, start=1)]
    with pytest.raises(ValueError, match="more than 100,000 values"):
        formats.parse("\n".join(lines).encode(), "params.yaml")


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [(1, 1.0, False), (0, -0.0, False), (float("nan"), float("nan"), False), (1, True, True),
     (10**400, 10**400, False), (1, 2, True), ("1", 1, True), (10**400, 1.5, True)],
)  # fmt: skip
def test_what_counts_as_changed(old: object, new: object, changed: bool) -> None:
    assert Value("", "", old, new).changed is changed
