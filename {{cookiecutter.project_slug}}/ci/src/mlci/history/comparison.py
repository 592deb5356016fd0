"""The baseline against now: what a report is made of.

Everything is read from Git and from DVC's metadata (`dvc.lock`, `*.dvc`, `params.yaml`, metrics
files) in one DVC process. Nothing is downloaded: a data folder is compared file by file where its
listing lies in the local cache, else by its checksum, size and number of files.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from mlci.history.metadata import Output, Snapshot, check_targets, read_params, snapshots
from mlci.history.repository import branch, commit, find_baseline, git, how_to_fetch
from mlci.history.values import ABSENT, Value, same_target, target
from mlci.markup import code

EXPERIMENTS = 5


@dataclass(frozen=True)
class FileChange:
    """One file, or a folder whose listing is not here: added, modified, deleted or renamed."""

    kind: str
    path: str
    old_path: str = ""


@dataclass
class Comparison:
    """All that a report says; `baseline` is None where there is nothing to compare with."""

    baseline: Snapshot | None
    head: Snapshot  # the checkout: the commit and what the run made of it
    metrics: list[Value]
    params: list[Value]  # the changed ones
    data: list[tuple[Output | None, Output | None]]  # the changed outputs, before and after
    files: list[FileChange]
    unlisted: list[str]  # changed folders whose files are not known here
    results: list[str]  # dvc.lock, metrics and plots that differ from the head commit
    experiments: list[Snapshot]  # the latest first
    warnings: list[str]  # Markdown sentences


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


def tagged_experiments(prefix: str) -> dict[str, str]:
    """Return {sha: tag} of the latest tags `<prefix><sha>` that the head descends from."""
    lines = git(
        "for-each-ref",
        "--merged=HEAD",
        "--sort=-creatordate",
        "--format=%(objectname) %(*objectname) %(refname:strip=2)",
        "refs/tags",
    )
    found: dict[str, str] = {}
    for line in lines.splitlines():
        *shas, tag = line.split()
        short = tag.removeprefix(prefix)
        if tag.startswith(prefix) and len(short) >= 4 and shas[-1].startswith(short):
            found.setdefault(shas[-1], tag)
    return dict(list(found.items())[:EXPERIMENTS])


def changed_results(repo: Repo) -> list[str]:
    """Return the dvc.lock, metrics and plots in Git that differ from the head commit."""
    locks = {
        str(Path(stage.path).with_name("dvc.lock"))
        for stage in repo.index.stages
        if Path(stage.path).name == "dvc.yaml"
    }
    plain = {out.fs_path for out in repo.index.outs if not out.use_cache}
    paths = sorted(str(Path(path).relative_to(repo.root_dir)) for path in locks | plain)
    if not paths:
        return []
    changed = git("diff", "HEAD", "--name-only", "--relative", "-z", "--", *paths)
    added = git("ls-files", "--others", "--exclude-standard", "-z", "--", *paths)
    return sorted(path for path in f"{changed}\0{added}".split("\0") if path)


def warnings_about(baseline: str, sha: str, head: str, results: list[str]) -> list[str]:
    """Say in Markdown what makes the comparison less than it seems."""
    if not head:
        return ["There is no commit yet, so there is nothing to compare with."]
    if not sha:
        fetch = how_to_fetch("the default branch")
        return [fetch or "There is no baseline, as in a first push: the values stand alone."]
    if sha == head:
        hint = "compare with an earlier one by `baseline=HEAD~1`"
        if results:
            hint = "what this run made of it is compared with it"
        return [f"The baseline {code(baseline)} is this very commit; {hint}."]
    behind = git("rev-list", "--count", f"{head}..{sha}")
    if behind not in ("", "0") and not how_to_fetch(baseline):
        commits = "1 commit" if behind == "1" else f"{behind} commits"
        lacks = f"{code(baseline)} has {commits} that this branch lacks; some differences below"
        return [f"{lacks} are theirs, seen backwards. Merge it to compare like with like."]
    return []


def compare(baseline: str, targets: list[str], tag_prefix: str) -> Comparison:
    """Read both sides, and the latest experiments where their tags have a prefix.

    Raises:
        BaselineError: the baseline was asked for, and does not exist.
        ValueError: neither side has a metrics file that was asked for.
        DvcException: the checkout's dvc.yaml or dvc.lock cannot be read.
    """
    name, sha = find_baseline(baseline)
    head_sha = commit("HEAD")
    experiments = tagged_experiments(tag_prefix) if tag_prefix and head_sha else {}
    with Repo() as repo:
        check_targets(repo, baseline, targets)
        named = experiments | ({sha: name} if sha else {})
        head, *others = snapshots(repo, named, targets)
        head.revision, head.sha = branch(), head_sha
        by_sha = {snapshot.sha: snapshot for snapshot in others}
        params = read_params(repo, [sha] if sha else [])
        results = changed_results(repo) if head_sha else []
    old = by_sha.get(sha)
    head.params = params.get("workspace", {})
    if old:
        old.params = params.get(sha, {})
    warnings = warnings_about(name, sha, head_sha, results)
    if old and not same_target(old.params, head.params):
        old.metrics = {}
        predicted = [code(str(target(side.params))) for side in (old, head)]
        warnings.append(
            f"{code(name)} predicts {predicted[0]}, this checkout {predicted[1]}: their scores"
            " cannot be compared, so the metrics below stand alone."
        )
    data = compare_outputs(old.outputs, head.outputs) if old else []
    files, unlisted = compare_data(data)
    changed_params = compare_values(old.params, head.params) if old else []
    return Comparison(
        baseline=old,
        head=head,
        metrics=compare_values(old.metrics if old else {}, head.metrics),
        params=[value for value in changed_params if value.changed],
        data=data,
        files=files,
        unlisted=unlisted,
        results=results,
        experiments=[
            replace(by_sha[tagged], revision=tag)
            for tagged, tag in experiments.items()
            if tagged in by_sha
        ],
        warnings=warnings + head.problems + (old.problems if old else []),
    )
