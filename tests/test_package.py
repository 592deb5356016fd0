"""Promise: who opens the package for the first time finds the right place in it.

The arrows between its rooms are contracts of import-linter, in `make lint`.
"""

import ast
from pathlib import Path

import mlci

ROOT = Path(mlci.__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py") if not path.stem.startswith("__"))
LONGEST = 350  # lines


def test_a_module_is_read_in_one_sitting() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path: length for path, length in lengths.items() if length > LONGEST} == {}


def test_a_name_means_one_thing() -> None:
    """No function or class has the name of a module, letter for letter."""
    modules = {path.stem for path in MODULES}
    assert len(modules) > 50
    both = [
        f"{path.stem}.{node.name}"
        for path in MODULES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in modules
    ]
    assert both == []


def test_the_map_names_rooms_that_exist() -> None:
    package = ROOT.parents[1]
    rows = (package / "README.md").read_text(encoding="utf-8").splitlines()
    named = [row.split("|")[2] for row in rows if row.startswith("| ") and "edit" not in row]
    assert len(named) > 5
    for cell in named:
        folder = ""
        for name in cell.split("`")[1::2]:
            path = Path(name) if "/" in name else Path(folder, name)
            assert (package / path).exists(), name
            folder = str(path.parent)
