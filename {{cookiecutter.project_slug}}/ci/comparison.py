"""The baseline against now: what a report is made of.

Everything is read from Git and from DVC's metadata (`dvc.lock`, `*.dvc`, `params.yaml`, metrics
files) in one DVC process. Nothing is downloaded: a data folder is compared file by file where its
listing lies in the local cache, else by its checksum, size and number of files.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dvc.dependency.param import ParamsDependency
from dvc.exceptions import DvcException
from dvc.output import Output as DvcOutput
from dvc.repo import Repo
from dvc.utils.serialize import LOADERS
from markup import code

ABSENT = object()  # a value that one side does not have; None is a value (null)
EXPERIMENTS = 5
TARGET = "prepare.target"  # in params.yaml: the column that is predicted
HIGHER_IS_BETTER = {"accuracy", "auc", "f1", "precision", "r2", "recall", "score"}
LOWER_IS_BETTER = {"error", "loss", "mae", "mape", "mse", "rmse"}


@dataclass(frozen=True)
class Output:
    """A file or folder that DVC tracks, at one revision. Sizes are in bytes."""

    path: str
    checksum: str
    size: int | None
    files: int | None
    is_folder: bool
    cached: Path = field(compare=False)  # where it lies in the cache, if it does

    def listing(self) -> dict[str, str] | None:
        """Map each file in it to its checksum; None where the folder's listing is not here."""
        if not self.is_folder:
            return {self.path: self.checksum}
        try:
            entries = json.loads(self.cached.read_bytes())
            return {f"{self.path}/{entry['relpath']}": entry["md5"] for entry in entries}
        except (OSError, ValueError, KeyError, TypeError):
            return None


@dataclass
class Snapshot:
    """The metadata of one revision; metrics and parameters are {file: {dotted name: value}}."""

    revision: str  # as the user calls it
    sha: str  # empty where there is no commit yet
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    params: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)  # code and data made by hand: checksums
    problems: list[str] = field(default_factory=list)  # Markdown sentences


@dataclass(frozen=True)
class Value:
    """One metric or parameter on both sides; ABSENT on the side that does not have it."""

    path: str
    name: str
    old: Any
    new: Any

    @property
    def changed(self) -> bool:
        """Tell whether the two differ; NaN equals NaN."""
        return self.old is not self.new and repr(self.old) != repr(self.new)

    @property
    def delta(self) -> float | None:
        """Return new - old, or None where one is not a number."""
        if not (is_number(self.old) and is_number(self.new)):
            return None
        try:
            return self.new - self.old
        except OverflowError:  # an integer too large for a float
            return None


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


class BaselineError(ValueError):
    """The revision to compare with does not exist; the message is a sentence."""


def git(*arguments: str) -> str:
    """Return what a Git command prints, or an empty string where it fails."""
    done = subprocess.run(
        ["git", *arguments], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def commit(revision: str) -> str:
    """Return the full sha of a revision, or an empty string where there is no such commit."""
    if revision.startswith("-"):
        return ""
    return git("rev-parse", "--verify", "--quiet", revision + "^{commit}")


def is_number(value: Any) -> bool:
    """Tell whether one can subtract it; True and False are answers, not numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def direction(name: str) -> int:
    """Return 1 where a higher value of this metric is better, -1 where a lower one is, else 0."""
    words = set(re.split(r"[^a-z0-9]+", name.rpartition(".")[2].lower()))
    return bool(words & HIGHER_IS_BETTER) - bool(words & LOWER_IS_BETTER)


def target(params: dict[str, dict[str, Any]]) -> Any:
    """Return the column that is predicted by these parameters, ABSENT where they name none."""
    return params.get("params.yaml", {}).get(TARGET, ABSENT)


def same_target(one: dict[str, dict[str, Any]], other: dict[str, dict[str, Any]]) -> bool:
    """Tell whether both predict the same column; scores on different ones do not compare."""
    targets = target(one), target(other)
    return ABSENT in targets or targets[0] == targets[1]


def how_to_fetch(revision: str) -> str:
    """Say how to get history that this clone lacks; empty where it is complete."""
    if git("rev-parse", "--is-shallow-repository") != "true":
        return ""
    return (
        f"This clone is shallow and may lack {code(revision)}; fetch the whole history with"
        " `git fetch --unshallow --tags origin '+refs/heads/*:refs/remotes/origin/*'`"
        " (in GitHub Actions: `fetch-depth: 0`, in GitLab and Bitbucket: depth `0` or `full`)."
    )


def default_baseline() -> str:
    """Return the branch that pull requests go to: origin's, or without an origin the local one."""
    head = git("symbolic-ref", "--short", "--quiet", "refs/remotes/origin/HEAD")
    variables = (
        "GITHUB_BASE_REF",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
        "CI_DEFAULT_BRANCH",
        "BITBUCKET_PR_DESTINATION_BRANCH",
    )
    named = [f"origin/{os.environ[name]}" for name in variables if os.environ.get(name)]
    candidates = [head, *named, "origin/main", "origin/master"]
    if not git("remote"):
        candidates += ["main", "master"]
    return next((name for name in candidates if name and commit(name)), "")


def find_baseline(revision: str) -> tuple[str, str]:
    """Return the name and the sha of what to compare with, both empty where there is nothing.

    Raises:
        BaselineError: the revision was asked for, and does not exist.
    """
    if not revision.strip("0"):  # unset, or the "no commit" sha of a first push
        revision = default_baseline()
        return revision, commit(revision) if revision else ""
    for name in (revision, f"origin/{revision}"):
        if sha := commit(name):
            return name, sha
    known = git(
        "for-each-ref", "--format=%(refname:short)", "--count=5", "refs/heads", "refs/remotes"
    )
    fetch = how_to_fetch(revision).replace("`", "'")
    raise BaselineError(
        f"baseline {revision!r} is not a commit of this repository; allowed is a branch, a tag or"
        f" a sha, for example {known.split()[0] if known else 'HEAD~1'!r}. {fetch}".strip()
    )


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Flatten nested mappings: {'cv': {'mean': 1}} becomes {'cv.mean': 1}."""
    if not isinstance(value, dict) or not value:
        return {name: value}
    flattened: dict[str, Any] = {}
    for key, inner in value.items():
        flattened |= flat(inner, f"{name}.{key}" if name else str(key))
    return flattened


def relative(repo: Repo, path: str) -> str:
    """Return a path of the repository's current revision, from the project's root, with `/`."""
    return repo.fs.relpath(path, repo.root_dir).replace(os.sep, "/")


def metrics_files(repo: Repo) -> dict[str, DvcOutput | None]:
    """Map the metrics files of the current revision to the stage outputs that they are."""
    found: dict[str, DvcOutput | None] = {out.fs_path: out for out in repo.index.metrics}
    for dvc_file, paths in repo.index._metrics.items():  # `metrics:` at the top of a dvc.yaml
        for path in paths:
            found.setdefault(repo.fs.normpath(repo.fs.join(repo.fs.parent(dvc_file), path)), None)
    return found


def check_targets(repo: Repo, baseline: str, targets: list[str]) -> None:
    """Refuse metrics files that neither side has.

    Raises:
        ValueError: there is one, in one sentence.
    """
    if not targets:
        return
    sha = find_baseline(baseline)[1]
    known: dict[str, None] = {}
    for _ in repo.brancher(revs=["workspace", sha] if sha else ["workspace"]):
        known |= {relative(repo, path): None for path in metrics_files(repo)}
    for target in targets:
        if target not in known:
            listed = ", ".join(known) or "none yet"
            raise ValueError(
                f"metrics_diff_targets: {target!r} is not a metrics file; they are: {listed}"
            )


def read_metrics(repo: Repo, targets: list[str], snapshot: Snapshot) -> None:
    """Read the metrics of the current revision from Git, or from the cache where they lie there."""
    for path, out in metrics_files(repo).items():
        name = relative(repo, path)
        if targets and name not in targets:
            continue
        fs, place = repo.fs, path
        if out and out.use_cache and out.hash_info and not fs.exists(path):
            fs, place = out.cache.fs, out.cache.oid_to_path(out.hash_info.value)
        try:
            load = LOADERS[Path(name).suffix.lower()]
            snapshot.metrics[name] = flat(load(place, fs=fs))
        except FileNotFoundError:
            snapshot.problems.append(f"{code(name)} is missing at {code(snapshot.revision)}.")
        except (DvcException, OSError, ValueError, RecursionError) as error:
            reason = code(str(error).partition("\n")[0])
            at = code(snapshot.revision)
            snapshot.problems.append(f"{code(name)} at {at} cannot be read: {reason}.")


def read_outputs(repo: Repo) -> dict[str, Output]:
    """Return the data that DVC tracks at the current revision."""
    outputs = {}
    for out in repo.index.outs:
        if out.use_cache and out.hash_info and out.hash_info.value:
            checksum, path = out.hash_info.value, relative(repo, out.fs_path)
            outputs[path] = Output(
                path=path,
                checksum=checksum,
                size=out.meta and out.meta.size,
                files=out.meta and out.meta.nfiles,
                is_folder=bool(out.hash_info.isdir),
                cached=Path(out.cache.oid_to_path(checksum)),
            )
    return outputs


def read_inputs(repo: Repo) -> dict[str, str]:
    """Return the checksums of what stages read and no stage makes, and the stages' commands."""
    stages = [stage for stage in repo.index.stages if stage.cmd]
    made = {out.fs_path for stage in stages for out in stage.outs}
    inputs = {
        f"{relative(repo, stage.path)}:{stage.name or ''}": str(stage.cmd) for stage in stages
    }
    for dep in (dep for stage in stages for dep in stage.deps):
        parts = repo.fs.parts(dep.fs_path) if dep.hash_info and dep.hash_info.value else ()
        within = (repo.fs.join(*parts[:length]) for length in range(1, len(parts) + 1))
        if parts and made.isdisjoint(within) and not isinstance(dep, ParamsDependency):
            inputs[relative(repo, dep.fs_path)] = str(dep.hash_info.value)
    return inputs


def snapshots(repo: Repo, named: dict[str, str], targets: list[str]) -> Iterator[Snapshot]:
    """Read the checkout and then the commits {sha: name}; nothing outside the metadata is read."""
    for sha in repo.brancher(revs=["workspace", *named], sha_only=True):
        checkout = sha == "workspace"
        snapshot = Snapshot("this checkout" if checkout else named[sha], "" if checkout else sha)
        try:
            snapshot.outputs = read_outputs(repo)
            snapshot.inputs = read_inputs(repo)
            read_metrics(repo, targets, snapshot)
        except DvcException as error:
            if checkout:
                raise
            reason = code(str(error).partition("\n")[0])
            snapshot.problems.append(f"{code(snapshot.revision)} cannot be read: {reason}.")
        yield snapshot


def read_params(repo: Repo, shas: list[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return {revision: {file: {name: value}}} of the parameters that stages depend on."""
    shown = repo.params.show(revs=["workspace", *shas], hide_workspace=False)
    return {
        revision: {
            file.replace(os.sep, "/"): flat(found["data"])
            for file, found in result.get("data", {}).items()
            if found.get("data")
        }
        for revision, result in shown.items()
    }


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


def branch() -> str:
    """Return the name of the checked-out branch; CI checks out a commit and knows the name."""
    variables = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "BITBUCKET_BRANCH")
    named = [os.environ[name] for name in variables if os.environ.get(name)]
    return git("symbolic-ref", "--short", "--quiet", "HEAD") or next(iter(named), "detached HEAD")


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
