"""Print the section of CHANGELOG.md that belongs to a tag, for the page of its release.

    python3 scripts/notes.py v0.1.0

Ends with a sentence where the tag, the changelog and the version in pyproject.toml disagree.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def notes(tag: str, changelog: str, version: str) -> str:
    """Return the text below the heading of the tag's version.

    Raises:
        ValueError: the tag is not that of the version, or the section is missing or empty.
    """
    if tag != f"v{version}":
        problem = f"pyproject.toml says version {version}, so the tag is v{version}, not {tag}"
        raise ValueError(problem)
    heading = rf"## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)\n"
    section = re.search(rf"^{heading}(.*?)(?=^## |\Z)", changelog, re.DOTALL | re.MULTILINE)
    if not section or not section[1].strip():
        problem = f"CHANGELOG.md has no text below a heading '## {version} (YYYY-MM-DD)'"
        raise ValueError(problem)
    return section[1].strip() + "\n"


def main() -> None:
    """Print the section of the tag that is given."""
    parser = argparse.ArgumentParser(description="Print a tag's section of CHANGELOG.md.")
    parser.add_argument("tag", help="for example v0.1.0")
    tag = parser.parse_args().tag
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    try:
        sys.stdout.write(notes(tag, changelog, pyproject["project"]["version"]))
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
