"""A report as one self-contained page: opens offline, in light and dark, on a phone.

Its text and tables are those of the Markdown report; its plots are DVC's own, drawn by Vega, which
is bundled into the page once for all of them.
"""

import html
import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

import vl_convert
from markdown_it import MarkdownIt
from platformdirs import user_cache_path

from mlci.markup import code
from mlci.writing.plots import Picture
from mlci.writing.signs import draw

PAGE = Path(__file__).with_name("page.html")
# Of the HTML in a report only folding is let through; everything else is shown as text.
FOLD = re.compile(r"<p>&lt;details&gt;\s*&lt;summary&gt;(.*?)&lt;/summary&gt;</p>", re.DOTALL)
DRAW = """
const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 40rem)");
const specs = JSON.parse(document.getElementById("specs").textContent);
const actions = {export: true, source: false, compiled: false, editor: false};
function draw() {
  const theme = dark.matches ? "dark" : undefined;
  const axis = {gridColor: dark.matches ? "#2b3138" : "#e1e4e8"};
  const config = {background: "transparent", axis, legend: {}};
  const options = {mode: "vega-lite", renderer: "svg", theme, actions, config};
  if (narrow.matches) {  // the plot gets the width that the legend and the menu would take
    config.legend.orient = "bottom";
    options.actions = false;
  }
  for (const [id, spec] of Object.entries(specs)) {
    const facet = spec.facet && narrow.matches ? {row: spec.facet.column} : spec.facet;
    vegaEmbed("#" + id, facet ? {...spec, facet} : spec, options);
  }
}
draw();
dark.addEventListener("change", draw);
narrow.addEventListener("change", draw);
"""


def markdown_to_html(markdown: str) -> str:
    """Render the Markdown of a report; HTML in it other than folding is shown as text."""
    rendered = str(MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown))
    folds = FOLD.sub(r"<details><summary>\1</summary>", rendered)
    folds = folds.replace("<p>&lt;/details&gt;</p>", "</details>")
    folds = folds.replace("<table>", '<div class="wide"><table>')
    return draw(folds.replace("</table>", "</table></div>"))


def figure(identity: str, picture: Picture) -> str:
    """Return a plot or images with the table below."""
    title = html.escape(picture.title)
    parts = [f'<div id="{identity}"></div>' if picture.spec else f"<h4>{title}</h4>"]
    for revision, address in picture.images:
        name = html.escape(revision)
        parts += [f'<p>{name}</p><img src="{html.escape(address)}" alt="{title}: {name}">']
    if picture.table:
        numbers = markdown_to_html(picture.table)
        parts += [f"<details><summary>The numbers</summary>{numbers}</details>"]
    notes = markdown_to_html(" ".join(picture.notes))
    parts += [f"<figcaption>{notes}</figcaption>"] if notes else []
    broad = "facet" in picture.spec
    return f"<figure{' class=broad' if broad else ''}>{''.join(parts)}</figure>"


def vega() -> str:
    """Return Vega as a script; bundling it takes seconds, so it is kept for this user's reports."""
    kept = user_cache_path("mlci") / f"vega-{version('vl-convert-python')}.js"
    with suppress(OSError):
        return kept.read_text(encoding="utf-8")
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    bundle = bundle.replace("</script", "<\\/script")
    with suppress(OSError):  # where nothing can be kept, the next report takes its seconds again
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(f".{os.getpid()}")
        unfinished.write_text(bundle, encoding="utf-8")
        unfinished.replace(kept)
    return bundle


def scripts(specs: dict[str, dict[str, Any]]) -> str:
    """Return Vega, the plots and what draws them; nothing where there is no plot."""
    if not specs:
        return ""
    data = json.dumps(specs, default=str).replace("<", "\\u003c")  # no end of the script in a name
    return (
        f'<script id="specs" type="application/json">{data}</script>\n'
        f"<script>{vega()}</script>\n<script>{DRAW}</script>"
    )


def render(title: str, parts: Sequence[str | list[Picture]]) -> str:
    """Write a page of Markdown parts and, between them, lists of pictures."""
    body: list[str] = []
    specs: dict[str, dict[str, Any]] = {}
    for part in parts:
        if isinstance(part, str):
            body.append(markdown_to_html(part))
            continue
        figures = []
        for picture in part:
            identity = f"plot{len(specs)}"
            figures.append(figure(identity, picture))
            if picture.spec:
                specs[identity] = picture.spec
        body += ['<div class="pictures">', *figures, "</div>"]
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        title=html.escape(title), body="\n".join(body), scripts=scripts(specs)
    )


def write_images(pictures: list[Picture], folder: Path) -> list[Picture]:
    """Write each plot as PNG for slides, and remove those of plots that are gone.

    Returns the pictures; one that Vega refuses has lost its plot, and says so.
    """
    folder.mkdir(exist_ok=True)
    written: set[Path] = set()
    drawn = []
    for picture in pictures:
        try:
            if picture.spec:
                name = re.sub(r"[^\w.-]+", "-", picture.name).strip("-.") or "plot"
                path = folder / f"{name}.png"
                path.write_bytes(vl_convert.vegalite_to_png(picture.spec, scale=2))
                written.add(path)
            drawn.append(picture)
        except (ValueError, OSError) as error:
            reason = code(" ".join(str(error).splitlines()[:2]))
            note = f"Vega cannot draw {code(picture.name)}: {reason}."
            drawn.append(replace(picture, spec={}, notes=(*picture.notes, note)))
    for old in set(folder.glob("*.png")) - written:
        old.unlink()
    return drawn
