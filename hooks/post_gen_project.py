"""Make a repository of the rendered files: Git, DVC, the remote, the lock, the first commit.

Nothing here may cost the user the project: where a tool is missing or fails, the commands that
remain are printed, ready to paste. What is there already is left alone: a second run adds nothing.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ANSWERS = json.loads(r"""{{ cookiecutter | tojson }}""")
REMOTE = ANSWERS["_remotes"][ANSWERS["remote"]]
ROOT = Path.cwd().resolve()
ENVIRONMENT = dict(os.environ)
LEAST = tuple(map(int, re.findall(r"\d+", ANSWERS["_requires_python"])[:2]))
if sys.version_info >= LEAST:  # the one of .python-version may be missing
    ENVIRONMENT.setdefault("UV_PYTHON", sys.executable)
for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):  # of another repository, where Git
    ENVIRONMENT.pop(name, None)  # itself runs cookiecutter, as `git rebase --exec` does
INSTALL = {"git": "# https://git-scm.com", "uv": "pip install uv"}
GIT = ["git", "-c", "user.useConfigOnly=true"]  # it would make an identity up
IDENTITY = ["git config --global user.name Ada", "git config --global user.email ada@example.com"]


def attempt(*command: str) -> tuple[bool, str]:
    """Run a command; return whether it succeeded, and what it printed. Never raise."""
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=300, env=ENVIRONMENT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error) if shutil.which(command[0]) else f"{command[0]} is not installed"
    return done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace").strip()


def cause(output: str) -> str:
    """Return the line of a tool's output that names the cause: the last one about an error."""
    lines = output.splitlines() or ["no reason given"]
    errors = [line for line in lines if re.match(r"(?i)\W*(fatal|error|caused by)\b|\W*╰─▶", line)]
    return (errors or lines)[-1].strip()


def outer_repository() -> str:
    """Return the top folder of the repository that this project becomes a part of, if any.

    A repository that ignores the project does not count: the project then gets one of its own.
    """
    look = ("git", "-c", "safe.directory=*")  # one that belongs to somebody else counts too
    found, top = attempt(*look, "rev-parse", "--show-toplevel")
    ignored, _ = attempt(*look, "check-ignore", "--quiet", str(ROOT))
    return top if found and Path(top).resolve() != ROOT and not ignored else ""


def storage_url() -> str:
    """Return the remote's URL, or nothing where DVC, which knows ASCII only, cannot write it.

    A local folder is made, and absolute where that is possible: every clone finds it.
    """
    if REMOTE["schemes"]:
        return str(ANSWERS["remote_url"])
    folder = (ROOT / Path(ANSWERS["remote_url"]).expanduser()).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"The folder of the remote could not be made: {error}")
    beside = folder if folder.anchor != ROOT.anchor else os.path.relpath(folder, ROOT / ".dvc")
    ways = [str(folder), Path(beside).as_posix()]
    if url := next(filter(str.isascii, ways), ""):
        return url
    print(f"DVC cannot write {folder} into its configuration. Choose a folder in plain letters:")
    print("  uv run dvc remote add --default storage PATH")
    return ""


def write_dvc_config() -> None:
    """Write what `dvc init` and `dvc remote add` leave in a repository, as each clone has it."""
    folder = ROOT / ".dvc"
    if (folder / "config").exists():
        return
    lines = ["[core]", "    analytics = false"]
    if url := storage_url():
        lines += ["    remote = storage", "['remote \"storage\"']"]
        options = {"url": url} | REMOTE["options"]
        options[REMOTE["endpoint_option"]] = ANSWERS["remote_endpoint"]
        for name, value in options.items():
            mark = "'" if '"' in value else '"'
            quoted = f"{mark}{value}{mark}" if set(value) & set(",#'\"") else value
            lines += [f"    {name} = {quoted}"] if name and value else []
    folder.mkdir(exist_ok=True)
    (folder / "config").write_text("\n".join([*lines, ""]), encoding="utf-8")
    (folder / ".gitignore").write_text("/config.local\n/tmp\n/cache\n", encoding="utf-8")


def link_template() -> None:
    """Write `.cruft.json`, as cruft does for a project of its own: where updates come from."""
    file, folder = ROOT / ".cruft.json", ANSWERS.get("_repo_dir")
    if file.exists() or not folder:  # cruft itself does not name the folder, and writes the file
        return
    places = (Path(ANSWERS["_output_dir"], folder), Path(os.environ.get("PWD", ""), folder))
    here = next((str(path) for path in places if (path / "cookiecutter.json").is_file()), folder)
    look = ("git", "-c", "safe.directory=*", "-C", here)
    tracked, lines = attempt(
        *look, "rev-parse", "HEAD", "HEAD:./cookiecutter.json", "--show-prefix"
    )
    found, origin = attempt(*look, "remote", "get-url", "origin")
    if not (tracked and found and re.match(r"[^/\\]{2,}:", origin)):  # a path is of one machine
        print("No .cruft.json: the template has no address. `uvx cruft link ADDRESS` adds it.")
        return
    commit, _, *directory = lines.splitlines()
    state = {
        "template": re.sub(r"^(https?://)[^/@]*@", r"\1", origin),  # without a token
        "commit": commit,
        "checkout": ANSWERS.get("_checkout"),
        "context": {"cookiecutter": {k: v for k, v in ANSWERS.items() if k[0] != "_"}},
        "directory": directory[0].rstrip("/") if directory else None,
    }
    file.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")


def plan(outer: str) -> list[list[str]]:
    """List the commands that the project still needs, in order, as a user would type them."""
    commands = []
    has_own = (ROOT / ".git").exists()
    if not outer and not has_own:  # in two commands, since Git before 2.28 has no `init -b`
        head = f"refs/heads/{ANSWERS['_default_branch']}"
        commands += [["git", "init", "--quiet"], ["git", "symbolic-ref", "HEAD", head]]
    if not (ROOT / "uv.lock").exists():
        commands += [["uv", "lock", "--quiet"]]
    if not outer and not (has_own and attempt("git", "rev-parse", "--verify", "HEAD")[0]):
        commands += [["git", "add", "--all"], ["git", "commit", "--quiet", "-m", "First commit"]]
    return commands


def carry_out(commands: list[list[str]]) -> list[list[str]]:
    """Run the commands; return those that remain, since they or what they build on failed."""
    remaining: list[list[str]] = []
    for command in commands:
        if command[0] not in {failed[0] for failed in remaining}:
            tool = GIT if command[0] == "git" else command[:1]
            done, output = attempt(*tool, *command[1:])
            if done:
                continue
            print(f"{command[0]} failed: {cause(output)}")
        remaining.append(command)
    if remaining and (ROOT / ".git").exists() and remaining[-1][1] != "commit":
        remaining += [["git", "add", "--all"], ["git", "commit", "-m", "Finish the setup"]]
    return remaining


def main() -> None:
    """Set the project up, then print what remains to be done and what to type next."""
    for stream in (sys.stdout, sys.stderr):  # a console that lacks a letter ends no setup
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    for folder in (ROOT / ".github" / "workflows", ROOT / ".github"):
        if folder.is_dir() and not any(folder.iterdir()):  # its files belong to other answers
            folder.rmdir()
    if os.environ.get("MLCI_FILES_ONLY"):  # `ci update` compares them; nobody works in this copy
        return
    link_template()
    write_dvc_config()
    outer = outer_repository()
    remaining = carry_out(plan(outer))
    quote = subprocess.list2cmdline if os.name == "nt" else shlex.join
    lines = ["", "Next:", f"cd {quote([ROOT.name])}"]
    if remaining:
        tools = {command[0] for command in remaining}
        lines[1] = "The project is complete, its setup is not. To finish it, type:"
        lines += [how for tool, how in INSTALL.items() if tool in tools and not shutil.which(tool)]
        if remaining[-1][1] == "commit" and not attempt("git", "config", "user.email")[0]:
            lines += IDENTITY
        lines += map(quote, remaining)
    print(*lines, "uv sync", "uv run dvc repro", sep="\n  ")
    if not REMOTE["schemes"]:
        print("\nOnly this machine can pull the data. For others: `uv run ci use-remote ADDRESS`.")
    if outer:
        print(f"\nNothing was committed. CI reads its files only from {outer}, so none runs yet.")


if __name__ == "__main__":
    main()
