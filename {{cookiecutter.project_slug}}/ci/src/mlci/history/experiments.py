"""Every branch, tag and `dvc exp` experiment with its numbers, read from Git objects alone.

One `git cat-file` reads them all, so that hundreds take seconds; nothing is checked out or
downloaded. Which files hold metrics and parameters, each revision's `dvc.yaml` says.
"""

import hashlib
import json
import posixpath
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import yaml
from dvc.exceptions import DvcException
from dvc.utils.serialize import PARSERS

from mlci.history.repository import git
from mlci.history.values import Values, below, flat

KINDS = {
    "refs/heads/": "branch",
    "refs/remotes/": "remote branch",
    "refs/tags/": "tag",
    "refs/exps/": "experiment",
}
ORDER = ["checkout", *KINDS.values()]
EXPERIMENT = re.compile(r"[0-9a-f]{2}/[0-9a-f]{38}/(.+)")  # the commit it began from, its name
TIP = "%(objecttype) %(objectname)%00%(authorname)%00%(committerdate:{})%00%(committerdate:{})"


class FastYaml(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML in C, thirty times faster than DVC's parser, with numbers as DVC reads them: 1e-3."""


FastYaml.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


@dataclass(frozen=True)
class Experiment:
    """What was tried; `names` are those of all branches, tags and experiments that it stands for.

    `metrics` are empty where nothing was run, and where code or parameters were changed since.
    """

    names: tuple[str, ...]
    kind: str
    sha: str  # empty for results that are not committed
    author: str
    date: str  # of the commit, ISO 8601
    age: str  # such as "3 days ago"
    metrics: Values
    params: Values
    stale: bool = False  # changed since it was run

    @property
    def time(self) -> float:
        """The seconds since 1970 of its commit; infinity for what is not committed."""
        return datetime.fromisoformat(self.date).timestamp() if self.date else float("inf")


class Objects:
    """The files of any commit, read by one Git process, and of the checkout (the sha "")."""

    def __init__(self) -> None:
        self.parsed: dict[tuple[str, str], Any] = {}
        self.checksums: dict[str, str] = {}

    @cached_property
    def checkout(self) -> set[str]:
        """The files of the checkout, without the data, which Git ignores."""
        listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        return set(listed.split("\0"))

    def __enter__(self) -> Self:
        self.git = subprocess.Popen(
            ["git", "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.git.communicate()

    def read(self, sha: str, path: str) -> tuple[str, bytes]:
        """Return the id and the content of a file, both empty where the commit has no such file."""
        assert self.git.stdin and self.git.stdout
        if not sha:
            here = path in self.checkout and Path(path).is_file()
            return (f"here:{path}", Path(path).read_bytes()) if here else ("", b"")
        if "\n" in path:
            return "", b""
        self.git.stdin.write(f"{sha}:./{path}\n".encode())
        self.git.stdin.flush()
        header = self.git.stdout.readline().split()
        if len(header) != 3 or not header[2].isdigit():
            return "", b""
        content = self.git.stdout.read(int(header[2]) + 1)[:-1]
        return (header[0].decode(), content) if header[1] == b"blob" else ("", b"")

    def checksum(self, sha: str, path: str) -> tuple[str, str]:
        """Return the id and the MD5 (as in `dvc.lock`) of a file, both empty if not in Git."""
        identity, content = self.read(sha, path)
        if identity and identity not in self.checksums:
            self.checksums[identity] = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return identity, self.checksums.get(identity, "")

    def load(self, sha: str, path: str, *, fast: bool = False) -> Any:
        """Return what a YAML, JSON or TOML file holds, None where it is missing or malformed."""
        identity, content = self.read(sha, path)
        key = identity, path
        if identity and key not in self.parsed:
            suffix = posixpath.splitext(path)[1].lower()
            try:
                text = content.decode()
                if fast and suffix in (".yaml", ".yml", ".lock"):
                    self.parsed[key] = yaml.load(text, FastYaml)
                else:
                    self.parsed[key] = PARSERS[suffix](text, path)
            except (DvcException, ValueError, yaml.YAMLError, RecursionError):
                self.parsed[key] = None
        return self.parsed.get(key)


def declared(pipeline: Any) -> tuple[list[str], list[str]]:
    """Return the metrics and the parameter files of a `dvc.yaml`; params.yaml is default."""
    metrics: dict[str, None] = {}
    params = {"params.yaml": None}
    pipeline = pipeline if isinstance(pipeline, dict) else {}
    for entry in paths(pipeline.get("metrics")):
        metrics[entry] = None
    for entry in paths(pipeline.get("params")):
        params[entry] = None
    stages = pipeline.get("stages")
    for stage in stages.values() if isinstance(stages, dict) else []:
        body = stage.get("do", stage) if isinstance(stage, dict) else {}
        folder = body.get("wdir") or ""
        for entry in paths(body.get("metrics")):
            metrics[posixpath.normpath(posixpath.join(folder, entry))] = None
        for entry in listed(body.get("params")):
            if isinstance(entry, dict):  # a plain name is a key of params.yaml
                for path in entry:
                    params[posixpath.normpath(posixpath.join(folder, str(path)))] = None
    return [*metrics], [*params]


def listed(value: Any) -> list[Any]:
    """Return the entries of a list; of anything else none."""
    return value if isinstance(value, list) else []


def paths(entries: Any) -> Iterator[str]:
    """Return the paths in a list of `path` and `path: {options}`; those with `${…}` are unknown."""
    for entry in listed(entries):
        for path in entry if isinstance(entry, dict) else [entry]:
            if "${" not in str(path):
                yield str(path)


def references() -> Iterator[Experiment]:
    """Find the tip of every branch, tag and experiment, without its numbers."""
    tip = TIP.format("iso-strict", "relative")
    peeled = tip.replace("%(", "%(*")  # of an annotated tag, the commit that it names
    lines = git("for-each-ref", f"--format=%(refname)%00%(symref)%00{tip}%00{peeled}", *KINDS)
    for line in lines.splitlines():
        ref, symbolic, *fields = line.split("\0")
        prefix = next(prefix for prefix in KINDS if ref.startswith(prefix))
        name = ref.removeprefix(prefix)
        if prefix == "refs/exps/":
            match = EXPERIMENT.fullmatch(name)
            name = match[1] if match else ""  # others are DVC's own: its queue, its stash
        for commit, author, date, age in (fields[:4], fields[4:]):
            kind, _, sha = commit.partition(" ")
            if name and not symbolic and kind == "commit":
                yield Experiment((name,), KINDS[prefix], sha, author, date, age, {}, {})


def values_at(objects: Objects, sha: str) -> tuple[Values, Values, bool]:
    """Return the metrics and parameters of a commit, and whether it was changed since its run."""
    pipeline = objects.load(sha, "dvc.yaml", fast=True)
    if is_stale(objects, sha, pipeline):
        return {}, read_files(objects, sha, declared(pipeline)[1], fast=True), True
    metrics, params = declared(pipeline)
    return read_files(objects, sha, metrics), read_files(objects, sha, params, fast=True), False


def read_files(objects: Objects, sha: str, files: list[str], *, fast: bool = False) -> Values:
    """Return the values in those of the files that hold any."""
    contents = {path: objects.load(sha, path, fast=fast) for path in files}
    return {path: flat(found) for path, found in contents.items() if isinstance(found, dict)}


def is_stale(objects: Objects, sha: str, pipeline: Any) -> bool:
    """Tell whether a commit's code or parameters differ from those that its `dvc.lock` was made by.

    Its metrics are then not its own: somebody turned a number and left it to CI to train.
    """
    lock = objects.load(sha, "dvc.lock", fast=True)
    stages = lock.get("stages") if isinstance(lock, dict) else None
    for name, stage in stages.items() if isinstance(stages, dict) else ():
        defined = below(pipeline, ["stages", str(name).partition("@")[0]])
        folder = str(below(defined, ["wdir"]) or below(defined, ["do", "wdir"]) or "")
        for path, recorded in (stage.get("params") or {}).items():
            current = objects.load(sha, posixpath.normpath(posixpath.join(folder, path)), fast=True)
            if any(below(current, key.split(".")) != value for key, value in recorded.items()):
                return True
        for dep in stage.get("deps") or []:
            path = posixpath.normpath(posixpath.join(folder, dep["path"]))
            identity, md5 = objects.checksum(sha, path)  # data is not in Git, code is
            if identity and md5 != dep.get("md5", md5):
                return True
    return False


def collect() -> list[Experiment]:
    """Return every branch, tag and experiment with its metrics and parameters."""
    by_commit: dict[str, tuple[Values, Values, bool]] = {}
    found = []
    with Objects() as objects:
        for tip in references():
            if tip.sha not in by_commit:
                by_commit[tip.sha] = values_at(objects, tip.sha)
            metrics, params, stale = by_commit[tip.sha]
            found.append(replace(tip, metrics=metrics, params=params, stale=stale))
    return found


def at_commit(sha: str) -> tuple[Values, Values, bool]:
    """Return the metrics and parameters of one commit, and whether it was changed since its run.

    With an empty sha, those of the checkout.
    """
    with Objects() as objects:
        return values_at(objects, sha)


def fold(experiments: list[Experiment]) -> list[Experiment]:
    """Make one of those with the same metrics and parameters: the first, with the names of all."""
    groups: dict[str, list[Experiment]] = {}
    for one in experiments:
        same = json.dumps([one.metrics, one.params], sort_keys=True, default=str)
        groups.setdefault(same if one.metrics else one.sha, []).append(one)
    folded = []
    for group in groups.values():
        first = min(group, key=lambda one: one.time)
        ordered = sorted(group, key=lambda one: (ORDER.index(one.kind), one.time))
        names = tuple(dict.fromkeys(name for one in ordered for name in one.names))
        folded.append(replace(first, names=names, kind=ordered[0].kind))
    return folded
