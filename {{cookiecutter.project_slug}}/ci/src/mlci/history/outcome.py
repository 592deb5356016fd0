"""What a run leaves for its report: what went wrong on the way, and what was left out."""

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """How the steps of a run ended."""

    notes: list[str] = field(default_factory=list)  # Markdown sentences
    failed_stage: str = ""
    log: str = ""  # the end of the failed stage's output
