"""The template that this project was made from: its versions, and rendering it with the answers."""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

from mlci.place import spec
from mlci.storage.tools import ask
from mlci.work.duplicate import changes, git

LINK = Path(".cruft.json")
RESTORE = f"git checkout HEAD -- {LINK}"
# A template that asks for a password cannot be reached; lines that are cut in pieces tell little.
# cruft compares files only, so the template's hook need not lock packages for it.
QUICK = {"GIT_TERMINAL_PROMPT": "0", "COLUMNS": "1000", "MLCI_FILES_ONLY": "1"}
UNLINKED = """\
.cruft.json, which says from which template this project was made, is missing. Type
  uvx cruft link ADDRESS-OF-THE-TEMPLATE
  git add .cruft.json
  git commit -m "Link the template\""""
NO_CRUFT = "cruft, which renders the template, is not installed, and neither is uv."


def uv() -> str:
    """Return how to call uv, which tells `uv run` where it is itself."""
    return os.environ.get("UV") or "uv"


def link() -> dict[str, Any]:
    """Return what `.cruft.json` says.

    Raises:
        ValueError: it is no JSON, as after a merge with conflicts, or says nothing of a template.
    """
    try:
        found: dict[str, Any] = json.loads(LINK.read_text(encoding="utf-8"))
        found["template"], found["commit"], found["context"]["cookiecutter"]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{LINK} cannot be read ({error!r}): {RESTORE}") from None
    return found


def versions() -> tuple[dict[str, str], str]:
    """Ask the template's repository which versions it has, and do not wait for it long.

    Returns:
        The commit of the newest version, as "HEAD", and those of the tags by their names; or
        nothing, and why. The newest version is the head of the branch that the project was made
        from, else of the default branch.
    """
    linked = link()
    branch = f"refs/heads/{linked.get('checkout')}"
    asked, output = ask("git", "ls-remote", linked["template"], "HEAD", branch, "refs/tags/*")
    listed = re.findall(r"^([0-9a-f]{40,64})\t(\S+)$", output, re.MULTILINE)
    # A repository that is itself a clone has names such as refs/remotes/origin/HEAD as well.
    listed = [pair for pair in listed if not pair[1].startswith("refs/remotes/")]
    # Git lists the commit that an annotated tag stands for, marked by ^{}, after the tag itself.
    found = {name.removesuffix("^{}").removeprefix("refs/tags/"): commit for commit, name in listed}
    if not asked or "HEAD" not in found:
        return {}, reason(output, {})
    found["HEAD"] = found.pop(branch, found["HEAD"])
    return found, ""


def title(commit: str, found: dict[str, str]) -> str:
    """Return how to name a version: by its tag, or by its commit in short."""
    tags = [name for name, tagged in found.items() if tagged == commit and name != "HEAD"]
    return tags[-1] if tags else commit[:7]


def start(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run cruft, or cookiecutter, which cruft brings along; its output is kept.

    Raises:
        OSError: it is not installed, and neither is uv, which could get it.
    """
    begin = [] if shutil.which(tool) else [uv(), "tool", "run", "--from", "cruft"]
    return subprocess.run(
        [*begin, tool, *arguments], env=os.environ | QUICK, stdin=subprocess.DEVNULL, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
    )  # fmt: skip


def update_command(answers: dict[str, str]) -> list[str]:
    """Return the command by which cruft renders the template with these answers."""
    at = ["--checkout", link()["commit"]]
    renewed = ["--variables-to-update", json.dumps(answers)]
    return ["cruft", "update", "--skip-apply-ask", *at, *renewed]


def render(answers: dict[str, str]) -> str:
    """Render the template in the working directory; return why that failed, or nothing."""
    if not LINK.exists():
        return UNLINKED
    before, command = link(), update_command(answers)
    print(f"$ {shlex.join(['uvx', *command])}", flush=True)
    try:
        done = start(*command)
    except OSError:
        return NO_CRUFT
    conflicts = {name for name in changes() if name.endswith(".rej")}
    conflicts |= set(git("diff", "--name-only", "--diff-filter=U").split("\n")) - {""}
    if conflicts:
        return f"Your own edits meet the template's in {', '.join(sorted(conflicts))}."
    if done.returncode or spec()["url"] != answers["remote_url"]:
        return f"The template {before['template']} could not be rendered: {reason(done.stdout, answers)}"
    tidy(before)
    return ""


def reason(output: str, answers: dict[str, str]) -> str:
    """Return what says most of cruft's output: Git's words, those of the template, or the last."""
    if said := re.search(r"fatal: \S.*|^error: \S.*", output, re.MULTILINE):
        return said[0].strip("' ")[:300]
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    refused = [line for line in lines if line.startswith(tuple(answers))]
    return (refused or lines or ["it printed nothing"])[-1][:300]


def tidy(before: dict[str, Any]) -> None:
    """Take out of `.cruft.json` what cruft adds: the template's own table, and a fixed commit."""
    answers = link()["context"]["cookiecutter"]
    kept = {name: value for name, value in answers.items() if not name.startswith("_")}
    state = before | {"context": {"cookiecutter": kept}}
    LINK.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
