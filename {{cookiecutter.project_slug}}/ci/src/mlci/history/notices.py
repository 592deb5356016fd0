"""What makes a comparison less than it seems, as facts; `writing.remarks` words them."""

from dataclasses import dataclass

from mlci.history.freshness import Freshness
from mlci.history.revision import Problem


@dataclass(frozen=True)
class NoCommit:
    """There is no commit yet."""


@dataclass(frozen=True)
class NoBaseline:
    """There is nothing to compare with."""


@dataclass(frozen=True)
class Shallow:
    """This clone may lack a revision, since its history is cut off."""

    revision: str


@dataclass(frozen=True)
class SameCommit:
    """The baseline is the head commit."""

    revision: str
    has_results: bool  # that a run made and that are not committed


@dataclass(frozen=True)
class Behind:
    """The baseline has commits that the head lacks."""

    revision: str
    commits: int


@dataclass(frozen=True)
class OtherTarget:
    """The two sides predict different columns."""

    revision: str
    before: str
    now: str


@dataclass(frozen=True)
class NotRun:
    """The baseline's metrics are not its own."""

    revision: str
    freshness: Freshness


Notice = NoCommit | NoBaseline | Shallow | SameCommit | Behind | OtherTarget | NotRun | Problem
