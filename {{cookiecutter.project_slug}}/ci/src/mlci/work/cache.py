"""Find damaged files in DVC's local cache.

DVC trusts a cached file because it is read-only, so a flipped bit would be trained on, and pushed
to everyone, under the name of the good file. Here each cached file that this checkout uses is
hashed once, and again only when its inode, size or times changed: that is every time on a fresh
CI machine, and on a laptop the price of a `stat`.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mlci.history.metadata import Output

SEEN = Path(".dvc/tmp/ci-verified.json")  # {cached file: its identity when it was hashed}


def identity(path: Path) -> list[int] | None:
    """Return what changes whenever a file is written, its change time included."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return [stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def cached_files(outputs: dict[str, Output]) -> Iterator[tuple[Path, str, str]]:
    """Yield (cached file, the tracked path, its output) of all that this checkout uses."""
    for out in outputs.values():
        cache = out.cached.parent.parent
        if cache.name != "md5":  # written by DVC 2, which hashed text in another way
            continue
        yield out.cached, out.path, out.path
        for path, checksum in (out.listing() or {}).items() if out.is_folder else ():
            yield cache / checksum[:2] / checksum[2:], path, out.path


def is_damaged(path: Path) -> bool:
    """Tell whether the content is not what the name of a cached file says (its MD5)."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    except FileNotFoundError:
        return False
    return found.hexdigest() != f"{path.parent.name}{path.stem}"


def remove_damaged(outputs: dict[str, Output]) -> dict[str, str]:
    """Remove damaged files from the cache; return {tracked path: its output} of what they held."""
    try:
        seen = json.loads(SEEN.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        seen = {}
    files = {path: names for path, *names in cached_files(outputs)}
    known = {path: identity(path) for path in files}
    suspects = [path for path, now in known.items() if now and seen.get(str(path)) != now]
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # hashing lets other threads run
        verdicts = threads.map(is_damaged, suspects)
        damaged = {path for path, bad in zip(suspects, verdicts, strict=True) if bad}
    for path in damaged:
        path.chmod(0o644)  # Windows removes no read-only file
        path.unlink()
    good = {str(path): now for path, now in known.items() if now and path not in damaged}
    SEEN.parent.mkdir(parents=True, exist_ok=True)
    SEEN.write_text(json.dumps(good), encoding="utf-8")
    return {files[path][0]: files[path][1] for path in damaged}
