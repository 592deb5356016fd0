"""A real browser for what people look at: Debian's Chromium, without a window."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DARK = "--blink-settings=preferredColorScheme=0"
PROBE = """
<script>
window.addEventListener("load", () => setTimeout(() => {
  const root = document.documentElement;
  document.body.dataset.overflow = root.scrollWidth - root.clientWidth;
  document.body.dataset.ground = getComputedStyle(document.body).backgroundColor;
}, 3000));
</script>
"""


@dataclass(frozen=True)
class Visit:
    """What a page had become when it was at rest, and what it wrote to the console."""

    dom: str
    console: list[str]

    def measured(self, name: str) -> str:
        """Return what the probe measured: `overflow` in pixels or the colour of the `ground`."""
        found = re.search(rf'data-{name}="([^"]*)"', self.dom)
        assert found, "the page did not come to rest"
        return found[1]


def visit(page: Path, *flags: str, width: int = 1200, height: int = 900) -> Visit:
    """Open a page with the probe in it; the test is skipped where there is no browser."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip("no Chromium on PATH; on Debian and Ubuntu: apt-get install chromium")
    probed = page.with_name(f"probed-{page.name}")
    probed.write_text(page.read_text(encoding="utf-8") + PROBE, encoding="utf-8")
    done = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            *(f"--user-data-dir={page.parent / 'browser'}", f"--window-size={width},{height}"),
            *("--virtual-time-budget=20000", "--dump-dom", *flags, probed.as_uri()),
        ],
        capture_output=True,
        encoding="utf-8",
        timeout=180,
        check=True,
    )
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Visit(done.stdout, console)
