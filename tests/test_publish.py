"""Promise: what a run left behind is data: whatever it planted, only results reach Git."""

import io
import os
import re
import stat
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from conftest import TEMPLATE, run
from loading import load
from servers.provider import Provider

pytestmark = pytest.mark.skipif(os.name == "nt", reason="every provider publishes on Linux")
SCRIPT = TEMPLATE / "{{cookiecutter.project_slug}}" / "ci" / "publish.py"
GOOD = {
    "report.md": b"# Report\n",
    "dvc.lock": b"schema: '2.0'\n",
    "metrics.json": b"{}\n",
    "plots/a b.json": b"[]\n",
    "plots/deep/roc.csv": b"x,y\n",
}
RESULTS = {name: data for name, data in GOOD.items() if name != "report.md"}
PLANTED = (
    ".github/workflows/evil.yml",
    ".gitlab-ci.yml",
    "../outside",
    "/absolute",
    "ci/run.py",
    "plots/../ci/run.py",
    "plots/../../outside",
    "plots/.git/config",
    "plots/./dvc.lock",
    "plots//etc",
    "plots\\..\\ci\\run.py",
    "plots/new\nline",
    "Metrics.json",
    "metrics.json/x",
    "dvc.lock.sh",
    "uv.lock",
    # What some system cannot check out, or would take for the same file as another.
    "plots/con.json",
    "plots/nul/curve.json",
    "plots/Lpt1.tsv.json",
    "plots/dot.json.",
    "plots/space /curve.json",
    "plots/CaSe.json",
    "plots/case.json",
    "plots/cafe\u0301.csv",
    # What is no data.
    "plots/page.html",
    "plots/conftest.py",
    "plots/README",
    "plots/model.pkl",
    "plots/picture.PNG",
)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>'
SCRIPTS = (
    "<script>alert(1)</script>",
    '<g onload="alert(1)"/>',
    '<a xlink:href=" java\nscript:alert(1)"><text>x</text></a>',
    '<a xlink:href="java&#115;&#99;ript:alert(1)"><text>x</text></a>',
    '<animate attributeName="href" values="javascript:alert(1)"/>',
    '<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="x"/></foreignObject>',
    '<h:script xmlns:h="http://www.w3.org/1999/xhtml">alert(1)</h:script>',
    "<g>",
)
MOST_MEMORY = """
import sys, tracemalloc
from pathlib import Path
from loading import load

publish, path = load(Path(sys.argv[1])), Path(sys.argv[2])
publish.MAX_BYTES = 1_000_000
tracemalloc.start()
try:
    reason = publish.read_results(path)
except publish.Refused as error:
    reason = error
shown = publish.read_text(path, "report.md")  # it is shown all the same
print(tracemalloc.get_traced_memory()[1], shown + str(reason))
"""


@pytest.fixture(scope="module")
def publish() -> ModuleType:
    """The script, loaded as a module."""
    return load(SCRIPT)


def zipped(path: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    """Make a zip file of regular files and of symbolic links {name: target}."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
        for name, target in (links or {}).items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, target)
    return path


def test_only_known_names_are_read(publish: ModuleType, tmp_path: Path) -> None:
    planted = dict.fromkeys(PLANTED, b"evil")
    found, left_out = publish.read_results(zipped(tmp_path / "a.zip", GOOD | planted))
    assert found == RESULTS
    assert set(left_out) == {name for name in PLANTED if name.startswith("plots/")}


def test_a_picture_with_a_script_is_left_out(publish: ModuleType, tmp_path: Path) -> None:
    planted = {f"plots/{n}.svg": SVG.format(text).encode() for n, text in enumerate(SCRIPTS)}
    planted["plots/bomb.svg"] = b'<!DOCTYPE svg [<!ENTITY a "aa">]>' + SVG.format("&a;").encode()
    planted["plots/utf16.svg"] = SVG.format(SCRIPTS[0]).encode("utf-16")
    good = (
        '<style>text {{color: red}}</style><text font-size="9">on script: <tspan>x</tspan></text>'
    )
    header = (
        '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x">'
    )
    plain = {"plots/good.svg": (header + SVG.format(good)).encode()}
    found, left_out = publish.read_results(zipped(tmp_path / "a.zip", planted | plain))
    assert found == plain
    assert sorted(left_out) == sorted(planted)


def test_results_are_committed_where_the_clone_has_no_files(
    publish: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sparse checkout of CI has commits and trees only, and Git cannot sign in to fetch the rest."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    run("git", "init", "--quiet", origin, cwd=tmp_path)
    (origin / "train.py").write_text("print()\n")
    run("git", "add", "--all", cwd=origin)
    run("git", "commit", "--quiet", "-m", "Begin", cwd=origin)
    run("git", "config", "uploadpack.allowFilter", "true", cwd=origin)
    partial = ["--quiet", "--filter=blob:none", "--no-checkout", origin.as_uri(), str(clone)]
    run("git", "clone", *partial, cwd=tmp_path)
    run("git", "remote", "set-url", "origin", str(tmp_path / "gone"), cwd=clone)
    monkeypatch.chdir(clone)
    head = run("git", "rev-parse", "HEAD", cwd=clone).stdout.strip()
    new = publish.with_results(head, {"metrics.json": b"{}\n"})
    changed = run("git", "diff-tree", "--name-status", "-r", head, new, cwd=clone).stdout
    assert changed == "A\tmetrics.json\n"


def test_links_are_not_read(publish: ModuleType, tmp_path: Path) -> None:
    links = {
        "dvc.lock": "/etc/passwd",
        "plots/link.json": "../.git/config",
        "report.md": "/etc/passwd",
    }
    assert publish.read_results(zipped(tmp_path / "a.zip", {}, links))[0] == {}
    assert publish.read_text(tmp_path / "a.zip", "report.md") == ""
    folder = tmp_path / "folder"
    (folder / "plots").mkdir(parents=True)
    for name, target in links.items():
        (folder / name).symlink_to(target)
    (folder / "plots" / "roc.csv").write_bytes(b"x,y\n")
    assert publish.read_results(folder) == ({"plots/roc.csv": b"x,y\n"}, [])
    assert publish.read_text(folder, "report.md") == ""


@pytest.mark.parametrize("name", ["plots", "plots/deep"])
def test_folders_behind_links_are_not_read(publish: ModuleType, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.json").write_bytes(b"secret")
    link = tmp_path / "folder" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(outside, target_is_directory=True)
    assert publish.read_results(tmp_path / "folder") == ({}, [])


def test_a_folder_is_read_like_its_zip(publish: ModuleType, tmp_path: Path) -> None:
    for name, data in (GOOD | {"ci/run.py": b"evil", "uv.lock": b"evil"}).items():
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    assert publish.read_results(tmp_path / "folder") == (RESULTS, [])
    assert publish.read_text(tmp_path / "folder", "report.md") == "# Report\n"


@pytest.mark.parametrize("packed", [True, False], ids=["zip", "folder"])
@pytest.mark.parametrize("what", ["one file too large", "all too large", "too many files"])
def test_what_is_too_much_is_refused(tmp_path: Path, what: str, packed: bool) -> None:
    files = {
        "one file too large": {"plots/bomb.json": bytes(10_000_000)},  # 10 kB in a zip file
        "all too large": {f"plots/{number}.json": bytes(10_001) for number in range(100)},
        "too many files": {f"plots/{number}.json": b"" for number in range(501)},
    }[what]
    path = zipped(tmp_path / "a.zip", files | {"report.md": b"# Report\n"})
    if not packed:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path / "folder")
        path = tmp_path / "folder"
    # In a process of its own: whatever else this one does in its threads would be measured, too.
    said = run(sys.executable, "-B", "-c", MOST_MEMORY, SCRIPT, path, cwd=TEMPLATE / "tests").stdout
    assert re.match(r"\d+ # Report\nthey are (larger than the 1,000,000 bytes|501 files)", said)
    assert int(said.split()[0]) < 5_000_000


def test_a_zip_that_lies_about_its_sizes_is_refused(publish: ModuleType, tmp_path: Path) -> None:
    size = 100_000
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metrics.json", bytes(size))
    lying = buffer.getvalue().replace(size.to_bytes(4, "little"), b"\x05\0\0\0")
    (tmp_path / "a.zip").write_bytes(lying)
    with pytest.raises(publish.Refused, match="artifact of the run"):
        publish.read_results(tmp_path / "a.zip")


def test_a_broken_zip_is_one_sentence(publish: ModuleType, tmp_path: Path) -> None:
    """Whatever is broken in it: each byte in turn, and its end cut off at each."""
    good = zipped(tmp_path / "a.zip", {"report.md": b"# Report\n" * 9, "plots/\xe4.json": b"[]"})
    data = good.read_bytes()
    broken = [data[:n] + bytes([data[n] ^ 255]) + data[n + 1 :] for n in range(len(data))]
    sentences = []
    for text in [*broken, *(data[:n] for n in range(len(data)))]:
        good.write_bytes(text)
        try:
            publish.read_text(good, "report.md")
            publish.read_results(good)
        except publish.Refused as why:
            sentences.append(str(why))
    assert len(sentences) > len(data)
    assert not any("\n" in sentence for sentence in sentences)


def test_nothing_is_published_without_a_report(
    publish: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a skipped run, which is green: a commit that nobody ran is no experiment."""
    monkeypatch.chdir(tmp_path)  # no repository: any Git command would fail
    for name, value in {
        "outcome": "success", "branch": "main", "default_branch": "main", "tag_prefix": "exp-",
        "commit": "0" * 40, "repo_token": "token", "pull_request": "",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    results = zipped(tmp_path / "a.zip", {"dvc.lock": b"schema: '2.0'\n"})
    (said,) = publish.publish(results)
    assert said == "The run left no report, so nothing is published."


def test_nothing_planted_reaches_git(tmp_path: Path) -> None:
    """The whole script, on a repository in which a result's name is a link to a workflow."""
    remote, clone = tmp_path / "remote.git", tmp_path / "clone"
    run("git", "init", "--quiet", "--bare", "--initial-branch=main", remote, cwd=tmp_path)
    run("git", "clone", "--quiet", remote, clone, cwd=tmp_path)
    (clone / ".github").mkdir()
    (clone / ".github" / "ci.yml").write_text("good\n")
    (clone / "metrics.json").symlink_to(".github/ci.yml")
    for command in (["add", "--all"], ["commit", "--quiet", "--message", "x"], ["push", "--quiet"]):
        run("git", *command, cwd=clone)
    commit = run("git", "rev-parse", "HEAD", cwd=clone).stdout.strip()
    results = zipped(
        tmp_path / "a.zip",
        GOOD | {"../outside": b"evil", ".github/workflows/evil.yml": b"evil"},
        {"plots/link.json": "/etc/passwd"},
    )
    environment = {
        "provider": "github", "commit": commit, "branch": "main", "default_branch": "main",
        "outcome": "success", "commit_results": "true", "run_url": "https://ci.example.com/1",
    }  # fmt: skip
    before = {
        path: path.read_bytes()
        for path in clone.rglob("*")
        if path.is_file() and ".git/" not in str(path)
    }
    done = run(sys.executable, SCRIPT, results, cwd=clone, env=os.environ | environment)
    assert "committed to `main`" in done.stdout
    listed = run("git", "ls-tree", "-r", "main", cwd=remote).stdout.splitlines()
    tree = {line.split("\t")[1].strip('"'): line.split()[0] for line in listed}
    assert tree == dict.fromkeys([*(set(GOOD) - {"report.md"}), ".github/ci.yml"], "100644")
    assert run("git", "show", "main:.github/ci.yml", cwd=remote).stdout == "good\n"
    after = {
        path: path.read_bytes()
        for path in clone.rglob("*")
        if path.is_file() and ".git/" not in str(path)
    }
    assert after == before  # no work tree was written
    assert not (tmp_path / "outside").exists()


def test_a_release_is_made_once(publish: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """GitLab answers 409 where the job is tried again, and the experiment is tagged all the same."""
    provider = Provider()
    monkeypatch.setenv("provider", "gitlab")
    monkeypatch.setenv("CI_PROJECT_ID", "1")
    with provider.served() as api:
        monkeypatch.setenv("CI_API_V4_URL", api)
        for _ in range(2):
            publish.release("exp-1234567", "# Report")
    assert [release["tag_name"] for release in provider.releases] == ["exp-1234567"]
    with pytest.raises(publish.Refused, match="gitlab could not be asked"):  # nobody answers
        publish.release("exp-1234567", "# Report")


def test_a_long_report_is_cut_to_what_a_comment_may_be(publish: ModuleType, monkeypatch) -> None:
    monkeypatch.setenv("run_url", "https://ci.example.com/1")
    monkeypatch.setenv("commit", "1234567890")
    text = publish.shorten("# Report\n```\n" + "long line\n" * 20_000, ["A note."])
    assert len(text) <= publish.MAX_COMMENT + 10
    assert "see https://ci.example.com/1" in text
    assert text.endswith(
        f"> A note.\n\n[The run](https://ci.example.com/1) of `1234567`\n\n{publish.MARK}\n"
    )
    assert text.count("```") == 2  # the block that was cut is closed


def test_the_script_runs_on_the_python_of_cmls_image() -> None:
    """It is Python 3.8, which this machine need not have."""
    run("vermin", "--quiet", "--no-tips", "--target=3.8-", SCRIPT, cwd=TEMPLATE)


def test_the_token_is_in_no_argument(publish: ModuleType, monkeypatch, tmp_path: Path) -> None:
    """Other processes can see the arguments of a command; its environment they cannot."""
    monkeypatch.setenv("provider", "github")
    monkeypatch.setenv("repo_token", "marked-token")
    seen = tmp_path / "seen"
    git = tmp_path / "git"
    git.write_text(
        f'#!/bin/sh\necho "$@" >> {seen}\nexec env PATH="{os.environ["PATH"]}" git "$@"\n'
    )
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    run("git", "init", "--quiet", ".", cwd=tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(publish.Refused):
        publish.push("0" * 40, "refs/heads/main")
    assert "push" in seen.read_text()
    assert "marked-token" not in seen.read_text()
    helper = publish.command("git", "-c", *credential(publish, monkeypatch), "credential", "fill",
                             data=b"protocol=https\nhost=github.com\n\n",
                             repo_token="marked-token")  # fmt: skip
    assert "password=marked-token" in helper  # the control: Git does get it


def credential(publish: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the setting by which the script hands the token to Git."""
    asked: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(publish, "command", lambda *words, **_: asked.extend(words))
        publish.git_remote("fetch")
    return [word for word in asked if word.startswith("credential.helper=!")]
