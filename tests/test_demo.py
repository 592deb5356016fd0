"""Promise: `make demo` trains two models, compares them, and says what is worth opening."""

import sys
from pathlib import Path

import pytest
from conftest import TEMPLATE, run

PROJECT = TEMPLATE / "build" / "demo" / "handwritten-digits"


@pytest.mark.slow
def test_the_demo_compares_two_models_and_can_be_run_again() -> None:
    PROJECT.mkdir(parents=True, exist_ok=True)
    leftover = PROJECT / "left by an earlier run"
    leftover.touch()
    status = run("git", "status", "--short", cwd=TEMPLATE).stdout
    done = run(sys.executable, TEMPLATE / "scripts" / "demo.py", cwd=TEMPLATE)

    assert not leftover.exists()
    assert run("git", "status", "--short", cwd=TEMPLATE).stdout == status
    lines = map(str.strip, done.stdout.partition("worth opening")[2].splitlines())
    paths = [Path(line) for line in lines if Path(line).is_absolute()]
    assert len(paths) == 5
    assert all(path.is_file() for path in paths)
    report = (PROJECT / "report.md").read_text(encoding="utf-8")
    assert "`train.model` changed" in report.splitlines()[0]
    assert "| `logistic_regression` |" in report
    assert run("git", "status", "--short", cwd=PROJECT).stdout == ""
