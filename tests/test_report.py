"""`ci report`: what it says of real Git and DVC histories, and that it is valid Markdown."""

import hashlib
import json
import math
import re
import sys
import time
import tomllib
from pathlib import Path

import histories
import pytest
from histories import Project
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mlci import numerals
from mlci.history.origins import hide_credentials
from mlci.writing import sections, wording
from mlci.writing.remarks import link_to_this_run
from packaging.requirements import Requirement

ABSENT = "\u2013"
# What numeral.js 2.0.6 itself writes, for values that a float holds exactly or nearly so.
NUMERAL = {
    "0": {1234.5: "1235", -0.25: "0", -0.5: "0", 0.5: "1", 2.0: "2"},
    "0.00": {1234.5: "1234.50", -0.25: "-0.25", 1.005: "1.01", -0.001: "0.00"},
    "0[.]00": {2.0: "2", 1.5: "1.50", 1.005: "1.01"},
    "0.0[000]": {2.0: "2.0", 0.12345678912: "0.1235"},
    "0[.][0000000]": {2.0: "2", 0.12345678912: "0.1234568", 0.1 + 0.2: "0.3", -1e-5: "-0.00001"},
    "0,0.0": {1234.5: "1,234.5", -1234567.891: "-1,234,567.9", -0.25: "-0.2"},
    "+0.0": {0.0: "+0.0", 1234.5: "+1234.5", -1.5: "-1.5"},
    "(0.0)": {-0.25: "(0.2)", 1.5: "1.5"},
    "0.0%": {0.1234: "12.3%", -0.25: "-25.0%"},
    "0.0 %": {0.9999: "100.0 %"},
    "000": {2.0: "002"},
}


def tokens(report: str) -> list[Token]:
    """Parse a report as GitHub does, and check that every folded part is closed."""
    parsed = MarkdownIt("commonmark", {"html": True}).enable("table").parse(report)
    html = [token.content.strip() for token in parsed if token.type == "html_block"]
    assert [
        text for text in html if not text.startswith(("<details>\n<summary>", "</details>"))
    ] == []
    assert sum("<details>" in text for text in html) == sum("</details>" in text for text in html)
    inline = [child for token in parsed for child in token.children or []]
    assert not [child for child in inline if child.type in ("html_inline", "link_open", "image")]
    return parsed


def tables(report: str) -> dict[str, list[list[str]]]:
    """Return the rows of each table, as a reader sees them, by the heading above it."""
    found: dict[str, list[list[str]]] = {}
    heading, expect = "", ""
    for token in tokens(report):
        if token.type in ("heading_open", "td_open", "tr_open", "table_close"):
            expect = token.type
        if token.type == "tr_open":
            found.setdefault(heading, []).append([])
        if token.type == "inline" and expect == "heading_open":
            heading, expect = token.content, ""
        if token.type == "inline" and expect == "td_open":
            text = "".join(child.content for child in token.children or [])
            found[heading][-1].append(text.replace("\u2060", ""))
    return {name: [row for row in rows if row] for name, rows in found.items()}


def numbers(report: str) -> dict[str, list[str]]:
    """Return the rows of the first table, below the verdict, by the metrics' names."""
    rows = next(iter(tables(report).values()))
    return {row[0]: row[1:] for row in rows}


def report(project: Project, *flags: str, **variables: str) -> str:
    """Write a report and return it, once it has been found valid and short enough."""
    done = project.script("report", *flags, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(project.report) <= sections.LONGEST
    tokens(project.report)
    return project.report


def dataset(project: Project, path: str, files: dict[str, str]) -> None:
    """Track a folder as `dvc add` does, with its listing in the cache but not one of its files."""
    listing = json.dumps(
        [{"md5": md5, "relpath": name} for name, md5 in sorted(files.items())]
    ).encode()
    checksum = hashlib.md5(listing, usedforsecurity=False).hexdigest()
    cached = project.root / ".dvc/cache/files/md5" / checksum[:2] / f"{checksum[2:]}.dir"
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_bytes(listing)
    project.write(
        f"{path}.dvc",
        f"outs:\n- md5: {checksum}.dir\n  size: {len(files) * 10}\n  nfiles: {len(files)}\n"
        f"  hash: md5\n  path: {Path(path).name}\n",
    )


def test_metrics(project: Project) -> None:
    """Up, down, new, gone, equal, NaN, infinite, nested, null, text: each as it is in the files."""
    old = {
        "accuracy": 0.8125, "f1": 0.5, "log_loss": 0.25, "rmse": 3.5, "same": 1, "tiny": 1e-12,
        "gone": 4, "nan": math.nan, "to_nan": 0.5, "inf": math.inf, "cv": {"mean": 0.75, "deep": {"x": 1}},
        "none": None, "label": "a", "yes": True, "list": [1, 2], "big": 10**18, "huge": 10**400, "float": 1e300,
    }  # fmt: skip
    new = old | {
        "accuracy": 0.84375, "f1": 0.25, "log_loss": 0.125, "rmse": 4.5, "tiny": 3e-12,
        "to_nan": math.nan, "cv": {"mean": 0.5, "deep": {"x": 2}}, "label": "b", "added": 7,
        "list": [1, 3], "big": 10**18 + 1, "float": 2e300,
    }  # fmt: skip
    del new["gone"]
    project.measure(old)
    project.commit("Old metrics")
    project.measure(new)
    project.commit("New metrics")
    text = report(project, "--baseline", "HEAD~1")
    rows = numbers(text)
    sides = [
        json.loads(project.git("show", f"{revision}:metrics.json"))
        for revision in ("HEAD~1", "HEAD")
    ]
    for name in ("accuracy", "f1", "log_loss", "rmse"):
        before, after = (side[name] for side in sides)
        shown_after, change, shown_before = map(float, rows[name])  # no dot: nothing is known
        assert (shown_before, shown_after) == pytest.approx((before, after), abs=5.1e-5)
        assert change == pytest.approx(after - before, abs=5.1e-5)
    assert rows["cv.mean"] == ["0.5", "-0.25", "0.75"]
    assert rows["cv.deep.x"] == ["2", "+1", "1"]
    assert rows["big"] == [str(10**18 + 1), "+1", str(10**18)]
    assert rows["huge"][0].startswith("1000")
    assert rows["float"] == ["2e+300", "+1e+300", "1e+300"]
    assert rows["same"] == ["1"]
    assert rows["nan"] == ["NaN"]
    assert rows["to_nan"] == ["NaN", "changed", "0.5"]
    assert rows["inf"] == ["Infinity"]
    assert rows["gone"] == [ABSENT, "removed", "4"]
    assert rows["added"] == ["7", "new", ABSENT]
    assert rows["none"] == ["null"]
    assert rows["yes"] == ["true"]
    assert rows["label"] == ["b", "changed", "a"]
    assert rows["list"] == ["[1, 3]", "changed", "[1, 2]"]
    assert rows["tiny"] == ["3e-12", "+2e-12", "1e-12"]
    changed = [name for name, row in rows.items() if row[2:]]
    assert changed[:5] == ["accuracy", "f1", "log_loss", "rmse", "tiny"]  # as in the file
    assert changed[-2:] == ["added", "gone"]

    percent = report(project, "--metrics-format", "0.0%", baseline="HEAD~1")
    assert numbers(percent)["accuracy"] == ["84.4%", "+3.1%", "81.3%"]


@pytest.mark.slow
def test_parameters_and_data(project: Project) -> None:
    """Only what changed is listed; a renamed file is no deletion, and counts are exact."""
    files = {f"{number}.csv": f"{number:032x}" for number in range(10)}
    dataset(project, "extra", files)
    dataset(project, "moved", {"a": "f" * 32})
    project.commit("Add data")
    files["renamed.csv"] = files.pop("3.csv")
    files["0.csv"] = "e" * 32
    files["new one.csv"] = "d" * 32
    del files["7.csv"], files["8.csv"]
    dataset(project, "extra", files)
    (project.root / "moved.dvc").unlink()
    dataset(project, "elsewhere", {"a": "f" * 32})
    project.set_rate(0.75)
    project.dvc("repro")
    project.commit("Change data and rate")
    text = report(project, "--baseline", "HEAD~1")
    assert tables(text)["Parameters"] == [["train.rate", "0.5", "0.75"]]
    rows = {row[0]: row[1:] for row in tables(text)["Data and models"]}
    assert rows["extra"] == ["modified", "10 → 9", "100 B → 90 B"]
    assert rows["moved → elsewhere"] == ["renamed", "1", "10 B"]
    assert rows["models/model.json"][0] == "modified"
    assert set(rows) == {"extra", "moved → elsewhere", "models/model.json"}
    assert "Files: 1 added · 2 modified · 2 deleted · 2 renamed" in text
    for line in (
        "- added: `extra/new one.csv`",
        "- modified: `extra/0.csv`",
        "- modified: `models/model.json`",
        "- deleted: `extra/7.csv`",
        "- renamed: `extra/3.csv` → `extra/renamed.csv`",
        "- renamed: `moved` → `elsewhere`",
    ):
        assert line in text
    assert "Results" not in tables(text)
    assert "This run changed" not in text

    # a clone has none of the data: the counts of the metadata, and why there are no names
    clone = histories.clone(project, project.root.parent / "clone")
    text = report(clone, baseline="HEAD~1")
    rows = {row[0]: row[1:] for row in tables(text)["Data and models"]}
    assert rows["extra"] == ["modified", "10 → 9", "100 B → 90 B"]
    assert "Which files changed in `extra` is not known here" in text


@pytest.mark.slow
def test_imported_data_show_their_address_and_both_versions(project: Project) -> None:
    """By DVC's own `import` and `update`; of an address nobody sees a password or a signature."""
    home = histories.new_project(project.root.parent / "home")
    shas = []
    for version in "v1", "v2":
        home.write("cats.csv", f"{version}\n")
        home.dvc("add", "cats.csv")
        shas.append(home.commit(version)[:7])
        home.git("tag", version)
    project.dvc("import", str(home.root), "cats.csv", "--rev", "v1", "--out", "imported.csv")
    secret = "https://me:p4ss@data.example.com/dogs.csv"
    tracked = "outs:\n- {md5: %s, size: 2, hash: md5, path: dogs.csv}\n"
    dogs = f'deps:\n- {{path: "{secret}?sig=s3cret", etag: \'"%s"\'}}\n{tracked}'
    project.write("dogs.csv.dvc", dogs % ("abc-old", 32 * "a"))
    project.commit("Import")
    project.dvc("update", "--rev", "v2", "imported.csv.dvc")
    project.write("dogs.csv.dvc", dogs % ("xyz-new", 32 * "b"))
    project.commit("Update")
    data = report(project, "--baseline", "HEAD~1").partition("### Data and models")[2]
    where = f"is imported from `cats.csv` of `{home.root}`"
    assert f"- `imported.csv` {where}: `v1` (`{shas[0]}`) → `v2` (`{shas[1]}`)\n" in data
    dogs_at = "`https://data.example.com/dogs.csv`"
    assert f"- `dogs.csv` is imported from {dogs_at}: `abc-old` → `xyz-new`\n" in data

    project.write("dogs.csv.dvc", tracked % (32 * "b"))
    (project.root / "imported.csv.dvc").unlink()
    text = report(project, "--baseline", "HEAD")
    assert f"- `dogs.csv` is no longer imported from {dogs_at}, `xyz-new`\n" in text
    assert f"- `imported.csv` {where.replace('is', 'is no longer')}, `v2` (`{shas[1]}`)" in text
    project.git("checkout", "--", ".")
    text = report(project, "--baseline", "HEAD~2")
    assert f"- `imported.csv` {where}, `v2` (`{shas[1]}`)\n" in text
    page = (project.root / "report.html").read_text(encoding="utf-8")
    assert not [found for found in ("p4ss", "s3cret") if found in text + page]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (
            "https://user:p@ss@h.example:8443/a@b.csv?X-Amz-Signature=1#x",
            "https://h.example:8443/a@b.csv",
        ),
        ("s3://bucket/a@b/c.csv", "s3://bucket/a@b/c.csv"),
        ("git@github.com:owner/data.git", "git@github.com:owner/data.git"),
        ("/mnt/what?/data.csv", "/mnt/what?/data.csv"),
    ],
)
def test_an_address_is_shown_without_credentials(address: str, shown: str) -> None:
    assert hide_credentials(address) == shown


@pytest.mark.slow
def test_nothing_leaves_the_machine(project: Project) -> None:
    """Neither data nor a remote is needed: here there is none of both, and the report is whole."""
    histories.set_remote(project, "s3://bucket/nowhere", "http://127.0.0.1:9")
    project.set_rate(0.75)
    project.dvc("repro")
    project.commit("Change the rate")
    clone = histories.clone(project, project.root.parent / "clone")
    text = report(clone, baseline="HEAD~1")
    assert f"{(0.75 - 0.5) / 0.9:+.4f}" in text
    assert not (clone.root / ".dvc/cache/files").exists()


@pytest.mark.slow
def test_what_is_compared(project: Project) -> None:
    """The default branch of origin; warned about: no baseline, the same commit, one further on."""
    before, head = project.git("rev-list", "--reverse", "HEAD").split()
    # On the default branch: the commit before, or what changes that are not committed were made to.
    assert f"`{head[:7]}` (`main`) compared with `{before[:7]}` (`HEAD~1`)" in report(project)
    assert project.report.startswith("## 🆕 `accuracy`")
    params = (project.root / "params.yaml").read_text()
    project.set_rate(0.75)
    assert f"compared with `{head[:7]}` (`HEAD`)" in report(project)
    assert "⚠️" not in project.report
    project.write("params.yaml", params)
    event = project.root.parent / "event.json"
    event.write_text(json.dumps({"before": before, "repository": {"default_branch": "main"}}))
    assert f"compared with `{before[:7]}`" in report(project, CI="1", GITHUB_EVENT_PATH=str(event))
    text = report(project, baseline="main")
    assert f"`{head[:7]}` (`main`) compared with `{head[:7]}` (`main`)" in text
    assert "The baseline `main` is this very commit; compare with an earlier one by" in text
    project.git("branch", "00")
    assert "compared with" in report(project, baseline="00")
    assert "(`00`)" in project.report

    project.git("branch", "side")
    project.git("branch", "--move", "trunk")  # no main, no origin: as in a first push
    assert "There is no baseline, as in a first push" in report(project)
    assert "accuracy" in report(project)
    assert "There is no baseline" in report(project, baseline="0" * 40)

    clone = histories.clone(project, project.root.parent / "clone")
    clone.git("checkout", "--quiet", "-b", "feature/x")
    clone.measure({"accuracy": 0.5})
    clone.commit()
    sha = clone.git("rev-parse", "HEAD")
    assert f"`{sha[:7]}` (`feature/x`) compared with `{head[:7]}` (`origin/trunk`)" in report(clone)
    assert "⚠️" not in clone.report
    clone.git("checkout", "--quiet", "--detach")
    assert f"`{sha[:7]}` (`detached HEAD`)" in report(clone)
    assert f"`{sha[:7]}` (`feature/x`)" in report(clone, GITHUB_HEAD_REF="feature/x")
    assert f"compared with `{head[:7]}` (`origin/side`)" in report(clone, baseline="side")
    # The branch that a pull request goes to comes before origin's default.
    assert "(`origin/side`)" in report(clone, GITHUB_BASE_REF="side")

    project.commit("Go on")
    clone.git("fetch", "--quiet")
    assert "`origin/trunk` has 1 commit that this branch lacks" in report(clone)

    done = clone.script("report", "--baseline", "nothing")
    assert done.returncode == 2
    assert "'nothing' is not a commit of this repository" in done.stderr


@pytest.mark.slow
def test_a_shallow_clone_says_how_to_fetch(project: Project) -> None:
    """As CI checks out by default: one commit, and no other branch; the command then helps."""
    project.git("checkout", "--quiet", "-b", "feature")
    project.commit("Go on")
    project.git("checkout", "--quiet", "main")
    shallow = histories.clone(
        project, project.root.parent / "shallow", "--depth=1", "--single-branch", "--branch=feature"
    )
    text = report(shallow)
    command = text.split("fetch the whole history with `")[1].split("`")[0]
    done = shallow.script("report", "--baseline", "HEAD~1")
    assert done.returncode == 2
    assert command in done.stderr
    shallow.run("sh", "-c", command)
    assert "compared with" in report(shallow)
    assert "shallow" not in shallow.report


@pytest.mark.slow
def test_no_commit_and_no_metrics(tmp_path: Path) -> None:
    """A project that was never run or committed has a report too."""
    project = histories.new_project(tmp_path / "project")
    assert "is missing at `this checkout`" in report(project)
    project.git("update-ref", "-d", "HEAD")
    assert "There is no commit yet" in report(project)


def test_hostile_names(project: Project) -> None:
    """Pipes, backticks, mentions, references, HTML, links and controls are shown, not obeyed."""
    names = [
        "a|b", "`x`", "@everyone", "#1", "!2", "<img src=x onerror=alert(1)>", "</details>", "**b**",
        "[l](http://x.example)", "http://x.example", "new\nline", "\u202etxt", "a``b|c @team #3", "\\",
        "$math$", ":smile:", "end`",
    ]  # fmt: skip
    project.measure(dict.fromkeys(names, 1) | {"text": "| `@all` <b>"})
    project.commit()
    project.measure(dict.fromkeys(names, 2) | {"text": "```\n@all"})
    project.commit()
    text = report(project, baseline="HEAD~1")
    shown = list(numbers(text))
    expected = [name.replace("\n", " ").replace("\u202e", "").strip() for name in names]
    assert shown == [*expected, "text"]
    parts = [child for token in tokens(text) for child in token.children or []]
    outside = "".join(part.content for part in parts if part.type == "text")
    assert not re.search(r"@\w|#\d|!\d|://", outside)  # what becomes a mention or a link


@pytest.mark.slow
def test_a_thousand_metrics_and_a_hundred_thousand_files(project: Project) -> None:
    """Cut to size, every block closed, the changed ones first, and what was left out is counted."""
    metrics = {f"metric_{number:04}": number / 7 for number in range(1000)}
    files = {f"folder/{number:06}.png": f"{number:032x}" for number in range(100_000)}
    project.measure(metrics)
    dataset(project, "images", files)
    project.commit("Many")
    project.measure(metrics | {"metric_0999": 0})
    dataset(project, "images", {name: f"{md5[1:]}f" for name, md5 in files.items()})
    project.commit("Change all")
    started = time.monotonic()
    text = report(project, baseline="HEAD~1")
    print(f"1,000 metrics and 100,000 files: {time.monotonic() - started:.1f} s, {len(text):,}")
    assert "Files: 100,000 modified" in text
    rows = next(iter(tables(text).values()))
    assert [row[0] for row in rows[:2]] == ["metric_0000", "metric_0999"]  # the primary one first
    assert (
        f"_{1000 - len(rows):,} more metrics are left out; `uv run dvc metrics diff --all" in text
    )
    listed = text.count("- modified: `images/folder/")
    assert f"_{100_000 - listed:,} more files are left out; `uv run dvc diff" in text

    project.measure({f"{'long ' * 100}{number}": number for number in range(1000)})
    assert "<details>" in report(project, baseline="HEAD~1")
    assert "<details>" not in report(project, baseline="HEAD~1", BITBUCKET_BUILD_NUMBER="7")


@pytest.mark.slow
def test_the_latest_tagged_runs_stay_visible(project: Project) -> None:
    """The latest five tags `<prefix><sha>` that lead here are on the leaderboard, however bad."""
    scores = [0.5, 0.2, 0.1, 0.3, 0.15, 0.12]
    for number, score in enumerate(scores):
        project.measure({"accuracy": score})
        project.env["GIT_COMMITTER_DATE"] = f"2026-11-{number + 1:02} 12:00:00 +0000"
        sha = project.commit(f"Run {number}")
        project.git("tag", "-a", f"exp-{sha[:7]}", "-m", "x")
    tags = project.git("tag", "--list", "exp-*", "--sort=-creatordate").split()
    for number in range(12):  # better ones, which fill the table
        project.git("switch", "--quiet", "-c", f"better-{number}", "main")
        project.measure({"accuracy": 0.6 + number / 100})
        project.env["GIT_COMMITTER_DATE"] = f"2026-11-{number + 10:02} 12:00:00 +0000"
        project.git("tag", f"exp-{project.commit()[:7]}")
    project.git("switch", "--quiet", "main")
    project.git("tag", "exp-release")
    text = report(project, baseline="HEAD~1", tag_prefix="exp-")
    shown = " ".join(row[1] for row in tables(text)["Leaderboard"])
    assert all(tag in shown for tag in tags[:5])
    assert tags[5] not in shown
    assert tags[1] not in report(project, baseline="HEAD~1")


@pytest.mark.slow
def test_unreadable_files_are_named(project: Project) -> None:
    """A broken metrics file on either side costs its own rows only."""
    good = (project.root / "metrics.json").read_text()
    project.measure("{broken")
    project.commit()
    project.measure(good)
    project.commit()
    text = report(project, baseline="HEAD~1")
    assert "`metrics.json` at `HEAD~1` cannot be read" in text
    assert {row[1] for row in numbers(text).values()} == {"new"}
    for broken, where in ("stages:\n\ttrain:\n", "line 2"), ("stages:\n  a: {cmmd: x}\n", "'cmmd'"):
        project.write("dvc.yaml", broken)
        for script, code in ("report", 5), ("run", 2):
            done = project.script(script, baseline="HEAD~1")
            assert done.returncode == code
            assert re.fullmatch(rf"ci {script}: .*dvc\.yaml.*{where}.*\n", done.stderr)


@pytest.mark.slow
def test_results_that_are_not_committed(project: Project) -> None:
    """The command that takes them along: CI's own where there is one, else `git add`."""
    project.set_rate(0.75)
    project.dvc("repro")
    text = report(project)
    assert "This run changed `dvc.lock`, `metrics.json`." in text
    assert "git add dvc.lock metrics.json\n" in text
    assert "uv run ci results 42" in report(project, apply_command="uv run ci results 42")
    text = report(project, apply_command="x", commit_results="true")
    assert "CI commits them to this branch." in text


@pytest.mark.parametrize("pattern", NUMERAL)
def test_numbers_are_written_as_numeral_js_does(pattern: str) -> None:
    """Optional decimals, fixed ones, thousands, percent and sign."""
    assert {value: numerals.text(value, pattern) for value in NUMERAL[pattern]} == NUMERAL[pattern]


def test_times_and_sizes_are_written_as_one_says_them() -> None:
    seconds = {0.04: "0.0 s", 9.96: "10.0 s", 59.4: "59 s", 59.6: "1 min 0 s", 3725: "1 h 2 min"}
    assert {value: wording.duration(value) for value in seconds} == seconds
    sizes = {
        None: "\N{EN DASH}",
        0: "0 B",
        1536: "1.54 kB",
        10**9: "1 GB",
        1234 * 10**12: "1,234.0 TB",
    }
    assert {value: wording.size(value) for value in sizes} == sizes


@pytest.mark.parametrize("pattern", ["", "x", "0.", "0.0.0", "(0", "[0]", "0a", "%", "0%%", "0\n"])
def test_a_malformed_pattern_is_refused(pattern: str) -> None:
    """By a sentence with an example."""
    with pytest.raises(
        ValueError, match=r"is not a numeral.js pattern such as '0\[\.\]\[0000000\]'"
    ):
        numerals.parse(pattern)


def test_the_package_needs_no_more_than_it_declares() -> None:
    """Every import is the standard library, the package itself, or in its `pyproject.toml`."""
    project = tomllib.loads((histories.CI / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    names = {"markdown-it-py": "markdown_it", "pyyaml": "yaml", "vl-convert-python": "vl_convert"}
    requirements = [Requirement(entry).name for entry in project["dependencies"]]
    declared = {names.get(name, name.replace("-", "_")) for name in requirements}
    declared |= {"mlci"}
    for path in histories.CI.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search("{[{%#]", text), f"{path.name} looks like Jinja"
        for line in text.splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]) and len(words) > 1:
                root = words[1].split(".")[0]
                assert root in sys.stdlib_module_names or root in declared, line


HUB = "https://github.com/ada/digits/actions/runs/7"
LAB = "https://gitlab.com/ada/digits/-/jobs/7"
BUCKET = "https://bitbucket.org/ada/digits"


@pytest.mark.parametrize(
    ("variables", "run", "files"),
    [
        ({"GITHUB_REPOSITORY": "ada/digits", "GITHUB_RUN_ID": "7"}, HUB, f"{HUB}#artifacts"),
        ({"CI_JOB_URL": LAB}, LAB, f"{LAB}/artifacts/browse"),
        (
            {"BITBUCKET_GIT_HTTP_ORIGIN": BUCKET, "BITBUCKET_BUILD_NUMBER": "7"},
            f"{BUCKET}/pipelines/results/7",
            f"{BUCKET}/pipelines/results/7#artifacts",
        ),
    ],
    ids=["github", "gitlab", "bitbucket"],
)
def test_the_run_and_its_files_are_one_click_away(
    monkeypatch, variables: dict[str, str], run: str, files: str
) -> None:
    assert link_to_this_run() == ""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert link_to_this_run() == f"[The run]({run}) · [its files, with `report.html`]({files})"


@pytest.mark.slow
def test_what_the_data_are_is_compared_without_them(project: Project) -> None:
    """Rows, columns and missing values on both sides, from the metrics in Git."""
    before = {"train_rows": 80, "test_rows": 20, "features": 5, "missing_cells": 0}
    for data in before, before | {"train_rows": 1080, "missing_cells": 7}:
        project.measure({"accuracy": 0.5, "data": data})
        project.commit("Measure")
    text = report(project, "--baseline", "HEAD~1")
    assert "1,080 rows to train on, 20 to test with. Rows to train on: 80 → 1,080." in text
    assert "Missing values: 0 → 7." in text
    assert "Columns:" not in text
