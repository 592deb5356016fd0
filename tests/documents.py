"""Follows a document literally: what stands in its fenced blocks is typed into a shell."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import BakedProject, run


def blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield each fenced block: the heading it stands under, its language, and what is in it."""
    heading = ""
    found = re.finditer(r"^(?:#+ ([^\n]+)|```(\w*)\n(.*?)^```)$", text, re.MULTILINE | re.DOTALL)
    for title, language, block in (match.groups() for match in found):
        heading = title or heading
        if block is not None:
            yield heading, language, block


def type_in(project: BakedProject, block: str, **words: str) -> str:
    """Type a block into a shell in the project; return what is printed, and fail where it fails.

    Args:
        project: Where the commands run, with its environment.
        block: The commands.
        words: What a reader puts in the place of a word in capitals or in angle brackets.
    """
    for name, value in words.items():
        block = re.sub(rf"<{name}[^>]*>|\b{name}\b", value, block)
    assert "<" not in block, f"what stands for this? {block}"
    env = os.environ | {"UV_PROJECT_ENVIRONMENT": str(project.environment)}
    done = run("sh", "-e", "-c", block, cwd=project.path, check=False, env=env)
    if done.returncode:
        pytest.fail(f"{block}\nexited {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout + done.stderr


def folder_of(project: BakedProject, path: Path) -> BakedProject:
    """Return another folder in which commands are typed with the same environment."""
    return BakedProject(path, project.environment)
