"""What a report is judged by, found and checked once a run, before anything is run."""

from dataclasses import dataclass

from mlci.history.repository import Baseline, find_baseline
from mlci.history.revision import Reader
from mlci.history.rules import Rules, read_rules


@dataclass(frozen=True)
class Terms:
    """The baseline, the block `report` of params.yaml, and the metrics files to report."""

    baseline: Baseline
    rules: Rules
    metrics_files: tuple[str, ...]  # empty: all


def read_terms(baseline: str, metrics_files: list[str]) -> Terms:
    """Find the baseline, read the rules, and check the files.

    Raises:
        ValueError: an unknown baseline, malformed rules, or a metrics file that neither side has.
    """
    terms = Terms(find_baseline(baseline), read_rules(), tuple(metrics_files))
    if metrics_files:
        shas = dict.fromkeys(["", terms.baseline.sha])
        with Reader() as reader:
            revisions = [reader.read("", sha) for sha in shas]
        known = dict.fromkeys(path for one in revisions for path in one.metrics_files)
        for path in metrics_files:
            if path not in known:
                listed = ", ".join(known) or "none yet"
                raise ValueError(
                    f"metrics_diff_targets: {path!r} is not a metrics file; they are: {listed}"
                )
    return terms
