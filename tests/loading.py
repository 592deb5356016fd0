"""Loads a script as a module, whatever its file is called in the template."""

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType


def load(path: Path) -> ModuleType:
    """Return the module of a script."""
    loader = SourceFileLoader(path.name.partition(".")[0], str(path))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module
