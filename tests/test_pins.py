"""Promise: what the template generates is pinned, and the pins are renewed."""

import os
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest
from conftest import TEMPLATE
from loading import load

WORKFLOWS = "{{cookiecutter.project_slug}}/.github/workflows"


@pytest.fixture
def pins() -> ModuleType:
    """The script, loaded as a module."""
    return load(TEMPLATE / "scripts" / "pins.py")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the files with pins."""
    shutil.copytree(TEMPLATE / WORKFLOWS, tmp_path / WORKFLOWS)
    shutil.copy(TEMPLATE / "cookiecutter.json", tmp_path)
    return tmp_path


def answers(monkeypatch: pytest.MonkeyPatch, pins: ModuleType, version: str, digest: str) -> None:
    """Answer as GitHub and a registry do."""

    def ask(*command: str) -> str:
        if command[0] == "docker":
            return digest
        return version if command[2].endswith("latest") else "ab" * 20

    monkeypatch.setattr(pins, "ask", ask)


def text_of(checkout: Path) -> str:
    """Return all files of the checkout, one after the other."""
    return "".join(path.read_text() for path in sorted(checkout.rglob("*")) if path.is_file())


def test_every_pin_is_renewed(pins, checkout: Path, monkeypatch) -> None:
    answers(monkeypatch, pins, "v99.0.0", "sha256:" + "cd" * 32)
    count = len(re.findall(r"uses: ", text_of(checkout)))
    assert len(pins.renew(checkout)) == 2
    text = text_of(checkout)
    assert count == len(re.findall(rf"uses: [\w/-]+@{'ab' * 20} # v99\.0\.0\n", text)) > 0
    assert f'@sha256:{"cd" * 32}"' in text


def test_an_answer_that_is_no_pin_changes_nothing(pins, checkout: Path, monkeypatch) -> None:
    answers(monkeypatch, pins, "latest; rm -rf /", "not found")
    assert pins.renew(checkout) == []


@pytest.mark.skipif(os.name == "nt", reason="it runs on Linux")
def test_it_asks_gh_and_docker(pins, checkout: Path, monkeypatch, tmp_path_factory) -> None:
    tools = tmp_path_factory.mktemp("tools")
    for name, script in {
        "gh": 'case "$2" in *latest) echo v99.0.0;; */commits/v99.0.0) printf "ab%.0s" $(seq 20);; esac',
        "docker": 'echo "sha256:$(printf "cd%.0s" $(seq 32))"',
    }.items():
        (tools / name).write_text(f"#!/bin/bash\n{script}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    assert pins.renew(checkout)
    assert "ab" * 20 in text_of(checkout)
    assert "cd" * 32 in text_of(checkout)
