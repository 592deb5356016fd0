"""Publish what a run left behind: the commit of its results, the tag, the comment.

This script has the token that can write, so it runs none of the project's code (CI takes the script
itself from the default branch) and trusts nothing that the run left: of the results it reads only
regular files of known names and sizes, and writes them to Git without a work tree, so that
no link, hook or filter comes into play.

    python3 ci/publish.py RESULTS

RESULTS is the artifact of the run: a zip file, or the folder that it was unpacked to. The CI file
says the rest by environment variables (`provider`, `commit`, `branch` …). Nothing here turns a run
red: what cannot be done is said in one sentence.
"""

from __future__ import annotations  # CML's image has Python 3.8

import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from pathlib import Path
from typing import IO

REPORT = "report.md"
# What may be committed. A workflow, a script or a hidden file is never a result.
COMMITTED = re.compile(r"dvc\.lock|metrics\.json|plots/(\w[\w .-]*/)*\w[\w .-]*")
MAX_FILES = 500
MAX_BYTES = 50_000_000  # of all files together, since they are read into memory
MAX_COMMENT = 65_000  # characters; GitHub refuses a comment of more than 65,536
TIME_LIMIT = 120  # seconds for one command
AUTHOR = {
    "GIT_AUTHOR_NAME": "CI",
    "GIT_AUTHOR_EMAIL": "ci@localhost",
    "GIT_COMMITTER_NAME": "CI",
    "GIT_COMMITTER_EMAIL": "ci@localhost",
}
# The user that a token belongs to when Git asks; in Bitbucket's own pipelines Git never asks.
TOKEN_USER = {"github": "x-access-token", "gitlab": "oauth2"}


class Refused(Exception):
    """Something could not be published; the message is the sentence that says why."""


def variable(name: str, default: str = "") -> str:
    """Return a variable that the CI file sets; an empty one counts as unset."""
    return os.environ.get(name) or default


def token() -> str:
    """Return the token that can write; both of its names are known from CML."""
    return variable("repo_token") or variable("REPO_TOKEN")


def command(*words: str, data: bytes | None = None, **environment: str) -> str:
    """Return what a command prints; raise Refused with its last line where it fails."""
    try:
        done = subprocess.run(
            words,
            input=data,
            capture_output=True,
            timeout=TIME_LIMIT,
            env={**os.environ, **AUTHOR, **environment},
            check=False,
        )
    except FileNotFoundError:
        raise Refused(f"{words[0]} was not found") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(str(error)) from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise Refused(said or f"{words[0]} failed")
    return done.stdout.decode(errors="replace").strip()


# --- what the run left ----------------------------------------------------------------------------


def wanted(name: str) -> bool:
    """Tell whether a file of the artifact is one that a run may hand over."""
    return name == REPORT or COMMITTED.fullmatch(name) is not None


def read(stream: IO[bytes], files: dict[str, bytes]) -> bytes:
    """Read a file beside those read before, up to one byte more than all may have."""
    return stream.read(MAX_BYTES + 1 - sum(map(len, files.values())))


def from_zip(path: Path) -> dict[str, bytes]:
    """Read the wanted regular files of a zip file in memory; nothing is unpacked."""
    with zipfile.ZipFile(path) as archive:
        entries = [
            entry
            for entry in archive.infolist()
            if wanted(entry.filename)
            and stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG)
        ]
        files: dict[str, bytes] = {}
        for entry in entries[: MAX_FILES + 1]:
            with archive.open(entry) as stream:  # a zip file may lie about its sizes
                files[entry.filename] = read(stream, files)
    return files


def from_folder(folder: Path) -> dict[str, bytes]:
    """Read the wanted regular files of a folder, none of them through a link."""
    files: dict[str, bytes] = {}
    plots = folder / "plots"
    inside = sorted(plots.rglob("*")) if not plots.is_symlink() else []
    for path in [folder / REPORT, folder / "dvc.lock", folder / "metrics.json", *inside]:
        name = path.relative_to(folder).as_posix()
        linked = any((folder / part).is_symlink() for part in [Path(name), *Path(name).parents])
        if wanted(name) and path.is_file() and not linked and len(files) <= MAX_FILES:
            with path.open("rb") as stream:
                files[name] = read(stream, files)
    return files


def read_results(path: Path) -> dict[str, bytes]:
    """Return the contents of the run's files by name; raise Refused when they are too many."""
    try:
        files = from_folder(path) if path.is_dir() else from_zip(path)
    except Exception as error:  # noqa: BLE001 (a broken zip file raises nearly anything)
        said = str(error) or "it is cut short"
        raise Refused(f"The artifact of the run could not be read: {said}.") from None
    if len(files) > MAX_FILES or sum(map(len, files.values())) > MAX_BYTES:
        raise Refused(
            f"The artifact of the run was left alone: it may hold at most {MAX_FILES} files of"
            f" {MAX_BYTES:,} bytes together, and has more."
        )
    return files


# --- Git: the results commit and the tag ----------------------------------------------------------


def git_remote(*words: str) -> str:
    """Run a Git command that talks to the remote; the token reaches it by its environment alone."""
    user = TOKEN_USER.get(variable("provider"), "")
    helper = "!f() { echo username=" + user + '; echo "password=$repo_token"; }; f'
    credentials = ["-c", "credential.helper=", "-c", f"credential.helper={helper}"]
    return command("git", *credentials, *words, GIT_TERMINAL_PROMPT="0", repo_token=token())


def push(commit: str, ref: str) -> None:
    """Push a commit to a ref; Git refuses what is no fast-forward."""
    no_pipeline = ["--push-option=ci.skip"] if variable("provider") == "gitlab" else []
    git_remote("push", "--quiet", *no_pipeline, variable("push_url", "origin"), f"{commit}:{ref}")


def head_of(branch: str) -> str:
    """Return the commit that a branch of the remote is at, or nothing where there is none."""
    return git_remote("ls-remote", variable("push_url", "origin"), f"refs/heads/{branch}")[:40]


def with_results(commit: str, files: dict[str, bytes]) -> str:
    """Return a commit on top of `commit` that holds the files, or `commit` where it has them."""
    try:
        command("git", "cat-file", "-e", commit + "^{tree}")
    except Refused:
        git_remote("fetch", "--quiet", "--depth=1", variable("push_url", "origin"), commit)
    with tempfile.TemporaryDirectory() as scratch:
        index = str(Path(scratch, "index"))
        command("git", "read-tree", commit, GIT_INDEX_FILE=index)
        for name, data in files.items():
            blob = command("git", "hash-object", "-w", "--stdin", data=data)
            place = ["--add", "--replace", "--cacheinfo", f"100644,{blob},{name}"]
            command("git", "update-index", *place, GIT_INDEX_FILE=index)
        tree = command("git", "write-tree", "--missing-ok", GIT_INDEX_FILE=index)
    if tree == command("git", "rev-parse", commit + "^{tree}"):
        return commit
    message = f"Add the results of {commit[:7]}\n\n{variable('run_url')}"
    return command("git", "commit-tree", tree, "-p", commit, "-m", message)


def publish_results(files: dict[str, bytes]) -> tuple[str, str]:
    """Commit the results to the branch of the run, where that was asked for.

    Returns:
        The commit of the branch that holds the results (empty where none does), and the sentence
        that tells the reader.
    """
    commit, branch = variable("commit"), variable("branch")
    new = with_results(commit, {name: data for name, data in files.items() if name != REPORT})
    if new == commit:
        return commit, ""
    if variable("commit_results").lower() != "true":
        return "", ""
    try:
        if head_of(branch) == commit:
            push(new, f"refs/heads/{branch}")
            return new, f"The results were committed to `{branch}` as {new[:7]}."
    except Refused as why:
        if head_of(branch) == commit:
            return "", f"The results were not committed: `{branch}` refuses them ({cause(why)})."
    return "", f"The results were not committed: `{branch}` has moved on since this run began."


def publish_tag(commit: str, report: str) -> str:
    """Tag the commit of an experiment on the default branch; return what to tell the reader."""
    prefix = variable("tag_prefix")
    if not prefix or variable("pull_request") or variable("branch") != variable("default_branch"):
        return ""
    if not commit:
        return (
            "No tag was set: the results are not in Git, so the tag would show older ones."
            " Commit them, or set `commit_results` to `true`."
        )
    tag = f"{prefix}{commit[:7]}"
    try:
        push(commit, f"refs/tags/{tag}")
        if variable("provider") == "gitlab":
            release(tag, report)
    except Refused as why:
        return f"The tag `{tag}` was not published: {cause(why)}."
    return f"The experiment is tagged `{tag}`."


def cause(why: Refused) -> str:
    """Return the line of a command's complaint that names the cause, without its full stop."""
    lines = [line.strip() for line in str(why).splitlines() if line.strip()] or ["no reason given"]
    named = [line for line in lines if "rejected" in line or line.startswith("fatal:")]
    return (named or lines)[-1].rstrip(".")


# --- the provider: comment, check, release --------------------------------------------------------


def comment(body: Path) -> str:
    """Post the report as the one comment of the pull request, which later runs update."""
    number = variable("pull_request")
    options = [f"--target=pr/{number}", "--watermark-title=CML report", "--publish=false"]
    try:
        cml("comment", "update", *options, str(body))
    except Refused as why:
        if variable("provider") != "github":
            raise
        print(f"CML could not comment: {cause(why)}", file=sys.stderr)
        only_one = ["--edit-last", "--create-if-none", "--body-file", str(body)]
        command("gh", "pr", "comment", number, "--repo", variable("GITHUB_REPOSITORY"), *only_one)
    return f"The report is a comment of pull request {number}."


def check(body: Path) -> str:
    """Attach the report of a push to its commit."""
    conclusion = {"success": "success", "failure": "failure"}.get(variable("outcome"), "neutral")
    commit = variable("commit")
    cml("check", "create", "--title=CML report", f"--conclusion={conclusion}",
        f"--head-sha={commit}", str(body))  # fmt: skip
    return f"The report is a check of commit {commit[:7]}."


def cml(*words: str) -> None:
    """Run CML without its telemetry, which also costs seconds where it has no network."""
    words = (*words[:2], f"--driver={variable('provider')}", *words[2:])
    command("cml", *words, REPO_TOKEN=token(), ITERATIVE_DO_NOT_TRACK="1")


def release(tag: str, report: str) -> None:
    """Create the GitLab release of a tag, with the report as its description.

    Source: https://docs.gitlab.com/api/releases/#create-a-release
    """
    url = f"{variable('CI_API_V4_URL')}/projects/{variable('CI_PROJECT_ID')}/releases"
    data = json.dumps({"tag_name": tag, "name": tag, "description": report}).encode()
    headers = {"PRIVATE-TOKEN": token(), "Content-Type": "application/json"}
    try:
        request = urllib.request.Request(url, data, headers)
        urllib.request.urlopen(request, timeout=TIME_LIMIT).close()
    except (OSError, ValueError) as error:  # what urllib raises derives from OSError
        if getattr(error, "code", 0) != 409:  # 409: an earlier try of this job has made it
            raise Refused(f"GitLab refused the release ({error})") from None


def shortened(report: str, notes: list[str]) -> str:
    """Return the text of the comment: the report, as much as fits, and the notes below it."""
    end = "".join(f"\n\n> {note}" for note in notes)
    room = MAX_COMMENT - len(end)
    if len(report) > room:
        pointer = f"\n\nThe report is longer than a comment may be: see {variable('run_url')}."
        report = report[: room - len(pointer) - 5].rpartition("\n")[0]
        report += ("\n```" if report.count("\n```") % 2 else "") + pointer
    return report + end + "\n"


def post(report: str, notes: list[str]) -> str:
    """Show the report to the reader of the pull request or of the commit."""
    if not token():
        return "The report was not posted: REPO_TOKEN is not set, see SECRETS.md."
    with tempfile.TemporaryDirectory() as scratch:
        body = Path(scratch, REPORT)
        body.write_text(shortened(report, notes), encoding="utf-8")
        try:
            if variable("pull_request"):
                return comment(body)
            return check(body) if variable("provider") == "github" else ""
        except Refused as why:
            return f"The report was not posted: {cause(why)}. It is at {variable('run_url')}."


def publish(results: Path) -> list[str]:
    """Publish the results and the report; return what was done and what could not be."""
    try:
        files = read_results(results)
    except Refused as why:
        return [str(why)]
    report = files.get(REPORT, b"").decode(errors="replace")
    if not report:  # skipped, or failed before it could say anything
        return ["The run left no report, so nothing is published."]
    notes = []
    if variable("outcome") == "success":
        try:
            commit, note = publish_results(files)
            notes += [note, publish_tag(commit, report)]
        except Refused as why:
            notes += [f"The results were not published: {cause(why)}."]
    notes = [note for note in notes if note]
    return [*notes, post(report, notes)]


if __name__ == "__main__":
    for line in publish(Path(sys.argv[1])):
        if line:
            print(line)
            if variable("GITHUB_STEP_SUMMARY"):
                with Path(variable("GITHUB_STEP_SUMMARY")).open("a", encoding="utf-8") as summary:
                    summary.write(f"{line}\n\n")
