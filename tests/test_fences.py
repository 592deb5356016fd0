"""Promise: no value of a user's file costs the report; what fails is a sentence, the rest stands."""

import json
import re
from dataclasses import dataclass
from typing import Any

import histories
import pytest
import yaml
from histories import Project
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from mlci.history.comparison import Comparison, compare_values
from mlci.history.evidence import Side, weigh
from mlci.history.freshness import Freshness, Locks, State
from mlci.history.pipelines import Pipelines
from mlci.history.revision import Revision
from mlci.history.rules import Rules
from mlci.history.values import flat
from mlci.writing import datasets, headline, measures, plots, sections
from mlci.writing.wording import BRIEF, Style
from test_report import report

STYLE = Style(BRIEF, 50)
NUMBERS = st.one_of(
    st.floats(), st.integers(), st.sampled_from([10**400, -(10**400), 1e308, -1e308, 5e-324, 0])
)
LEAVES = st.one_of(
    NUMBERS, st.none(), st.booleans(), st.text(max_size=8), st.lists(NUMBERS, max_size=3)
)
NAMES = st.one_of(st.sampled_from(["accuracy", "loss", "a|b\n", "`x` @y", ""]), st.text(max_size=8))
TREES = st.dictionaries(
    NAMES, st.recursive(LEAVES, lambda inner: st.dictionaries(NAMES, inner, max_size=4)), max_size=6
)
LIKE_OURS = st.fixed_dictionaries(
    {
        "accuracy": NUMBERS,
        "cv": st.fixed_dictionaries(
            {"metric": st.just("accuracy"), "folds": st.just(3), "rows": st.just("abc")}
            | {"mean": NUMBERS, "std": NUMBERS, "scores": st.lists(NUMBERS, max_size=3)}
        ),
        "data": st.fixed_dictionaries(
            {"train_rows": NUMBERS, "test_rows": NUMBERS}
            | {"rows_per_class": st.dictionaries(NAMES, st.integers(0, 2), max_size=3)}
        ),
    }
)
METRICS = st.one_of(TREES, LIKE_OURS)
CELLS = st.one_of(NUMBERS.map(str), st.text(max_size=5), st.none())
REVISIONS = st.sampled_from(["workspace", "abc"])
POINTS = st.one_of(
    st.lists(st.fixed_dictionaries({"rev": REVISIONS, "x": NUMBERS, "y": NUMBERS}), max_size=12),
    st.lists(
        st.fixed_dictionaries({"rev": REVISIONS}, optional={"x": CELLS, "y": CELLS}), max_size=12
    ),
)


def revision(metrics: dict[str, Any], params: dict[str, Any]) -> Revision:
    """Return a revision that was measured with what it is."""
    return Revision(
        name="main",
        sha="",
        metrics={"metrics.json": flat(metrics)},
        params={"params.yaml": flat(params)},
        declared=Pipelines((), {}, {}, (), (), {}),
        locks=Locks({}, (), (), ()),
        freshness=Freshness(State.CURRENT),
        problems=(),
        metrics_files=("metrics.json",),
    )


@dataclass
class Drawable:
    """A plot as DVC hands it over, its Vega template left out."""

    properties: dict[str, Any]
    datapoints: list[dict[str, Any]]
    TYPE: str = "vega"
    name: str = "dvc.yaml::curve"

    def get_filled_template(self) -> dict[str, Any]:
        return {"data": {"values": self.datapoints}}


def columns(markdown: str) -> list[set[int]]:
    """Return, for each table, how many cells its rows have."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    found: list[set[int]] = []
    cells = 0
    for token in tokens:
        if token.type == "table_open":
            found.append(set())
        elif token.type == "tr_open":
            cells = 0
        elif token.type in ("td_open", "th_open"):
            cells += 1
        elif token.type == "tr_close":
            found[-1].add(cells)
    return found


@pytest.mark.slow
@settings(
    phases=[Phase.generate],
    derandomize=True,
    max_examples=150,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    old=METRICS,
    new=METRICS,
    points=POINTS,
    template=st.sampled_from(["linear", "scatter", "confusion"]),
)
def test_whatever_the_files_hold_is_written(
    old: dict[str, Any], new: dict[str, Any], points: list[dict[str, Any]], template: str
) -> None:
    """Metrics, parameters and plots of any shape: the verdict, the tables and the page are valid."""
    before, now = revision(old, old), revision(new, new)
    compared = Comparison(
        baseline=before,
        head=now,
        metrics=compare_values(before.metrics, now.metrics),
        params=[v for v in compare_values(before.params, now.params) if v.changed],
        data=[], files=[], unlisted=[], results=[], awaits_results=False, tags=[], notices=[],
    )  # fmt: skip
    evidence = weigh(Side(before.metrics), Side(now.metrics))
    rules = Rules("accuracy", 1, 0.1)
    verdict = headline.judge(compared, evidence, rules, STYLE)
    assert "\n" not in verdict.headline
    table = measures.table_of(compared, evidence, rules, STYLE, 50)
    written = [table, sections.params(compared, STYLE), datasets.balance(compared, STYLE)]
    plot = Drawable({"x": "x", "y": "y", "template": template}, points)
    picture = plots.draw(plot, {}, {"workspace": "now", "abc": "main"})
    for markdown in [*written, plots.markdown(picture)]:
        assert all(len(cells) == 1 for cells in columns(markdown))

    drawn = "".join(re.findall(r"^ +line .*|-axis .*", picture.mermaid, re.MULTILINE))
    assert not re.search(r"\b(inf|nan)\b", drawn)

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    json.loads(json.dumps(picture.spec, default=str), parse_constant=refuse)


BAD_PLOTS = """\
plots:
  - typo: {x: x, y: {plots/curve.csv: y}, template: confuson, title: Template}
  - field: {x: x, y: {plots/curve.csv: tpr_typo}, template: simple, title: Field}
  - empty: {x: x, y: {plots/empty.csv: y}, template: simple, title: Empty}
  - good: {x: x, y: {plots/curve.csv: y}, template: simple, title: Good}
"""


@pytest.mark.slow
def test_a_plot_that_fails_is_a_sentence_and_the_others_are_drawn(project: Project) -> None:
    """A misspelt template or column, a file with a header only, aliases that unfold to millions."""
    project.write("dvc.yaml", histories.PIPELINE + BAD_PLOTS)
    project.write("plots/curve.csv", "x,y\n0,0\n1,1\n")
    project.write("plots/empty.csv", "x,y\n")
    project.measure({"accuracy": 0.5})
    project.commit("Plot")
    written = report(project, "--baseline", "HEAD~1")
    assert written.startswith("## 🔵 Changed: `accuracy`")
    parts = {
        title: written.partition(f"**{title}**")[2].split("\n**")[0]
        for title in ("Template", "Field", "Empty", "Good")
    }
    assert "xychart-beta" in parts["Good"]
    assert "confuson" in parts["Template"]
    assert "tpr_typo" in parts["Field"]
    assert "no points" in parts["Empty"] or "cannot be read" in parts["Empty"]


@pytest.mark.slow
def test_aliases_that_unfold_to_millions_are_refused(project: Project) -> None:
    levels = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 7)]
    params = (project.root / "params.yaml").read_text()
    project.write("params.yaml", yaml.safe_dump(json.loads(params)) + "\n".join(levels) + "\n")
    done = project.script("report", "--baseline", "HEAD")
    assert done.returncode == 2
    assert "params.yaml: it holds more than 100,000 values" in done.stderr
