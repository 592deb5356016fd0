"""What a revision's `dvc.yaml` and `.dvc` files declare, in whatever folders they lie.

Files with `${…}`, `foreach` or `matrix` go through DVC's own resolver, which here reads the files
of any revision; the others, the most by far, are read without it.
"""

import io
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from mlci.history.objects import Entry, Files
from mlci.history.origins import Origin, read_origin

PARAMS = "params.yaml"


@dataclass(frozen=True)
class Stage:
    """One stage; paths go from the project's root, those of other machines stay as they are."""

    name: str  # as dvc.lock calls it
    file: str  # the dvc.yaml that declares it
    folder: str  # where its command runs
    cmd: Any
    deps: tuple[str, ...]  # as they are written, from its folder
    params: dict[str, tuple[str, ...]]  # {file from its folder: keys}; without keys all of the file
    outs: dict[str, bool]  # {path from its folder: whether DVC caches it}
    metrics: tuple[str, ...]  # those of the outs that are metrics
    frozen: bool

    def place(self, path: str) -> str:
        """Return where a path of this stage is, from the project's root."""
        if "://" in path or posixpath.isabs(path):
            return path
        return posixpath.normpath(posixpath.join(self.folder, path))


@dataclass(frozen=True)
class Pipelines:
    """All that one revision declares."""

    stages: tuple[Stage, ...]
    tracked: dict[str, dict[str, Any]]  # {path: what a .dvc file says of this output}
    origins: dict[str, Origin]  # {path: where it was imported from}
    metrics: tuple[str, ...]  # declared at the top of a dvc.yaml
    params: tuple[str, ...]  # likewise
    broken: dict[str, str]  # {file: why it cannot be read}


def read_pipelines(files: Files) -> Pipelines:
    """Read every `dvc.yaml` and `.dvc` file; a broken one spoils no other."""
    stages: list[Stage] = []
    tracked: dict[str, dict[str, Any]] = {}
    origins: dict[str, Origin] = {}
    metrics: list[str] = []
    params: list[str] = []
    broken = {}
    root = files.find(".")
    for path in dvc_files(files, "", root.identity) if root else ():
        folder = posixpath.dirname(path)
        try:
            found = read_mapping(files, path)
            if path.endswith(".dvc"):
                outs = tracked_by(found, folder)
                tracked |= outs
                if origin := read_origin(found):
                    origins |= dict.fromkeys(outs, origin)
                continue
            resolved = resolve(files, path, found)
        except ValueError as error:
            broken[path] = " ".join(str(error).split())
            continue
        stages += [make_stage(path, *item) for item in name_stages(resolved.get("stages"))]
        metrics += [
            posixpath.normpath(posixpath.join(folder, p)) for p in names(resolved.get("metrics"))
        ]
        params += [
            posixpath.normpath(posixpath.join(folder, p)) for p in names(resolved.get("params"))
        ]
    return Pipelines(tuple(stages), tracked, origins, tuple(metrics), tuple(params), broken)


def read_mapping(files: Files, path: str) -> dict[str, Any]:
    """Return what a file of DVC's holds.

    Raises:
        ValueError: it is malformed or no mapping, in a few words.
    """
    found = files.parse(path)
    if isinstance(found, dict):
        return found
    message = "it is no mapping"
    raise ValueError(message)


def dvc_files(files: Files, path: str, identity: str) -> list[str]:
    """Return the paths of DVC's files below a folder, which most commits share."""
    key = identity, path, files.text(".dvcignore")
    known = files.objects.dvc_files
    if key not in known:
        known[key] = list(find_dvc_files(files, path, identity))
    return known[key]


def find_dvc_files(files: Files, path: str, identity: str) -> Iterator[str]:
    """Yield the paths of DVC's files below a folder, without those of projects inside it."""
    inside = files.inner(path, identity)
    for inner, entry in inside:
        is_dvc = posixpath.basename(inner) == "dvc.yaml" or posixpath.splitext(inner)[1] == ".dvc"
        if is_dvc and entry.kind == "file":
            yield inner
    for inner, entry in inside:
        is_own = posixpath.basename(inner) != ".dvc" and entry.kind == "folder"
        if is_own and not is_project(files, entry):
            yield from dvc_files(files, inner, entry.identity)


def is_project(files: Files, entry: Entry) -> bool:
    """Tell whether a folder is a DVC project of its own."""
    return ".dvc" in files.objects.folder(entry.identity)


def tracked_by(found: dict[str, Any], folder: str) -> dict[str, dict[str, Any]]:
    """Return what a `.dvc` file tracks."""
    folder = posixpath.join(folder, str(found.get("wdir") or ""))
    outs = [out for out in as_list(found.get("outs")) if isinstance(out, dict) and "path" in out]
    return {posixpath.normpath(posixpath.join(folder, str(out["path"]))): out for out in outs}


def make_stage(file: str, name: str, body: dict[str, Any]) -> Stage:
    """Make a stage of what was resolved."""
    folder = posixpath.normpath(
        posixpath.join(posixpath.dirname(file), str(body.get("wdir") or ""))
    )
    params: dict[str, tuple[str, ...]] = {}
    for entry in as_list(body.get("params")):
        # A plain name is a key of params.yaml; a mapping has files and their keys.
        given = entry if isinstance(entry, dict) else {PARAMS: [entry]}
        for path, keys in given.items():
            params[str(path)] = (*params.get(str(path), ()), *map(str, keys or []))
    outs: dict[str, bool] = {}
    for kind in ("outs", "metrics", "plots"):
        for path, options in with_options(body.get(kind)):
            outs[path] = options.get("cache", True) is not False
    return Stage(
        name=name,
        file=file,
        folder="" if folder == "." else folder,
        cmd=body.get("cmd"),
        deps=tuple(names(body.get("deps"))),
        params=params,
        outs=outs,
        metrics=tuple(names(body.get("metrics"))),
        frozen=bool(body.get("frozen")),
    )


def name_stages(stages: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return the stages with their names, without what is none."""
    pairs = stages.items() if isinstance(stages, dict) else ()
    return [(str(name), body) for name, body in pairs if isinstance(body, dict)]


def as_list(value: Any) -> list[Any]:
    """Return the entries of a list; of anything else none."""
    return value if isinstance(value, list) else []


def with_options(entries: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the paths in a list of `path` and `path: {options}`, with their options."""
    for entry in as_list(entries):
        pairs = entry.items() if isinstance(entry, dict) else [(entry, {})]
        for path, options in pairs:
            yield str(path), options if isinstance(options, dict) else {}


def names(entries: Any) -> list[str]:
    """Return the paths in a list of `path` and `path: {options}`."""
    return [path for path, _ in with_options(entries)]


def resolve(files: Files, path: str, found: dict[str, Any]) -> dict[str, Any]:
    """Return a `dvc.yaml` without templating.

    Raises:
        ValueError: a template cannot be resolved.
    """
    stages = name_stages(found.get("stages"))
    is_templated = "${" in files.text(path)
    if not is_templated and not any({"foreach", "matrix"} & set(body) for _, body in stages):
        return found
    from dvc.exceptions import DvcException  # half a second, which most projects need not wait
    from dvc.parsing import DataResolver

    try:
        resolver = DataResolver(Reader(files), posixpath.dirname(path), found)
        resolved: dict[str, Any] = resolver.resolve()
        resolved["metrics"] = resolver.resolve_metrics()
        resolved["params"] = resolver.resolve_params()
    except DvcException as error:
        raise ValueError(str(error)) from None
    return resolved


class Reader:
    """What DVC's resolver needs of a repository and its file system, for any revision."""

    config: ClassVar[dict[str, Any]] = {}
    join = staticmethod(posixpath.join)
    normpath = staticmethod(posixpath.normpath)

    def __init__(self, files: Files) -> None:
        self.files = files
        self.fs = self

    def suffix(self, path: str) -> str:
        """Return how the name of a file ends, with its dot."""
        return posixpath.splitext(path)[1]

    def exists(self, path: str) -> bool:
        """Tell whether there is a file or folder."""
        return self.files.find(path) is not None

    def isdir(self, path: str) -> bool:
        """Tell whether there is a folder."""
        entry = self.files.find(path)
        return entry is not None and entry.kind == "folder"

    def open(self, path: str, **_: object) -> io.StringIO:
        """Open a text file."""
        return io.StringIO(self.files.text(path))
