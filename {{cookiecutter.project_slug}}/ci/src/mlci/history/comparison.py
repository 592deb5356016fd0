"""The baseline against now: what a report is made of, as facts.

Everything is read from Git and from DVC's metadata. Nothing is downloaded: a data folder is
compared file by file where its listing lies in the local cache, else by its checksum, size and
number of files.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlci.history.baseline import Baseline
from mlci.history.metadata import Output
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
from mlci.history.repository import branch, commit, git, is_shallow
from mlci.history.results import find_results, had_results
from mlci.history.revision import CHECKOUT, Reader, Revision
from mlci.history.terms import Terms
from mlci.history.values import ABSENT, Value, same_target, target

LATEST_TAGS = 5


@dataclass(frozen=True)
class FileChange:
    """One file, or a folder whose listing is not here: added, modified, deleted or renamed."""

    kind: str
    path: str
    old_path: str = ""


@dataclass(frozen=True)
class Comparison:
    """All that a report says; `baseline` is None where there is nothing to compare with."""

    baseline: Revision | None
    head: Revision  # the checkout: the commit and what the run made of it
    metrics: list[Value]
    params: list[Value]  # the changed ones
    data: list[tuple[Output | None, Output | None]]  # the changed outputs, before and after
    files: list[FileChange]
    unlisted: list[str]  # changed folders whose files are not known here
    results: list[str]  # dvc.lock, metrics and plots that differ from the head commit
    awaits_results: bool  # the baseline had results once and has none of its own content
    tags: list[str]  # the latest tags of runs, which the leaderboard always shows
    notices: list[Notice]


def compare_values(old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]) -> list[Value]:
    """Pair the values of both sides, in the order of the files, removed ones last."""
    pairs = []
    for path in new | old:
        before, after = old.get(path, {}), new.get(path, {})
        for name in after | before:
            pairs.append(Value(path, name, before.get(name, ABSENT), after.get(name, ABSENT)))
    return pairs


def compare_outputs(
    old: dict[str, Output], new: dict[str, Output]
) -> list[tuple[Output | None, Output | None]]:
    """Pair the outputs that changed; one whose content appeared at another path was renamed."""
    gone = {path: out for path, out in old.items() if path not in new}
    pairs = []
    for path, out in new.items():
        same = (was for was, before in gone.items() if before.checksum == out.checksum)
        before = old.get(path) or gone.pop(next(same, ""), None)
        if before is None or (before.path, before.checksum) != (path, out.checksum):
            pairs.append((before, out))
    return pairs + [(out, None) for out in gone.values()]


def compare_data(
    outputs: list[tuple[Output | None, Output | None]],
) -> tuple[list[FileChange], list[str]]:
    """Return the files that changed in the changed outputs, and the folders not listed here."""
    unlisted = []
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    for old, new in outputs:
        gone, come = (side.listing() if side else {} for side in (old, new))
        renamed = old and new and old.checksum == new.checksum
        if renamed or gone is None or come is None:  # then it counts as one
            gone, come = ({side.path: side.checksum} if side else {} for side in (old, new))
            unlisted += [] if renamed else [*(come or gone)]
        before |= gone
        after |= come
    return compare_files(before, after), unlisted


def compare_files(old: dict[str, str], new: dict[str, str]) -> list[FileChange]:
    """Compare {path: checksum}; a file that went where its content appeared was renamed."""
    gone: dict[str, list[str]] = {}
    for path, checksum in old.items():
        if path not in new:
            gone.setdefault(checksum, []).append(path)
    changes = []
    for path, checksum in new.items():
        if path not in old:
            source = gone.get(checksum)
            kind = "renamed" if source else "added"
            changes.append(FileChange(kind, path, source.pop(0) if source else ""))
        elif old[path] != checksum:
            changes.append(FileChange("modified", path))
    deleted = (path for paths in gone.values() for path in paths)
    return sorted(
        [*changes, *(FileChange("deleted", path) for path in deleted)],
        key=lambda change: (change.kind, change.path),
    )


def find_tags(prefix: str) -> list[str]:
    """Return the latest tags `<prefix><sha>` of commits that the head descends from."""
    if not prefix:
        return []
    fields = "--format=%(objectname) %(*objectname) %(refname:strip=2)"
    lines = git("for-each-ref", "--merged=HEAD", "--sort=-creatordate", fields, "refs/tags")
    found: dict[str, str] = {}
    for line in lines.splitlines():
        *shas, tag = line.split()
        short = tag.removeprefix(prefix)
        if tag.startswith(prefix) and len(short) >= 4 and shas[-1].startswith(short):
            found.setdefault(shas[-1], tag)
    return list(found.values())[:LATEST_TAGS]


def changed_results() -> list[str]:
    """Return the dvc.lock, metrics and plots in Git that differ from the head commit.

    Raises:
        DvcException: the checkout's dvc.yaml or dvc.lock cannot be read.
    """
    from dvc.repo import Repo  # a leaderboard need not wait for it

    with Repo() as repo:
        stages = list(repo.index.stages)
        plain = {out.fs_path for out in repo.index.outs if not out.use_cache}
        root = repo.root_dir
    files = (Path(stage.path) for stage in stages)
    locks = {str(file.with_name("dvc.lock")) for file in files if file.name == "dvc.yaml"}
    paths = sorted(str(Path(path).relative_to(root)) for path in locks | plain)
    if not paths or not commit("HEAD"):
        return []
    changed = git("diff", "HEAD", "--name-only", "--relative", "-z", "--", *paths)
    added = git("ls-files", "--others", "--exclude-standard", "-z", "--", *paths)
    return sorted(path for path in f"{changed}\0{added}".split("\0") if path)


def notice_baseline(baseline: Baseline, head: str, results: list[str]) -> list[Notice]:
    """Find what makes the comparison less than it seems."""
    if not head:
        return [NoCommit()]
    if not baseline.sha:
        return [Shallow("the default branch") if is_shallow() else NoBaseline()]
    if baseline.sha == head:
        return [] if baseline.name == "HEAD" else [SameCommit(baseline.name, bool(results))]
    behind = git("rev-list", "--count", f"{head}..{baseline.sha}")
    if behind not in ("", "0") and not is_shallow():
        return [Behind(baseline.name, int(behind))]
    return []


def read_sides(reader: Reader, terms: Terms) -> tuple[Revision | None, Revision]:
    """Read the baseline and the checkout, of both only the metrics files that were asked for."""
    baseline = terms.baseline
    old = find_results(reader, baseline.name, baseline.sha) if baseline.sha else None
    head = replace(reader.read(CHECKOUT, ""), name=branch(), sha=commit("HEAD"))
    if not terms.metrics_files:
        return old, head
    return old and choose_metrics(old, terms.metrics_files), choose_metrics(
        head, terms.metrics_files
    )


def choose_metrics(revision: Revision, files: tuple[str, ...]) -> Revision:
    """Leave out the metrics of other files, and what is wrong with these."""
    others = set(revision.metrics_files) - set(files)
    return replace(
        revision,
        metrics={path: values for path, values in revision.metrics.items() if path in files},
        problems=tuple(one for one in revision.problems if one.path not in others),
    )


def compare(reader: Reader, terms: Terms, tag_prefix: str) -> Comparison:
    """Read both sides and compare them.

    Raises:
        DvcException: the checkout's dvc.yaml or dvc.lock cannot be read.
    """
    results = changed_results()
    old, head = read_sides(reader, terms)
    notices: list[Notice] = [*notice_baseline(terms.baseline, head.sha, results)]
    before = old.own_metrics if old else {}
    awaits_results = bool(old and not old.is_current and had_results(old.sha))
    if old and not same_target(old.params, head.params):
        before = {}
        notices.append(OtherTarget(old.name, str(target(old.params)), str(target(head.params))))
    notices += [*head.problems, *(old.problems if old else ())]
    if old and awaits_results:
        notices.append(NotRun(old.name, old.freshness))
    data = compare_outputs(old.outputs, head.outputs) if old else []
    files, unlisted = compare_data(data)
    params = compare_values(old.params, head.params) if old else []
    return Comparison(
        baseline=replace(old, metrics=before) if old else None,
        head=head,
        metrics=compare_values(before, head.metrics),
        params=[value for value in params if value.changed],
        data=data,
        files=files,
        unlisted=unlisted,
        results=results,
        awaits_results=awaits_results,
        tags=find_tags(tag_prefix) if head.sha else [],
        notices=notices,
    )
