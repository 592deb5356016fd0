"""The data that DVC tracks: what its metadata say, and where its copies lie."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a leaderboard, which reads no data, need not wait for these
    from dvc.output import Output as DvcOutput
    from dvc.repo import Repo


@dataclass(frozen=True)
class Output:
    """A file or folder that DVC tracks, at one revision. Sizes are in bytes."""

    path: str
    checksum: str
    size: int | None
    files: int | None
    is_folder: bool
    cached: Path = field(compare=False)  # where it lies in the cache, if it does

    def listing(self) -> dict[str, str] | None:
        """Map each file in it to its checksum; None where the folder's listing is not here."""
        if not self.is_folder:
            return {self.path: self.checksum}
        try:
            entries = json.loads(self.cached.read_bytes())
            return {f"{self.path}/{entry['relpath']}": entry["md5"] for entry in entries}
        except (OSError, ValueError, KeyError, TypeError):
            return None


def cache_folder() -> Path:
    """Return the folder of this project's cache, in which files lie by their MD5."""
    from dvc.config import Config

    home = Path(".dvc").resolve()
    config = Config(dvc_dir=str(home))
    return Path(config["cache"].get("dir") or home / "cache", "files", "md5")


def relative(repo: "Repo", path: str) -> str:
    """Return a path of the repository's current revision, from the project's root, with `/`."""
    return str(repo.fs.relpath(path, repo.root_dir)).replace(os.sep, "/")


def read_outputs(repo: "Repo") -> dict[str, Output]:
    """Return the data that DVC tracks in the checkout, as DVC sees it."""
    return outputs_of(repo, repo.index.outs)


def outputs_of(repo: "Repo", outs: "Iterable[DvcOutput]") -> dict[str, Output]:
    """Return those of DVC's outputs that are in its cache, by their paths."""
    outputs = {}
    for out in outs:
        if out.use_cache and out.hash_info and out.hash_info.value:
            checksum = out.hash_info.value
            path = relative(repo, out.fs_path)
            outputs[path] = Output(
                path=path,
                checksum=checksum,
                size=out.meta and out.meta.size,
                files=out.meta and out.meta.nfiles,
                is_folder=bool(out.hash_info.isdir),
                cached=Path(out.cache.oid_to_path(checksum)),
            )
    return outputs
