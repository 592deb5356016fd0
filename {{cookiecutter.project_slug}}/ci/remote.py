"""The remote's secrets: which there are, which are missing, and how they reach DVC.

The only module that reads `ci/remote.json`, which the template writes.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any


@cache
def spec() -> dict[str, Any]:
    """Return what the project knows of its remote: its kind and its secrets."""
    return json.loads(
        Path(__file__).with_name("remote.json").read_text(encoding="utf-8")
    )


def missing() -> list[str]:
    """Return the required secrets that are unset or empty, as CI passes those it does not have."""
    required = (secret["name"] for secret in spec()["secrets"] if secret["required"])
    return [name for name in required if not os.environ.get(name)]


@contextmanager
def credentials() -> Iterator[dict[str, str]]:
    """Yield the environment for DVC, without the empty secrets, which SDKs take for values."""
    names = {secret["name"] for secret in spec()["secrets"]}
    yield {
        name: value for name, value in os.environ.items() if value or name not in names
    }


def masked(text: str) -> str:
    """Return the text without the values of the secrets: a report is public where a log is not."""
    for secret in spec()["secrets"]:
        for line in os.environ.get(secret["name"], "").splitlines():
            if len(line.strip()) >= 6:  # noqa: PLR2004 (shorter ones, as `{`, are in every text)
                text = text.replace(line.strip(), "***")
    return text
