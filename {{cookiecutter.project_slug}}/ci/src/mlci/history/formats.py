"""YAML, JSON, TOML and Python files as DVC reads them, YAML thirty times faster."""

import json
import posixpath
import re
from typing import Any, ClassVar

import yaml

MOST_VALUES = 100_000  # of one file; YAML's aliases can write billions of them in a few lines


class TooLargeError(ValueError):
    """A file that holds too many values to work with."""


class FastYaml(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML in C with the rules of YAML 1.2, which DVC follows.

    PyYAML follows 1.1, where `yes` is true, `010` is 8, `1:30` is 90 and `1e-3` is text.
    https://yaml.org/spec/1.2.2/#103-core-schema
    """

    # The rules of 1.1 but for these three kinds, which get those of 1.2 below.
    yaml_implicit_resolvers: ClassVar = {
        first: [rule for rule in rules if not rule[0].endswith(("bool", "int", "float"))]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def whole_number(loader: FastYaml, node: yaml.ScalarNode) -> int:
    """Read a decimal, octal (0o17) or hexadecimal (0x1F) number."""
    text = loader.construct_scalar(node).replace("_", "")
    has_base = text.lstrip("+-").lower().startswith(("0o", "0x", "0b"))
    return int(text, 0) if has_base else int(text)


for tag, pattern, first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0o[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+|[0-9][0-9_]*)", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
):
    FastYaml.add_implicit_resolver(
        f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})$"), list(first)
    )
FastYaml.add_constructor("tag:yaml.org,2002:int", whole_number)


def parse(content: bytes, path: str) -> Any:
    """Return what a file holds; an empty YAML file is an empty mapping, as for DVC.

    Raises:
        ValueError: it is malformed or holds too much, in a few words on one line.
    """
    suffix = posixpath.splitext(path)[1].lower()
    try:
        if suffix == ".json":
            found = json.loads(content.decode()) or {}
        elif suffix in (".toml", ".py"):
            found = parse_by_dvc(content.decode(), path, suffix)
        else:
            found = yaml.load(content.decode(), FastYaml) or {}
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from None
    if (len(content) > MOST_VALUES or b"&" in content) and is_larger(found, MOST_VALUES):
        raise TooLargeError(f"it holds more than {MOST_VALUES:,} values")
    return found


def parse_by_dvc(text: str, path: str, suffix: str) -> Any:
    """Return what a TOML or Python file holds.

    Raises:
        ValueError: it is malformed.
    """
    from dvc.exceptions import DvcException  # half a second, which most projects need not wait
    from dvc.utils.serialize import PARSERS

    try:
        return PARSERS[suffix](text, path)
    except DvcException as error:
        raise ValueError(str(error.__cause__ or error)) from None


def is_larger(value: Any, most: int) -> bool:
    """Tell whether more values than that are in it, however deep; stops counting beyond."""
    waiting = [value]
    count = 0
    while waiting and count <= most:
        inner = waiting.pop()
        count += 1
        if isinstance(inner, dict):
            waiting.extend(inner.values())
        elif isinstance(inner, list):
            waiting.extend(inner)
    return count > most
