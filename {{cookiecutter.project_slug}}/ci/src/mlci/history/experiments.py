"""Every branch, tag and `dvc exp` experiment with its results."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from mlci.history.repository import git
from mlci.history.revision import Reader, Revision
from mlci.history.values import Values

KINDS = {
    "refs/heads/": "branch",
    "refs/remotes/": "remote branch",
    "refs/tags/": "tag",
    "refs/exps/": "experiment",
}
ORDER = ["checkout", *KINDS.values()]
EXPERIMENT = re.compile(r"[0-9a-f]{2}/[0-9a-f]{38}/(.+)")  # the commit it began from, its name
COMMIT = ("objecttype", "objectname", "authorname", "committerdate:iso-strict")
# With a star it is the commit that an annotated tag names.
FIELDS = ["refname", "symref"]
for star in ("", "*"):
    FIELDS += [f"{star}{field}" for field in (*COMMIT, "committerdate:relative")]
FORMAT = "%00".join(f"%({field})" for field in FIELDS)


@dataclass(frozen=True)
class Tip:
    """The commit that a branch, tag or experiment is at."""

    name: str
    kind: str
    sha: str
    author: str
    date: str  # of the commit, ISO 8601
    age: str  # such as "3 days ago"


@dataclass(frozen=True)
class Experiment:
    """What was tried; `names` are those of all branches, tags and experiments that it stands for."""

    names: tuple[str, ...]
    kind: str
    sha: str  # empty for results that are not committed
    author: str
    date: str
    age: str
    revision: Revision

    @property
    def metrics(self) -> Values:
        """Its metrics, empty where nothing was run or it was changed since."""
        return self.revision.own_metrics

    @property
    def params(self) -> Values:
        """Its parameters."""
        return self.revision.params

    @property
    def time(self) -> float:
        """The seconds since 1970 of its commit; infinity for what is not committed."""
        return datetime.fromisoformat(self.date).timestamp() if self.date else float("inf")


def tips() -> Iterator[Tip]:
    """Find the tip of every branch, tag and experiment."""
    for line in git("for-each-ref", f"--format={FORMAT}", *KINDS).splitlines():
        ref, symbolic, *fields = line.split("\0")
        prefix = next(prefix for prefix in KINDS if ref.startswith(prefix))
        name = ref.removeprefix(prefix)
        if prefix == "refs/exps/":
            match = EXPERIMENT.fullmatch(name)
            name = match[1] if match else ""  # others are DVC's own: its queue, its stash
        for kind, *commit in (fields[:5], fields[5:]):
            if name and not symbolic and kind == "commit":
                yield Tip(name, KINDS[prefix], *commit)


def collect(reader: Reader) -> list[Experiment]:
    """Return every branch, tag and experiment with its metrics and parameters."""
    by_commit: dict[str, Revision] = {}
    found = []
    for tip in tips():
        if tip.sha not in by_commit:
            by_commit[tip.sha] = reader.read(tip.name, tip.sha)
        revision = by_commit[tip.sha]
        found.append(
            Experiment((tip.name,), tip.kind, tip.sha, tip.author, tip.date, tip.age, revision)
        )
    return found


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
