"""The files of any commit and of the checkout, read by one Git process.

A file or folder is known by its identity: its object id in Git, or its path in the checkout. What
has the same identity has the same content, so it is read, parsed and hashed once, in however many
commits it is.
"""

import hashlib
import json
import posixpath
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from mlci.history import formats
from mlci.history.repository import git, is_repository

if TYPE_CHECKING:
    from dvc.ignore import DvcIgnorePatterns

HERE = "here:"  # how the identities of the checkout's files begin; no object id does
KINDS = {b"40000": "folder", b"120000": "link", b"160000": "submodule"}
SMALL = 100_000  # bytes of a file that is kept
MOST_LINKS = 8  # from link to link; more is a circle


class Entry(NamedTuple):
    """A file or folder: its identity and its kind, "file", "folder", "link" or "submodule"."""

    identity: str
    kind: str


class Objects:
    """The contents of files and folders by their identities."""

    def __init__(self) -> None:
        self.folders: dict[str, dict[str, Entry]] = {}
        self.contents: dict[str, bytes] = {}  # of small files, which are hashed and parsed
        self.parsed: dict[tuple[str, str], Any] = {}
        self.dvc_files: dict[tuple[str, str, str], list[str]] = {}  # below a folder
        self.checksums: dict[tuple[str, ...], str] = {}

    def __enter__(self) -> Self:
        if not is_repository():
            raise ValueError("this folder is no Git repository; `git init` makes it one")
        self.prefix = git("rev-parse", "--show-prefix").strip("/")
        self.git = subprocess.Popen(
            ["git", "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.git.communicate()

    def ask(self, name: str) -> tuple[str, bytes]:
        """Return the id and the content of a Git object, both empty where there is none."""
        assert self.git.stdin and self.git.stdout
        self.git.stdin.write(f"{name}\n".encode())
        self.git.stdin.flush()
        header = self.git.stdout.readline().split()
        if len(header) != 3 or not header[2].isdigit():
            return "", b""
        return header[0].decode(), self.git.stdout.read(int(header[2]) + 1)[:-1]

    def files(self, sha: str) -> "Files":
        """Return the files of a commit; with an empty sha, those of the checkout."""
        if not sha:
            return self.checkout
        identity, content = self.ask(sha + "^{tree}")
        if identity and identity not in self.folders:
            self.folders[identity] = parse_folder(content, len(identity) // 2)
        return Files(self, Entry(identity, "folder"), self.prefix)

    @cached_property
    def checkout(self) -> "Files":
        """The files of the checkout, without those that Git ignores, such as the data."""
        top = Path(git("rev-parse", "--show-toplevel"))
        everything = ("--cached", "--others", "--exclude-standard", "--full-name", "-z", "--", ":/")
        for path in git("ls-files", *everything).split("\0"):
            if path and (top / path).is_file():
                self.remember(path, top)
        self.folders.setdefault(HERE, {})
        return Files(self, Entry(HERE, "folder"), self.prefix)

    def remember(self, path: str, top: Path) -> None:
        """Put a file of the checkout into its folder, and that into its own."""
        entry, name = Entry(f"{HERE}{top / path}", "file"), posixpath.basename(path)
        while name:
            path = posixpath.dirname(path)
            parent = f"{HERE}{path}"
            is_known = parent in self.folders
            self.folders.setdefault(parent, {})[name] = entry
            if is_known:
                return
            entry, name = Entry(parent, "folder"), posixpath.basename(path)

    def folder(self, identity: str) -> dict[str, Entry]:
        """Return what lies in a folder."""
        if identity not in self.folders:
            _, content = self.ask(identity)
            self.folders[identity] = parse_folder(content, len(identity) // 2)
        return self.folders[identity]

    def content(self, identity: str) -> bytes:
        """Return the content of a file."""
        if identity.startswith(HERE):
            return Path(identity.removeprefix(HERE)).read_bytes()
        if identity in self.contents:
            return self.contents[identity]
        _, content = self.ask(identity)
        if len(content) <= SMALL:
            self.contents[identity] = content
        return content

    def parse(self, identity: str, path: str) -> Any:
        """Return what a YAML, JSON, TOML or Python file holds.

        Raises:
            ValueError: it is malformed, in a few words.
        """
        key = identity, posixpath.splitext(path)[1]
        if key not in self.parsed:
            try:
                self.parsed[key] = formats.parse(self.content(identity), path)
            except (OSError, ValueError) as error:
                self.parsed[key] = ValueError(str(error))
        if isinstance(self.parsed[key], ValueError):
            raise self.parsed[key]
        return self.parsed[key]


def parse_folder(content: bytes, size: int) -> dict[str, Entry]:
    """Read a tree object, whose ids have `size` bytes: https://git-scm.com/docs/git-mktree."""
    entries = {}
    position = 0
    while position < len(content):
        space = content.index(b" ", position)
        end = content.index(b"\0", space)
        name = content[space + 1 : end].decode(errors="surrogateescape")
        identity = content[end + 1 : end + 1 + size].hex()
        entries[name] = Entry(identity, KINDS.get(content[position:space], "file"))
        position = end + 1 + size
    return entries


@dataclass(frozen=True)
class Files:
    """The files of one revision; paths go from the project's root and have `/`."""

    objects: Objects
    top: Entry  # the folder of the whole repository
    prefix: str  # the project's root in it, empty where they are the same

    def find(self, path: str, links: int = 0) -> Entry | None:
        """Return what lies there; None where there is nothing or it is outside the repository."""
        inside = posixpath.normpath(posixpath.join(self.prefix, path))
        if inside == ".":
            return self.top
        if posixpath.isabs(path) or inside.partition("/")[0] == ".." or links > MOST_LINKS:
            return None
        entry: Entry | None = self.top
        walked = ""
        for name in inside.split("/"):
            entry = self.objects.folder(entry.identity).get(name) if entry else None
            if entry is None:
                return None
            if entry.kind == "link":
                target = self.objects.content(entry.identity).decode(errors="surrogateescape")
                shown = posixpath.relpath(posixpath.join("/", walked, target), f"/{self.prefix}")
                is_inside = not posixpath.isabs(target)
                entry = self.find(shown, links + 1) if is_inside else None
            if entry is None or (entry.kind == "submodule"):
                return None
            walked = posixpath.join(walked, name)
            if entry.kind == "file":
                return entry if walked == inside else None
        return entry

    def parse(self, path: str) -> Any:
        """Return what a file holds, None where there is none.

        Raises:
            ValueError: it is malformed, in a few words.
        """
        entry = self.find(path)
        is_file = entry and entry.kind == "file"
        return self.objects.parse(entry.identity, path) if entry and is_file else None

    def load(self, path: str) -> Any:
        """Return what a file holds, None where there is none or it is malformed."""
        try:
            return self.parse(path)
        except ValueError:
            return None

    def text(self, path: str) -> str:
        """Return the text of a file, empty where there is none."""
        entry = self.find(path)
        is_file = entry and entry.kind == "file"
        return (
            self.objects.content(entry.identity).decode(errors="replace")
            if entry and is_file
            else ""
        )

    @cached_property
    def ignored(self) -> "DvcIgnorePatterns | None":
        """The patterns of the project's `.dvcignore`, which DVC does not hash or look into."""
        lines = [line.strip() for line in self.text(".dvcignore").splitlines()]
        patterns = [line for line in lines if line and not line.startswith("#")]
        if not patterns:
            return None
        from dvc.ignore import DvcIgnorePatterns  # half a second, which most need not wait

        return DvcIgnorePatterns(patterns, "/", "/")

    def inner(self, path: str, identity: str) -> list[tuple[str, Entry]]:
        """Return the paths and entries of a folder that DVC looks at."""
        listed = []
        for name, entry in self.objects.folder(identity).items():
            is_folder = entry.kind == "folder"
            if self.ignored and self.ignored.matches(
                f"/{path}".rstrip("/") or "/", name, is_folder
            ):
                continue
            listed.append((posixpath.join(path, name), entry))
        return listed

    def walk(self, path: str, identity: str) -> list[tuple[str, Entry]]:
        """Return every file of a folder, at whatever depth."""
        found = []
        for inner, entry in self.inner(path, identity):
            if entry.kind == "folder":
                found += self.walk(inner, entry.identity)
            else:
                found.append((inner, entry))
        return found

    def checksum(self, path: str, *, old: bool) -> str:
        """Return the MD5 that `dvc.lock` has of a file or a folder; empty where it is not in Git.

        DVC 2 (`old`) hashed text with the line ends of Unix.
        """
        entry = self.find(path)
        if entry is None:
            return ""
        if entry.kind == "file":
            return self.file_checksum(entry.identity, old)
        key = (entry.identity, path, str(old), self.text(".dvcignore"))
        if key in self.objects.checksums:
            return self.objects.checksums[key]
        listed, has_links = [], False
        for name, inner in self.walk(path, entry.identity):
            file: Entry | None = inner
            if inner.kind != "file":
                has_links, file = True, self.find(name)
            if file is None or file.kind != "file":  # DVC looks into no folder by a link
                continue
            inside = posixpath.relpath(name, path)
            listed.append({"md5": self.file_checksum(file.identity, old), "relpath": inside})
        listed.sort(key=lambda one: one["relpath"])
        checksum = md5(json.dumps(listed, sort_keys=True).encode()) + ".dir"
        if not has_links:  # the same folder has the same files in every commit
            self.objects.checksums[key] = checksum
        return checksum

    def file_checksum(self, identity: str, old: bool) -> str:
        """Return the MD5 of a file."""
        key = (identity, str(old))
        if key not in self.objects.checksums:
            content = self.objects.content(identity)
            if old and b"\0" not in content:
                content = content.replace(b"\r\n", b"\n")
            self.objects.checksums[key] = md5(content)
        return self.objects.checksums[key]


def md5(content: bytes) -> str:
    """Return the MD5 as hexadecimal digits."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
