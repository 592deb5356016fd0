"""Publish what a run left behind: its results in Git, the tag, the comment.

This script has the token that can write, so it runs none of the project's code (CI takes the script
itself from the default branch) and trusts nothing that the run left: of the results it reads only
regular files of known names, types and sizes, and writes them to Git without a work tree, so that
no link, hook or filter comes into play.

    python3 ci/publish.py RESULTS

RESULTS is the artifact of the run: a zip file, or the folder that it was unpacked to. The CI file
says the rest by environment variables (`provider`, `commit`, `branch` …). Nothing here turns a run
red: what cannot be done is said in one sentence. A run that has no report gets a comment too, which
says so: else the one of an older commit would stand there as if it were meant for this one.
"""

from __future__ import annotations  # CML's image has Python 3.8

import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import unicodedata
import urllib.request
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from xml.etree import ElementTree

REPORT, OUTCOME = "report.md", "outcome.txt"
# What may be committed: data, by names that every system can check out. A workflow, a script or a
# hidden file is never a result.
NAME = r"\w(?:[\w .-]*[\w-])?"
TYPE = r"\.(?:json|csv|tsv|yaml|png|svg)"
RESULT = re.compile(rf"dvc\.lock|metrics\.json|plots/(?:{NAME}/)*{NAME}{TYPE}")
RESERVED = re.compile(r"(?:.*/)?(?:con|prn|aux|nul|com\d|lpt\d)(?:[./].*)?", re.IGNORECASE)
INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
MAX_FILES = 500
MAX_BYTES = 50_000_000  # of all results together, since they are read into memory
MAX_TEXT = 2_000_000  # bytes of the report
MAX_COMMENT = 65_000  # characters; GitHub refuses a comment of more than 65,536
MAX_PAGES = 50  # of 100 comments each, in which the own one is looked for
TIME_LIMIT = 120  # seconds for one command
# By this line, which no provider shows, and by its author the comment is known again. CML's own
# line below a comment has the same effect, for those that version 0.1.0 wrote.
MARK = '[//]: # "the report of ci/publish.py"'
MARK_OF_CML = '"CML watermark CML report")'
# The user that a token belongs to when Git asks; in Bitbucket's own pipelines Git never asks.
TOKEN_USER = {"github": "x-access-token", "gitlab": "oauth2"}
# Exit codes of a run whose results are complete: 6 and 8 are verdicts, see `ci run --help`.
COMPLETE = ("0", "6", "8")
# What a run was doing when it ended without a report; the CI file writes the word to `outcome.txt`.
DOING = {
    "": "it ended before it could begin, or its machine was lost",
    "install": "its packages could not be installed (after a change of `pyproject.toml`: `uv lock`)",
    "gpu": "no GPU was visible to it",
    "doctor": "`ci doctor` found something missing or wrong",
    "run": "it was ended from outside, as by the time limit or for want of memory",
}


class Refused(Exception):
    """Something could not be published; the message says why, `status` what the provider answered."""

    status = 0


def variable(name: str, default: str = "") -> str:
    """Return a variable that the CI file sets; an empty one counts as unset."""
    return os.environ.get(name) or default


def token() -> str:
    """Return the token that can write; both of its names are known from CML."""
    return variable("repo_token") or variable("REPO_TOKEN")


def command(*words: str, data: bytes | None = None, **environment: str) -> str:
    """Return what a command prints; raise Refused with its complaint where it fails."""
    try:
        done = subprocess.run(
            words,
            input=data,
            capture_output=True,
            timeout=TIME_LIMIT,
            env={**os.environ, **environment},
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


def code(text: str) -> str:
    """Return foreign text as code on one line: no mention, link or HTML comes of it."""
    line = " ".join(INVISIBLE.sub(" ", text).split())[:300] or "no reason given"
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"


def cause(why: Refused) -> str:
    """Return the line of a complaint that names the cause, as code. CML complains in JSON."""
    lines = [line.strip() for line in str(why).splitlines() if line.strip()] or [""]
    for number, line in enumerate(lines):
        try:
            lines[number] = str(json.loads(line)["message"]).strip().partition("\n")[0]
        except (ValueError, KeyError, TypeError):
            continue
    named = [line for line in lines if "rejected" in line or line.startswith("fatal:")]
    return code((named or lines)[-1].rstrip("."))


# --- what the run left ----------------------------------------------------------------------------


@contextmanager
def open_files(path: Path) -> Iterator[dict[str, Callable[[], IO[bytes]]]]:
    """Give what opens each regular file of an artifact, by its name; nothing is unpacked.

    Raises:
        Refused: the artifact cannot be read, here or while it is used.
    """
    try:
        if path.is_dir():
            yield {name: partial(Path(path, name).open, "rb") for name in regular_files(path)}
        elif not path.exists():  # a run that was lost leaves no artifact
            yield {}
        else:
            with zipfile.ZipFile(path) as archive:
                yield {
                    entry.filename: partial(archive.open, entry)  # type: ignore[misc]
                    for entry in archive.infolist()
                    if stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG)
                }
    except Refused:
        raise
    except Exception as error:  # noqa: BLE001 (a broken zip file raises nearly anything)
        said = code(str(error) or "it is cut short")
        raise Refused(f"the artifact of the run could not be read ({said})") from None


def regular_files(folder: Path) -> list[str]:
    """Return the names of the files that may be of use in a folder, none of them behind a link."""
    plots = folder / "plots"
    inside = sorted(plots.rglob("*")) if not plots.is_symlink() else []
    names = [REPORT, OUTCOME, "dvc.lock", "metrics.json"]
    names += [path.relative_to(folder).as_posix() for path in inside]
    return [
        name
        for name in names
        if Path(folder, name).is_file()
        and not any(Path(folder, part).is_symlink() for part in [Path(name), *Path(name).parents])
    ]


def read_text(path: Path, name: str) -> str:
    """Return a text of the artifact, whatever else lies there; empty where there is none."""
    with open_files(path) as files:
        if name not in files:
            return ""
        with files[name]() as stream:
            return stream.read(MAX_TEXT).decode(errors="replace")


def fold_name(name: str) -> str:
    """Return a name as a system that ignores case and the form of accents takes it."""
    return unicodedata.normalize("NFC", name).casefold()


def is_harmless(data: bytes) -> bool:
    """Tell whether an SVG picture is well formed and without script."""
    try:
        text = data.decode("utf-8")
        if "<!ENTITY" in text:
            return False
        elements = list(ElementTree.fromstring(text).iter())
    except (ValueError, ElementTree.ParseError):
        return False
    for element in elements:
        kind = str(element.tag).rpartition("}")[2].lower()
        if kind in ("script", "foreignobject", "iframe", "embed", "object", "handler"):
            return False
        for attribute, value in element.attrib.items():
            plain = re.sub(r"\s", "", value).lower()
            if attribute.lower().startswith("on") or "javascript:" in plain or "data:text" in plain:
                return False
    return True


def read_results(path: Path) -> tuple[dict[str, bytes], list[str]]:
    """Return the results of a run by their names, and the names below `plots/` that are none.

    Raises:
        Refused: the artifact cannot be read, or the results are too many or too large.
    """
    files: dict[str, bytes] = {}
    left_out: list[str] = []
    with open_files(path) as opens:
        wanted = [name for name in opens if RESULT.fullmatch(name) and not RESERVED.fullmatch(name)]
        left_out += sorted(name for name in {*opens} - {*wanted} if name.startswith("plots/"))
        alike = Counter(map(fold_name, wanted))
        if len(wanted) > MAX_FILES:
            raise Refused(f"they are {len(wanted):,} files; at most {MAX_FILES} are taken")
        room = MAX_BYTES
        for name in wanted:
            with opens[name]() as stream:  # a zip file may lie about its sizes
                data = stream.read(room + 1)
            room -= len(data)
            if room < 0:
                raise Refused(f"they are larger than the {MAX_BYTES:,} bytes that are taken")
            if alike[fold_name(name)] > 1 or (name.endswith(".svg") and not is_harmless(data)):
                left_out.append(name)
            else:
                files[name] = data
    return files, left_out


# --- Git: the results, their commit and the tag ---------------------------------------------------


def git_remote(*words: str) -> str:
    """Run a Git command that talks to the remote; the token reaches it by its environment alone."""
    user = TOKEN_USER.get(variable("provider"), "")
    helper = "!f() { echo username=" + user + '; echo "password=$repo_token"; }; f'
    credentials = ["-c", "credential.helper=", "-c", f"credential.helper={helper}"]
    return command("git", *credentials, *words, GIT_TERMINAL_PROMPT="0", repo_token=token())


def origin() -> str:
    """Return the address of the repository at the provider."""
    return variable("push_url", "origin")


def push(commit: str, ref: str, *options: str) -> None:
    """Push a commit to a ref; Git refuses what is no fast-forward, unless an option allows it."""
    no_pipeline = ["--push-option=ci.skip"] if variable("provider") == "gitlab" else []
    git_remote("push", "--quiet", *no_pipeline, *options, origin(), f"{commit}:{ref}")


def value_of(ref: str) -> str:
    """Return the commit that this very ref of the remote is at, or nothing where there is none."""
    for line in git_remote("ls-remote", origin(), ref).splitlines():
        commit, _, name = line.partition("\t")
        if name == ref:  # Git lists every ref that ends so, too
            return commit
    return ""


def experiment_ref(commit: str) -> str:
    """Return the ref of the DVC experiment that CI keeps a commit's results as."""
    return f"refs/exps/{commit[:2]}/{commit[2:]}/ci-{commit[:7]}"


def with_results(commit: str, files: dict[str, bytes], note: str = "") -> str:
    """Return a commit on top of `commit` that has the files for its results.

    Its date is that of `commit`, so the same results of it make the same commit again; where they
    lie in `commit` already, that is returned.
    """
    try:
        command("git", "cat-file", "-e", commit + "^{tree}")
    except Refused:
        git_remote("fetch", "--quiet", "--depth=1", origin(), commit)
    with tempfile.TemporaryDirectory() as scratch:
        git = partial(command, "git", GIT_INDEX_FILE=str(Path(scratch, "index")))
        git("read-tree", commit)
        before = git("ls-files", "-z", "plots").split("\0")
        gone = [name for name in before if RESULT.fullmatch(name) and name not in files]
        entries = [f"0 {'0' * 40}\t{name}\0" for name in gone]
        for name, data in files.items():
            blob = command("git", "hash-object", "-w", "--stdin", data=data)
            entries.append(f"100644 {blob}\t{name}\0")
        git(
            "update-index",
            "--add",
            "--replace",
            "-z",
            "--index-info",
            data="".join(entries).encode(),
        )
        tree = git("write-tree", "--missing-ok")
    if tree == command("git", "rev-parse", commit + "^{tree}"):
        return commit
    date = command("git", "show", "--no-patch", "--format=%ct +0000", commit)
    author = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "CI"), ("EMAIL", "ci@localhost"), ("DATE", date))
    }
    message = f"Add the results of {commit[:7]}{note}"
    return command("git", "commit-tree", tree, "-p", commit, "-m", message, **author)


def save(commit: str, new: str, files: dict[str, bytes]) -> str:
    """Keep the results in a place of their own, which moves no branch; return what went wrong.

    They are a DVC experiment of the commit that ran, which `dvc exp` and `ci results` know. Where
    the provider refuses such a ref they are a branch that starts no pipeline.
    """
    try:
        try:
            force_to(experiment_ref(commit), new)
        except Refused:  # another run of this commit may have come between
            force_to(experiment_ref(commit), new)
        return ""
    except Refused as why:
        reason = cause(why)
    branch = f"ci-results/{commit}"
    try:
        force_to(f"refs/heads/{branch}", with_results(commit, files, " [skip ci]"))
    except Refused as why:
        return f"The results were not saved: {reason}, and as a branch: {cause(why)}."
    return f"The results are the branch `{branch}`, since an experiment was refused: {reason}."


def force_to(ref: str, commit: str) -> None:
    """Make a ref, which is this script's alone, be at a commit."""
    there = value_of(ref)
    if there != commit:
        push(commit, ref, f"--force-with-lease={ref}:{there}")


def commit_to_branch(commit: str, new: str) -> tuple[bool, str]:
    """Push the results to the branch of the run; return whether it has them, and the sentence."""
    branch = variable("branch")
    ref, named = f"refs/heads/{branch}", code(branch)
    try:
        if value_of(ref) == commit:
            push(new, ref)
            return True, f"The results were committed to {named} as {new[:7]}."
    except Refused as why:
        if value_of(ref) == commit:
            return False, f"The results were not committed: {named} refuses them ({cause(why)})."
    return False, f"The results were not committed: {named} has moved on since this run began."


def publish_tag(commit: str, name: str, report: str) -> str:
    """Tag the results of a run on the default branch; return what to tell the reader."""
    prefix = variable("tag_prefix")
    if not prefix or variable("pull_request") or variable("branch") != variable("default_branch"):
        return ""
    tag = f"{prefix}{name[:7]}"
    try:
        push(commit, f"refs/tags/{tag}")
        if variable("provider") == "gitlab":
            release(tag, report)
    except Refused as why:
        return f"The tag {code(tag)} was not published: {cause(why)}."
    return f"The experiment is tagged {code(tag)}."


def publish_results(files: dict[str, bytes], report: str, succeeded: bool) -> list[str]:
    """Keep, commit and tag the results, as far as each was asked for; return the sentences."""
    commit = variable("commit")
    new = with_results(commit, files)
    notes, tagged = [], commit
    if new != commit:
        notes.append(save(commit, new, files))
        if succeeded and variable("commit_results").lower() == "true":
            committed, note = commit_to_branch(commit, new)
            tagged = new if committed else commit
            notes.append(note)
    if succeeded:
        notes.append(publish_tag(new, tagged, report))
    return notes


# --- the provider: comment, check, release --------------------------------------------------------


def ask(method: str, path: str, data: object = None) -> Any:
    """Return what the provider's API answers; raise Refused where it says no."""
    provider = variable("provider")
    api, scheme = {
        "github": (variable("GITHUB_API_URL", "https://api.github.com"), "Bearer"),
        "gitlab": (variable("CI_API_V4_URL", "https://gitlab.com/api/v4"), "Bearer"),
        "bitbucket": ("https://api.bitbucket.org/2.0", "Basic"),
    }[provider]
    headers = {"Authorization": f"{scheme} {token()}", "Content-Type": "application/json"}
    body = None if data is None else json.dumps(data).encode()
    try:
        url = variable("api_url", api) + path
        request = urllib.request.Request(url, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=TIME_LIMIT) as answer:
            return json.loads(answer.read() or b"null")
    except HTTPError as error:
        with error:
            refused = Refused(f"{provider} refused it ({error})")
            refused.status = error.code
            raise refused from None
    except (OSError, ValueError) as error:
        raise Refused(f"{provider} could not be asked ({error})") from None


def own_comment(listed: str, by_number: str) -> int:
    """Return the number of the newest comment that this script wrote, or 0.

    Another person may quote its line, so the author counts too. A job's token of GitHub may not
    ask who it is, but is always the same.
    """
    provider = variable("provider")
    me = "github-actions[bot]" if provider == "github" else ask("GET", "/user")[by_number]
    own = [0]
    for page in range(1, MAX_PAGES + 1):
        comments = ask("GET", f"{listed}page={page}")
        if provider == "bitbucket":
            comments = comments["values"]
        for comment in comments:
            author = comment.get("author" if provider == "gitlab" else "user") or {}
            text = comment.get("body") or comment.get("content", {}).get("raw") or ""
            ours = any(line.strip() == MARK or MARK_OF_CML in line for line in text.splitlines())
            if ours and author.get(by_number) == me and not comment.get("deleted"):
                own.append(comment["id"])
        if len(comments) < 100:
            break
    return max(own)


def comment(body: Path) -> str:
    """Post the report as the one comment of the pull request, which later runs edit."""
    number = variable("pull_request")
    text: dict[str, Any] = {"body": body.read_text(encoding="utf-8")}
    if variable("provider") == "github":
        edit = f"/repos/{variable('GITHUB_REPOSITORY')}/issues"
        create, verb, author, query = f"{edit}/{number}/comments", "PATCH", "login", "per_page"
        edit += "/comments"
    elif variable("provider") == "gitlab":
        edit = create = f"/projects/{variable('CI_PROJECT_ID')}/merge_requests/{number}/notes"
        verb, author, query = "PUT", "id", "per_page"
    else:
        repository = variable("BITBUCKET_REPO_FULL_NAME")
        edit = create = f"/repositories/{repository}/pullrequests/{number}/comments"
        verb, author, query = "PUT", "uuid", "pagelen"
        text = {"content": {"raw": text["body"]}}
    posted = f"The report is a comment of pull request {number}."
    try:
        own = own_comment(f"{create}?{query}=100&", author)
        if own:
            ask(verb, f"{edit}/{own}", text)
            return posted
    except (Refused, KeyError, TypeError) as why:  # rather a second comment than none
        print(f"No comment could be edited: {why}", file=sys.stderr)
    try:
        options = [f"--target=pr/{number}", "--watermark-title=CML report", "--publish=false"]
        cml("comment", "create", *options, str(body))
    except Refused as why:
        print(f"CML could not comment: {cause(why)}", file=sys.stderr)
        ask("POST", create, text)
    return posted


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
    data = {"tag_name": tag, "name": tag, "description": report}
    try:
        ask("POST", f"/projects/{variable('CI_PROJECT_ID')}/releases", data)
    except Refused as why:
        if why.status != 409:  # an earlier try of this job has made it
            raise


def shorten(report: str, notes: list[str]) -> str:
    """Return the text of the comment: the report, as much as fits, and the notes below it."""
    run = f"[The run]({variable('run_url')}) of `{variable('commit')[:7]}`"
    end = "".join(f"\n\n> {note}" for note in notes) + f"\n\n{run}\n\n{MARK}\n"
    room = MAX_COMMENT - len(end)
    if len(report) > room:
        pointer = f"\n\nThe report is longer than a comment may be: see {variable('run_url')}."
        report = report[: room - len(pointer) - 5].rpartition("\n")[0]
        report += ("\n```" if report.count("\n```") % 2 else "") + pointer
    return report + end


def post(report: str, notes: list[str]) -> str:
    """Show the report to the reader of the pull request or of the commit."""
    if not token():
        return "The report was not posted: REPO_TOKEN is not set, see SECRETS.md."
    with tempfile.TemporaryDirectory() as scratch:
        body = Path(scratch, REPORT)
        body.write_text(shorten(report, notes), encoding="utf-8")
        try:
            if variable("pull_request"):
                return comment(body)
            return check(body) if variable("provider") == "github" else ""
        except Refused as why:
            return f"The report was not posted: {cause(why)}. It is at {variable('run_url')}."


def without_report(reason: str) -> str:
    """Say that there is no result of this commit, and why."""
    title = f"## ❌ No result for `{variable('commit')[:7]}`"
    return f"{title}\n\nThe run left no report: {reason}."


def publish(artifact: Path) -> list[str]:
    """Publish the results and the report; return what was done and what could not be."""
    report = ended = ""
    succeeded = variable("outcome") == "success"
    try:
        ended = read_text(artifact, OUTCOME).strip()
        report = read_text(artifact, REPORT)
        reason = DOING.get(ended, f"`ci run` ended with exit code {code(ended)}")
    except Refused as why:
        reason, succeeded = str(why), False
    if not report:
        if succeeded and ended in ("", "0"):  # skipped
            return ["The run left no report, so nothing is published."]
        report = without_report(reason)
        return [report, post(report, [])]
    notes = []
    if succeeded or ended in COMPLETE:
        try:
            files, left_out = read_results(artifact)
            if left_out:
                some = ", ".join(map(code, left_out[:10]))
                notes.append(
                    f"{len(left_out)} files of `plots/` are no results, by name or type: {some}."
                )
            notes += publish_results(files, report, succeeded)
        except Refused as why:
            notes.append(f"The results were not published: {cause(why)}.")
    notes = [note for note in notes if note]
    return [*notes, post(report, notes)]


if __name__ == "__main__":
    for line in publish(Path(sys.argv[1])):
        if line:
            print(line)
            if variable("GITHUB_STEP_SUMMARY"):
                with Path(variable("GITHUB_STEP_SUMMARY")).open("a", encoding="utf-8") as summary:
                    summary.write(f"{line}\n\n")
