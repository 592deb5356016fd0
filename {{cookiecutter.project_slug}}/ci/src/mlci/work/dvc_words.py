"""What DVC says, as far as a run acts on it. A test holds a sample of each, said by DVC itself."""

import re

FAILED_STAGE = re.compile(r"failed to reproduce '([^']+)'")
ERROR = re.compile(r"^ERROR: (?:unexpected error - )?(.+)$", re.MULTILINE)
RUNNING_STAGE = re.compile(r"^Running stage '([^']+)'", re.MULTILINE)
NEXT_STAGE = re.compile(r"(Running stage|Stage) '([^']+)'")
CACHED_STAGE = re.compile(r"^Stage '([^']+)' is cached - skipping run", re.MULTILINE)
PUSHED = re.compile(r"^(\d+) files? pushed", re.MULTILINE)
# A fetch whose remote answered, and does not have everything.
NOT_THERE = re.compile(
    r"do not exist neither locally nor on remote|Checkout failed for following targets"
    r"|\d+ files? failed to download"
)
NOT_ALLOWED = re.compile(
    r"\b40[135]\b|Forbidden|Access ?Denied|[Pp]ermission ?(was )?[Dd]enied|[Rr]ead-only"
    r"|AuthorizationPermissionMismatch|AuthorizationFailure"
)
DISK_FULL = re.compile(r"No space left on device|Errno 28\b|WinError 112\b|Disk quota exceeded")


def failed_stage(output: str) -> str:
    """Return the stage that DVC could not reproduce, or an empty string."""
    found = FAILED_STAGE.search(output)
    return found[1] if found else ""


def error_of(output: str) -> str:
    """Return the error that DVC ended with, in one line."""
    errors = ERROR.findall(output)
    last = output.strip().rpartition("\n")[2]
    return errors[-1] if errors else last or "it printed nothing"


def ran_stages(output: str) -> list[str]:
    """Return the stages that were run, or whose results the cache had."""
    return [*RUNNING_STAGE.findall(output), *cached_stages(output)]


def cached_stages(output: str) -> list[str]:
    """Return the stages that were not run, since the cache had their results."""
    return CACHED_STAGE.findall(output)


def stage_times(lines: list[tuple[float, str]], ended: float) -> dict[str, float]:
    """Return the seconds of each stage that was run, its results put into the cache included.

    Args:
        lines: Those in which DVC names the next stage, with the second of each.
        ended: The second at which DVC ended.

    """
    begun = [(when, found) for when, line in lines if (found := NEXT_STAGE.match(line))]
    ends = [when for when, _ in begun[1:]] + [ended]
    return {
        found[2]: end - when
        for (when, found), end in zip(begun, ends, strict=True)
        if found[1] == "Running stage"
    }


def pushed_files(output: str) -> int:
    """Return how many files were pushed."""
    found = PUSHED.search(output)
    return int(found[1]) if found else 0


def is_not_there(output: str) -> bool:
    """Tell whether a fetch failed only since the remote lacks something."""
    return bool(NOT_THERE.search(output))


def is_not_allowed(output: str) -> bool:
    """Tell whether a push failed since the remote does not let this key write."""
    return bool(NOT_ALLOWED.search(output))


def is_disk_full(output: str) -> bool:
    """Tell whether a command failed since there was no room to write."""
    return bool(DISK_FULL.search(output))
