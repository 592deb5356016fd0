"""The pictures of a report: right, drawn by what draws them for readers, and made without code."""

import csv
import html
import json
import re
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import histories
import pytest
import vl_convert
from browser import DARK, visit
from histories import Project
from mlci.writing import page
from mlci.writing.page import markdown_to_html
from mlci.writing.signs import SHAPES
from servers.clouds import node_modules
from test_report import report, tables

HOSTILE = 'a"b` <script>alert(1)</script> | @all; %%{x}%% [l](http://x.example)'
PLOTS = """\
plots:
  - curve:
      title: Curve
      x: x
      y: {plots/curve.csv: y}
      template: simple
  - confusion_matrix:
      x: predicted
      y: {plots/classes.csv: actual}
      template: confusion
"""
BLUE_DOT = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415478"
    "da636060f80f00010301005e0dd35f0000000049454e44ae426082"
)


def write_curve(project: Project, power: int) -> dict[float, float]:
    """Write y = x^power at 0, 0.1 … 1, its rows in no order, and return it."""
    curve = {n / 10: (n / 10) ** power for n in (3, 0, 1, 2, 10, 9, 8, 7, 6, 5, 4)}
    rows = "".join(f"{x},{y!r}\n" for x, y in curve.items())
    project.write("plots/curve.csv", f"x,y\n{rows}")
    return curve


def write_classes(project: Project, pairs: dict[tuple[str, str], int]) -> None:
    """Write one row (actual, predicted) for each that is counted."""
    rows = [pair for pair, count in pairs.items() for _ in range(count)]
    text = "".join(f"{actual},{predicted}\n" for actual, predicted in rows)
    project.write("plots/classes.csv", f"actual,predicted\n{text}")


@pytest.fixture(scope="module")
def drawn_once(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with plots in two commits, a leaderboard of three, and its report."""
    project = histories.new_project(tmp_path_factory.mktemp("drawn") / "project")
    project.write("dvc.yaml", histories.PIPELINE + PLOTS)
    project.dvc("repro", "--quiet")
    write_curve(project, 1)
    write_classes(project, {("cat", "cat"): 19, ("cat", "dog"): 1, ("dog", "dog"): 10})
    for branch, score in ("first", 0.5), ("second", 0.75), ("third", 0.7):
        project.measure({"accuracy": score})
        project.commit(branch)
        project.git("branch", branch)
    write_curve(project, 2)
    write_classes(project, {("cat", "cat"): 16, ("cat", "dog"): 4, ("dog", "dog"): 10})
    project.commit("Change the plots")
    report(project, "--baseline", "HEAD~1")
    return project


@pytest.fixture
def drawn(drawn_once: Project, tmp_path: Path) -> Project:
    """The same project, in a state of its own."""
    return drawn_once.copy(tmp_path / "project")


def mermaid_blocks(markdown: str) -> list[str]:
    """Return the Mermaid charts of a report."""
    return re.findall(r"^```mermaid\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL)


def charts_of(markdown: str) -> dict[str, str]:
    """Return the charts that have a plain title above, by that title."""
    found = re.findall(
        r"^\*\*([^*\n]+)\*\*\n\n```mermaid\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL
    )
    return dict(found)


def lines_of(chart: str) -> list[list[float]]:
    """Return the numbers of each line of a chart."""
    return [json.loads(line) for line in re.findall(r"^ *line (\[.*\])$", chart, re.MULTILINE)]


def specs_of(page: str) -> list[dict[str, Any]]:
    """Return the Vega plots of a page."""
    data = re.search(r'<script id="specs" type="application/json">(.*?)</script>', page)
    return [*json.loads(data[1]).values()] if data else []


@pytest.mark.slow
def test_a_curve_is_that_of_the_file(drawn_once: Project) -> None:
    """The chart goes through every point of both sides, the table beside it has some of them."""
    chart = charts_of(drawn_once.report)["Curve"]
    assert 'title "HEAD~1 teal, now violet"' in chart
    assert 'x-axis "x" 0 --> 1' in chart
    baseline, now = lines_of(chart)
    assert len(baseline) == len(now)
    step = (len(now) - 1) // 10
    assert now[::step] == pytest.approx([(n / 10) ** 2 for n in range(11)], abs=1e-3)
    assert baseline[::step] == pytest.approx([n / 10 for n in range(11)], abs=1e-3)
    rows = tables(drawn_once.report)["Plots"]
    assert ["0.2", "0.2", "0.04"] in rows
    assert ["1", "1", "1"] in rows


@pytest.mark.slow
def test_a_confusion_matrix_counts_what_the_file_holds(drawn_once: Project) -> None:
    """Each cell is the number of rows, its change, and a square by the share that is wrong."""
    with (drawn_once.root / "plots/classes.csv").open() as file:
        now = Counter((row["actual"], row["predicted"]) for row in csv.DictReader(file))
    rows = {row[0]: row[1:] for row in tables(drawn_once.report)["Plots"] if len(row) == 3}
    clean = {name: [cell.replace("\u00a0", " ") for cell in row] for name, row in rows.items()}
    assert clean["cat"] == [f"🟩 {now['cat', 'cat']} (-3)", f"🟥 {now['cat', 'dog']} (+3)"]
    assert clean["dog"] == ["·", f"🟩 {now['dog', 'dog']}"]


@pytest.mark.slow
def test_long_numbers_do_not_run_into_one_another(drawn: Project) -> None:
    """Mermaid gives each tick the same room, however long its number is.

    Of the baseline's curve, from 0 to 1, nothing is to be seen on such an axis, and is not drawn.
    """
    drawn.write("plots/curve.csv", "x,y\n-50000,1e6\n750000,3e7\n")
    chart = charts_of(report(drawn, "--baseline", "HEAD"))["Curve"]
    assert 'title "now violet"' in chart
    assert 'x-axis "x, thousands" -50 --> 750' in chart
    assert 'y-axis "y, millions" -0.45 --> 31.45' in chart
    assert [(line[0], line[-1]) for line in lines_of(chart)] == [(1, 30)]


@pytest.mark.slow
def test_many_classes_become_a_list_of_mistakes(drawn: Project) -> None:
    """Twenty classes make no table that one can read; the most frequent mistakes do."""
    right = {(f"c{n}", f"c{n}"): 5 for n in range(20)}
    write_classes(drawn, right | {("c3", "c4"): 7, ("c4", "c3"): 2})
    text = report(drawn, "--baseline", "HEAD")
    assert "9 of 109 rows are wrong, before 4 of 30; the most frequent mistakes:" in text
    rows = [row for row in tables(text)["Plots"] if len(row) == 4]
    assert rows == [["c3", "c4", "0", "7"], ["cat", "dog", "4", "0"], ["c4", "c3", "0", "2"]]

    # Ten classes are a matrix, but one that a comment would cut off where its cells say much.
    right = {(f"c{n}", f"c{n}"): 20 - n for n in range(10)}
    write_classes(drawn, right | {("c3", "c4"): 7})
    assert "7 of 162 rows are wrong, before 4 of 30" in report(drawn, "--baseline", "HEAD")


@pytest.mark.slow
def test_a_plot_that_is_added_appears_without_code(drawn: Project) -> None:
    """One entry in dvc.yaml, one chart, one Vega plot, one PNG: curves, points, bars, images."""
    more = (
        "  - loss:\n      x: step\n      y: {plots/loss.csv: [train, test]}\n"
        "  - points:\n      x: a\n      y: {plots/points.csv: b}\n      template: scatter\n"
        "  - importance:\n      x: gain\n      y: {plots/bars.csv: feature}\n"
        "      template: bar_horizontal\n"
        "  - plots/dot.png\n"
    )
    drawn.write("dvc.yaml", histories.PIPELINE + PLOTS + more)
    drawn.write("plots/loss.csv", "step,train,test\n0,1.0,1.5\n1,0.5,1.0\n2,0.25,0.75\n")
    points = "".join(f"{n},{3 * n}\n" for n in range(100))
    drawn.write("plots/points.csv", f"a,b\n{points}")
    bars = "".join(f"x{n},0.25\n" for n in range(29))
    drawn.write("plots/bars.csv", f"feature,gain\nage,0.512345678\n{bars}")
    (drawn.root / "plots/dot.png").write_bytes(BLUE_DOT)
    text = report(drawn, "--baseline", "HEAD")
    charts = charts_of(text)
    losses = lines_of(charts["loss"])
    assert [(line[0], line[-1]) for line in losses] == [(1, 0.25), (1.5, 0.75)]
    # Ten equal parts of 0 … 99: the mean of three times the ten numbers in each.
    assert lines_of(charts["points"]) == [[3 * (10 * part + 4.5) for part in range(10)]]
    assert ["age", "0.5123"] in tables(text)["Plots"]
    page = (drawn.root / "report.html").read_text(encoding="utf-8")
    titles = {spec["title"]["text"] for spec in specs_of(page) if isinstance(spec["title"], dict)}
    assert {"dvc.yaml::loss", "dvc.yaml::points", "dvc.yaml::importance"} <= {
        title if "::" in title else f"dvc.yaml::{title}" for title in titles
    }
    heights = {spec.get("height") for spec in specs_of(page) if spec.get("mark") == {"type": "bar"}}
    assert heights == {30 * 18}  # a line for each name
    assert 'src="data:image/png;base64,' in page
    images = drawn.root / "report-pictures"
    assert {"loss.png", "points.png", "importance.png", "curve.png"} <= {
        path.name for path in images.iterdir()
    }
    for path in images.iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")
        assert min(struct.unpack(">II", path.read_bytes()[16:24])) > 300

    # It is gone from dvc.yaml: so are its chart and its PNG.
    drawn.write("dvc.yaml", histories.PIPELINE + PLOTS)
    assert "loss" not in charts_of(report(drawn, "--baseline", "HEAD"))
    assert not (images / "loss.png").exists()


@pytest.mark.slow
def test_a_plot_that_cannot_be_read_spoils_no_other(drawn: Project) -> None:
    """Neither a missing file, nor a column that Vega cannot even name."""
    (drawn.root / "plots/curve.csv").unlink()
    text = report(drawn, "--baseline", "HEAD")
    assert "`plots/curve.csv` cannot be read at `now`." in text
    assert "🟩" in text

    column = HOSTILE.replace('"', '""')
    drawn.write("plots/curve.csv", f'"{column}",y\n0,1\n1,2\n')
    drawn.write("dvc.yaml", histories.PIPELINE + PLOTS.replace("x: x", f"x: {json.dumps(HOSTILE)}"))
    text = report(drawn, "--baseline", "HEAD")
    assert "Vega cannot draw `curve`:" in text
    assert "🟩" in text
    assert (drawn.root / "report-pictures/confusion_matrix.png").exists()


@pytest.mark.slow
def test_mermaid_draws_every_chart(drawn: Project) -> None:
    """As GitHub and GitLab do: the `mermaid` package in a browser, hostile names included."""
    drawn.write("plots/curve.csv", "x,y\n0,1e-9\n1,2e12\n")
    titled = PLOTS.replace("title: Curve", f"title: {json.dumps(HOSTILE)}")
    drawn.write("dvc.yaml", histories.PIPELINE + titled)
    drawn.git("checkout", "--quiet", "-b", 'quote"ed-%%-branch')
    drawn.commit()
    blocks = mermaid_blocks(report(drawn, "--baseline", "HEAD~1"))
    assert len(blocks) == 2
    assert max(map(len, blocks)) < 5000  # more GitLab does not draw
    script = (node_modules() / "mermaid" / "dist" / "mermaid.min.js").as_uri()
    charts = "".join(f'<pre class="mermaid">{html.escape(block)}</pre>' for block in blocks)
    page = drawn.root / "mermaid.html"
    page.write_text(
        f'<meta charset="utf-8"><body>{charts}<script src="{script}"></script>'
        "<script>mermaid.initialize({startOnLoad: true})</script>",
        encoding="utf-8",
    )
    seen = visit(page)
    assert seen.console == []
    assert seen.dom.count('aria-roledescription="xychart"') == len(blocks)
    assert "Syntax error" not in seen.dom
    assert 'stroke="#945dd6"' in seen.dom  # the colour that the title names


@pytest.mark.slow
@pytest.mark.parametrize("flags", [(), (DARK,)], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1200, 500], ids=["desk", "phone"])
def test_the_page_opens_in_a_browser(
    drawn_once: Project, flags: tuple[str, ...], width: int
) -> None:
    """No error, every plot drawn, nothing wider than the screen, nothing asked of the network."""
    page = drawn_once.root / "report.html"
    seen = visit(page, *flags, width=width)
    assert seen.console == []
    specs = specs_of(page.read_text(encoding="utf-8"))
    assert len(specs) == 3  # the curve, the matrix, the latest experiments
    assert seen.dom.count('<svg xmlns="http://www.w3.org/2000/svg"') >= len(specs)
    assert seen.dom.count('class="mark-line role-mark') >= 2
    assert seen.measured("overflow") == "0"
    assert seen.measured("ground") == ("rgb(13, 17, 23)" if flags else "rgb(255, 255, 255)")


def test_vega_is_bundled_once_for_all_projects(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And each time where nothing can be kept: a report needs no home."""
    bundles = iter(["first </script>", "second", "third"])
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda _: next(bundles))
    for place, expected in (
        ("home/cache", ["first <\\/script>", "first <\\/script>"]),
        ("file/cache", ["second", "third"]),
    ):
        (tmp_path / "file").touch()
        monkeypatch.setattr(page, "user_cache_path", (tmp_path / place).joinpath)
        assert [page.vega(), page.vega()] == expected


def test_every_sign_is_drawn() -> None:
    """The sources of a report have no sign that the page leaves to the fonts of a machine."""
    sources = [histories.CI / "src/mlci" / name for name in ("writing", "history")]
    files = [path for folder in sources for path in folder.glob("*.py")]
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    sign = r"[\u25fb\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]\ufe0f?"
    used = set(re.findall(sign, text))
    assert used == set(SHAPES)
    page = markdown_to_html(f"## {' '.join(SHAPES)} `x`")
    assert re.findall(sign, re.sub("<title>.*?</title>", "", page)) == []
    assert [page.count(f"<title>{one}</title>") for one in SHAPES] == [1] * len(SHAPES)


@pytest.mark.slow
def test_the_page_has_the_tables_of_the_comment_and_needs_nothing_else(drawn_once: Project) -> None:
    page = (drawn_once.root / "report.html").read_text(encoding="utf-8")
    text = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.findall(r"<(?:link|img|script|iframe)[^>]+(?:src|href)=\"(?!data:)", text)
    assert "default-src 'none'" in page
    shown = html.unescape(re.sub(r"<[^>]+>", "", text))
    for rows in tables(drawn_once.report).values():
        assert [cell for row in rows for cell in row if cell not in shown] == []
    assert text.count("<details>") == text.count("</details>") >= 2


@pytest.mark.slow
def test_names_cannot_put_html_into_the_page(drawn: Project) -> None:
    drawn.measure({"accuracy": 0.5, HOSTILE: 1, "x</script><script>alert(2)": 1})
    drawn.write("plots/classes.csv", "actual,predicted\n</script><script>alert(3),a\n")
    report(drawn, "--baseline", "HEAD")
    page = (drawn.root / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert visit(drawn.root / "report.html").console == []


@pytest.mark.slow
def test_bitbucket_gets_tables_instead_of_charts(drawn: Project) -> None:
    """It draws no Mermaid and folds nothing."""
    text = report(drawn, "--baseline", "HEAD~1", BITBUCKET_BUILD_NUMBER="7")
    assert "mermaid" not in text
    assert "<details>" not in text
    assert ["0.2", "0.2", "0.04"] in tables(text)["Plots"]
