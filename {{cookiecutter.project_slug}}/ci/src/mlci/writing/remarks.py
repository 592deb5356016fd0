"""What to know before the numbers, in words."""

import os

from mlci.history.freshness import Change, Freshness, State
from mlci.history.notices import (
    Behind,
    NoBaseline,
    NoCommit,
    Notice,
    NotRun,
    OtherTarget,
    SameCommit,
    Shallow,
)
from mlci.history.repository import UNSHALLOW, is_shallow
from mlci.markup import code

NAMED = 3  # names in a sentence; of more the rest is counted


def join(names: list[str]) -> str:
    """Write a list in words: `a`, `b` and `c`; of a long one the first and how many follow."""
    if len(names) > NAMED:
        names = [*names[: NAMED - 1], f"{len(names) - NAMED + 1:,} more"]
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def how_to_fetch(revision: str) -> str:
    """Say how to get history that this clone may lack."""
    return (
        f"This clone is shallow and may lack {revision}; fetch the whole history with"
        f" `{UNSHALLOW}` (in GitHub Actions: `fetch-depth: 0`, in GitLab and Bitbucket: depth `0`"
        " or `full`)."
    )


def hint_at_shallow(revision: str) -> str:
    """Say how to get history, empty where this clone has all of it."""
    return how_to_fetch(revision) if is_shallow() else ""


def remark(notice: Notice) -> str:
    """Write one notice in Markdown."""
    match notice:
        case NoCommit():
            return "There is no commit yet, so there is nothing to compare with."
        case NoBaseline():
            return "There is no baseline, as in a first push: the values stand alone."
        case Shallow(revision):
            return how_to_fetch(code(revision))
        case SameCommit(revision, has_results):
            hint = "compare with an earlier one by `baseline=HEAD~1`"
            if has_results:
                hint = "what this run made of it is compared with it"
            return f"The baseline {code(revision)} is this very commit; {hint}."
        case Behind(revision, count):
            commits = "1 commit" if count == 1 else f"{count} commits"
            return (
                f"{code(revision)} has {commits} that this branch lacks; some differences below"
                " come from there, reversed. Merge it to compare like with like."
            )
        case OtherTarget(revision, before, now):
            return (
                f"{code(revision)} predicts {code(before)}, this checkout {code(now)}: their scores"
                " cannot be compared, so the metrics below stand alone."
            )
        case NotRun(revision, freshness):
            return (
                f"{code(revision)} {describe(freshness)}: its metrics are those of other code or"
                " parameters. `uv run dvc repro` there, and a commit, give it its own."
            )
        case problem:
            where = f"{code(problem.path)} at {code(problem.revision)}"
            if not problem.reason:
                return f"{code(problem.path)} is missing at {code(problem.revision)}."
            return f"{where} cannot be read: {code(problem.reason)}."


def link_to_run(sha: str) -> str:
    """Say where the provider shows the run of a commit; at home nothing."""
    hub, gitlab = os.environ.get("GITHUB_REPOSITORY"), os.environ.get("CI_PROJECT_URL")
    bitbucket = os.environ.get("BITBUCKET_GIT_HTTP_ORIGIN")
    if hub:
        server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
        return f" ([its run]({server}/{hub}/commit/{sha}/checks))"
    if gitlab:
        return f" ([its run]({gitlab}/-/commit/{sha}/pipelines))"
    return f" ([its run]({bitbucket}/commits/{sha}))" if bitbucket else ""


def link_to_this_run() -> str:
    """Say where this very run is, and where its files are; at home nothing."""
    run, files = "", ""
    hub, job = os.environ.get("GITHUB_REPOSITORY"), os.environ.get("CI_JOB_URL")
    bitbucket = os.environ.get("BITBUCKET_GIT_HTTP_ORIGIN")
    if hub and "GITHUB_RUN_ID" in os.environ:
        server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
        run = f"{server}/{hub}/actions/runs/{os.environ['GITHUB_RUN_ID']}"
        files = f"{run}#artifacts"
    elif job:
        run, files = job, f"{job}/artifacts/browse"
    elif bitbucket and "BITBUCKET_BUILD_NUMBER" in os.environ:
        run = f"{bitbucket}/pipelines/results/{os.environ['BITBUCKET_BUILD_NUMBER']}"
        files = f"{run}#artifacts"
    return f"[The run]({run}) · [its files, with `report.html`]({files})" if run else ""


def describe(freshness: Freshness) -> str:
    """Say why the metrics of a revision are not its own, after its name."""
    files = join([code(path) for path in freshness.files])
    match freshness.state:
        case State.NO_LOCK:
            return f"has no {files}"
        case State.CONFLICT:
            return f"has a merge conflict in {files}"
        case State.UNREADABLE:
            return f"has a {files} that cannot be read"
        case _:
            return "was changed since it was last run"


def not_run(freshness: Freshness) -> str:
    """Write the headline of a checkout whose metrics are not its own."""
    files = join([code(path) for path in freshness.files])
    match freshness.state:
        case State.NO_LOCK:
            return f"❔ No verdict: {files} is missing, which says what the metrics are of"
        case State.CONFLICT:
            return (
                f"❔ No verdict: {files} has a merge conflict; take one side of it, then"
                " `uv run dvc repro`"
            )
        case State.UNREADABLE:
            return f"❔ No verdict: {files} cannot be read"
    changed = join(name_changes(freshness.changes))
    if all(change.kind == "output" for change in freshness.changes):
        return f"❔ No verdict: {changed} changed after the run that wrote it"
    return f"❔ Not run since {changed} changed: the metrics are those of before"


def name_changes(changes: tuple[Change, ...]) -> list[str]:
    """Name what was changed by hand; outputs only where nothing else was."""
    causes = [change for change in changes if change.kind != "output"] or changes
    return list(dict.fromkeys(code(change.name) for change in causes))
