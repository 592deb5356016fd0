"""One part of a report that fails costs that part only."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def fence(what: str, make: Callable[[], T], instead: T, problems: list[str]) -> T:
    """Return what `make` does; where it fails, `instead`, and the problems have one more sentence.

    What a user's files may hold, and what libraries raise of it, cannot be listed.
    """
    try:
        return make()
    except Exception as error:  # noqa: BLE001
        reason = " ".join(str(error).split())
        problems.append(f"{what} cannot be shown: {type(error).__name__} {reason}".strip())
        return instead
