"""Find damaged files in DVC's local cache.

DVC trusts a cached file because it is read-only, so a flipped bit would be trained on, and pushed
to everyone, under the name of the good file. Here each cached file that this checkout uses is
hashed once, and again only when its inode, size or times changed: that is every time on a fresh
CI machine, and on a laptop the price of a `stat`.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mlci.history.metadata import Output

CHECKSUM = re.compile(r"[0-9a-f]{32}")
SEEN = Path(".dvc/tmp/ci-verified.json")  # {cached file: its identity when it was hashed}


def identity(path: Path) -> list[int] | None:
    """Return what changes whenever a file is written, its change time included."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return [stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def listed_files(outputs: Iterable[Output]) -> Iterator[tuple[Path, str, str]]:
    """Yield (cached file, the tracked path, its output) of what the listings of folders name."""
    for out in outputs:
        cache = out.cached.parent.parent
        for path, checksum in (out.listing() or {}).items() if out.is_folder else ():
            if CHECKSUM.fullmatch(checksum):  # anything else may lead out of the cache
                yield cache / checksum[:2] / checksum[2:], path, out.path


def new_files(outputs: Mapping[str, Output], since: int) -> dict[str, int]:
    """Return {cached file: its bytes} of what came into the cache since then (in nanoseconds)."""
    paths = [out.cached for out in outputs.values()]
    paths += [path for path, *_ in listed_files(outputs.values())]
    found = {str(path): now for path in paths if (now := identity(path))}
    return {path: size for path, (_, size, _, changed) in found.items() if changed >= since}


def is_damaged(path: Path) -> bool:
    """Tell whether the content is not what the name of a cached file says (its MD5)."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    except FileNotFoundError:
        return False
    return found.hexdigest() != f"{path.parent.name}{path.stem}"


def remove_damaged(outputs: dict[str, Output]) -> dict[str, str]:
    """Remove damaged files from the cache; return {tracked path: its output} of what they held.

    A damaged listing of a folder is removed before it is read: what it names may be anything.
    """
    try:
        seen = json.loads(SEEN.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        seen = {}
    # DVC 2 hashed text in another way, and kept it outside the folder `md5`.
    ours = [out for out in outputs.values() if out.cached.parent.parent.name == "md5"]
    good: dict[str, list[int]] = {}
    damaged = check({out.cached: (out.path, out.path) for out in ours}, seen, good)
    damaged |= check({path: names for path, *names in listed_files(ours)}, seen, good)
    SEEN.parent.mkdir(parents=True, exist_ok=True)
    SEEN.write_text(json.dumps(good), encoding="utf-8")
    return damaged


def check(
    files: Mapping[Path, Sequence[str]], seen: dict[str, list[int]], good: dict[str, list[int]]
) -> dict[str, str]:
    """Hash what is new or changed among cached files, and remove what is damaged.

    Args:
        files: {cached file: (the tracked path, its output)}.
        seen: The identities of files that were hashed before.
        good: Is given the identities of those that are as they should be.

    Returns:
        {tracked path: its output} of what was removed.

    """
    known = {path: now for path in files if (now := identity(path))}
    suspects = [path for path, now in known.items() if seen.get(str(path)) != now]
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # hashing lets other threads run
        verdicts = list(threads.map(is_damaged, suspects))
    damaged = {path for path, bad in zip(suspects, verdicts, strict=True) if bad}
    for path in damaged:
        path.chmod(0o644)  # Windows removes no read-only file
        path.unlink()
    good.update({str(path): now for path, now in known.items() if path not in damaged})
    return {files[path][0]: files[path][1] for path in damaged}
