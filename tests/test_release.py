"""Promise: a tag becomes a release with its section of the changelog, or says why not."""

import tomllib

import pytest
from conftest import TEMPLATE, run
from loading import load

VERSION = tomllib.loads((TEMPLATE / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "version"
]
CHANGELOG = (TEMPLATE / "CHANGELOG.md").read_text(encoding="utf-8")
notes = load(TEMPLATE / "scripts" / "notes.py")


def test_the_version_of_this_template_has_its_section() -> None:
    """A version is raised together with its section, so that its tag can be released."""
    done = run("python", "scripts/notes.py", f"v{VERSION}", cwd=TEMPLATE)
    assert done.stdout in CHANGELOG
    assert len(done.stdout) > 100
    assert "\n## " not in done.stdout


def test_each_version_gets_its_own_section() -> None:
    text = "# Changelog\n\n## Unreleased\n\n- c\n\n## 1.1.0 (2027-01-02)\n\n- b\n- B\n"
    text += "\n## 1.10.0 (2027-01-01)\n\n- x\n\n## 1.0.0 (2026-12-31)\n\n- a\n"
    assert notes.notes("v1.1.0", text, "1.1.0") == "- b\n- B\n"
    assert notes.notes("v1.0.0", text, "1.0.0") == "- a\n"


@pytest.mark.parametrize(
    ("tag", "section", "sentence"),
    [
        ("v9.9.9", "- a", "so the tag is v1.0.0, not v9.9.9"),
        ("1.0.0", "- a", "so the tag is v1.0.0, not 1.0.0"),
        ("v1.0.0", "", "no text below a heading '## 1.0.0 "),
    ],
)
def test_what_does_not_fit_is_no_release(tag: str, section: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        notes.notes(tag, f"## 1.0.0 (2027-01-01)\n\n{section}\n\n## 0.9.0 (2026-01-01)\n", "1.0.0")


def test_a_wrong_tag_fails_the_workflow_with_the_sentence() -> None:
    done = run("python", "scripts/notes.py", "v0.0.0", cwd=TEMPLATE, check=False)
    assert done.returncode == 1
    assert (
        done.stderr
        == f"pyproject.toml says version {VERSION}, so the tag is v{VERSION}, not v0.0.0\n"
    )
