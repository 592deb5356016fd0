"""Write the baseline against this checkout, from Git and DVC metadata alone.

`report.md` is for comments, `report.html` the same with DVC's plots as one page to open offline,
and `report-pictures/` has each plot as PNG. Exit codes: 0 written, 2 a malformed flag, variable or
`report` block in params.yaml or an unknown baseline, 5 the report could not be written, 6 written,
but a metric fell by more than `report.max_regression`.
"""

import sys
from argparse import RawDescriptionHelpFormatter

from mlci import settings

RUN_ONLY = ("repro_targets", "dvc_pull", "time_limit")
VARIABLES = [name for name in settings.VARIABLES if name not in RUN_ONLY]


def main(arguments: list[str]) -> int:
    """Write the report of this checkout and return the exit code."""
    parser = settings.Parser(
        "ci report", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    chosen = settings.read(parser, VARIABLES, arguments)
    from dvc.exceptions import DvcException

    from mlci.history.outcome import Outcome
    from mlci.history.terms import read_terms
    from mlci.writing import sections

    try:
        terms = read_terms(chosen.baseline, chosen.metrics_diff_targets)
        judged = sections.write(chosen, terms, Outcome())
    except ValueError as error:
        print(f"ci report: {error}", file=sys.stderr)
        return 2
    except (DvcException, OSError) as error:
        reason = settings.one_line(error)
        print(f"ci report: the report could not be written: {reason}", file=sys.stderr)
        return 5
    print(f"Wrote {sections.REPORT}, {sections.PAGE} and {sections.PICTURES}/")
    return 6 if judged.regressed else 0
