"""What a run leaves for its report: what went wrong on the way, what it did, and where."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Machine:
    """What a run could use."""

    cores: int
    memory: int  # bytes
    gpus: tuple[str, ...]  # their names


@dataclass
class Outcome:
    """How the steps of a run ended."""

    notes: list[str] = field(default_factory=list)  # Markdown sentences
    failed_stage: str = ""
    log: str = ""  # the end of the failed stage's output
    stages: dict[str, float | None] = field(default_factory=dict)  # seconds; None: run cache
    machine: Machine | None = None  # None: nothing was run, as where only a report is written
    fetched: dict[str, int] = field(default_factory=dict)  # {cached file: bytes} from the remote
    made: int = 0  # bytes of data that the stages made
    sent: int = 0  # files
