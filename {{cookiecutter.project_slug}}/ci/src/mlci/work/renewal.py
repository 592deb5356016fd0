"""Bring the project to the newest version of its template, and say what is left to do by hand."""

import json
import posixpath
import subprocess
import tempfile
import tomllib
from pathlib import Path

from mlci.work import template
from mlci.work.duplicate import git, refuse_changes
from mlci.work.interruption import expect_one_signal
from mlci.work.merging import has_marks

STATE = (".git", ".dvc", "uv.lock")  # of the project; no version of the template
STAGES = "src/tabular/"  # the template's own code that a pipeline depends on
UNCHANGED = "Nothing was changed."
KEPT = "what `ci update` had begun, and what was written meanwhile"
WORDS = {"A": "new", "M": "changed", "D": "removed"}


class NotRenderedError(Exception):
    """Why a version of the template could not be rendered."""


def take_newest() -> int:
    """Update the project and return the exit code."""
    if refusal := refuse():
        print(f"{refusal}\n{UNCHANGED}")
        return 1
    found, reason = template.versions()
    before, own = template.link(), skip_list()  # a conflict may make its file unreadable
    if not found:
        print(f"The template {before['template']} cannot be reached: {reason}\n{UNCHANGED}")
        return 1
    newest = found["HEAD"]
    old, new = (template.title(commit, found) for commit in (before["commit"], newest))
    if newest == before["commit"]:
        print(f"Nothing to do: {new} is the newest version of the template.")
        return 0
    expect_one_signal()
    try:
        if reason := take(newest):
            kept = restore()
            print(f"The template {before['template']} could not be rendered: {reason}\n{kept}")
            return 1
        left = list_left()
        if not awaits_decision(left) and lock():
            left["uv.lock"] = "uv lock"
    except BaseException as end:  # Ctrl-C, or SIGTERM
        print(f"\n{restore()}")
        if isinstance(end, KeyboardInterrupt):
            return 130
        raise
    print(f"\nFrom {old} to {new} of the template:\n")
    try:
        changed, dropped = compare_all(before["commit"], newest, own, left)
        left |= dropped
    except NotRenderedError as reason:
        changed = []
        print(f"What the template changed in files that are yours cannot be said: {reason}\n")
    print_table(left)
    print_own(before["commit"], changed)
    print_next(left)
    return 1 if left else 0


def refuse() -> str:
    """Return why the project cannot be updated now, or nothing."""
    if not template.LINK.exists():
        return template.UNLINKED
    left = list_left()
    if left:
        return f"An update or a merge is not finished: decide on {', '.join(left)}, then commit."
    if refusal := refuse_changes():
        return refusal
    if ".git" not in skip_list():  # cruft would say "Good work!" and have lost the update
        return (
            'pyproject.toml lacks [tool.cruft] skip = [".git", ".dvc", …], as the template has it.'
        )
    return ""


def skip_list() -> list[str]:
    """Return the patterns of the files that no update touches.

    Raises:
        ValueError: pyproject.toml, which lists them, cannot be read.
    """
    try:
        settings = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"pyproject.toml cannot be read: {error}") from None
    listed: list[str] = settings.get("tool", {}).get("cruft", {}).get("skip", [])
    return listed


def take(commit: str) -> str:
    """Let cruft merge what changed up to a commit of the template; return why that failed."""
    before = template.link()
    command = ["update", "--skip-apply-ask", "--checkout", commit]
    print(f"$ uvx cruft {' '.join(command)}", flush=True)
    try:
        done = template.start("cruft", *command)
    except OSError:
        return template.NO_CRUFT
    if done.returncode or template.link()["commit"] != commit:
        return template.reason(done.stdout, {})
    template.tidy(before | {"commit": commit})
    return ""


def restore() -> str:
    """Bring back what was there before the update, which began with nothing uncommitted.

    Somebody may have written something meanwhile, which nobody can tell from what the update wrote:
    so all of it goes into Git's stash. Return what was done.
    """
    if not list_changed():
        return UNCHANGED
    subprocess.run(["git", "add", "--all", ":/"], check=True)  # a stash takes no conflicts
    stash = ["git", "stash", "push", "--quiet", "--message", KEPT]
    subprocess.run(stash, check=True)
    return f"In `git stash list` is {KEPT}: `git stash drop` removes it.\n{UNCHANGED}"


def list_left() -> dict[str, str]:
    """Return what an update could not decide: each file, and what is to be done with it."""
    unmerged = git("diff", "--name-only", "--diff-filter=U", "--relative", "-z").split("\0")
    # Git may ignore such files, and so would not name them.
    ignored = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"]
    rejected = [name for name in git(*ignored).split("\0") if name.endswith(".rej")]
    left = {}
    for name in list_changed() | dict.fromkeys(filter(None, [*unmerged, *rejected]), "M"):
        path = Path(name)
        if path.suffix == ".rej":
            mended = name.removesuffix(".rej")
            left[name] = f"put its lines into {mended} by hand, then remove {name}"
        elif has_marks(path):
            left[name] = "decide between <<<<<<< and >>>>>>> in an editor"
        elif name in unmerged:
            left[name] = f"take one side: git checkout --ours -- {name} (or --theirs)"
    return left


def list_changed() -> dict[str, str]:
    """Return the project's files that differ from the last commit, each with Git's letter."""
    fields = git("diff", "--name-status", "--no-renames", "--relative", "-z", "HEAD").split("\0")
    changed = dict(zip(fields[1::2], fields[::2], strict=False))
    others = git("ls-files", "--others", "--exclude-standard", "-z").split("\0")
    return changed | dict.fromkeys(filter(None, others), "A")


def awaits_decision(left: dict[str, str]) -> bool:
    """Tell whether the packages can be locked only after something was decided."""
    return bool({"pyproject.toml", "pyproject.toml.rej"} & set(left))


def lock() -> int:
    """Lock the packages anew and return the exit code of uv."""
    print("$ uv lock", flush=True)
    try:
        return subprocess.run([template.uv(), "lock", "--quiet"], check=False).returncode
    except OSError:
        print("uv is not installed: pip install uv")
        return 1


def print_table(left: dict[str, str]) -> None:
    """Print what was taken, by folder, and below it each file that is left, with what to do."""
    taken = {name: letter for name, letter in list_changed().items() if name not in left}
    single = {name: letter for name, letter in taken.items() if "/" not in name}
    rows = [(WORDS.get(letter, "changed"), name, "") for name, letter in single.items()]
    tops: dict[str, list[str]] = {}
    for name in taken.keys() - single.keys():
        tops.setdefault(Path(name).parts[0], []).append(posixpath.dirname(name))
    for _, folders in sorted(tops.items()):
        rows.append(("taken", f"{posixpath.commonpath(folders)}/", f"{len(folders)} files"))
    rows += [("LEFT", name, what) for name, what in left.items()]
    width = max((len(name) for _, name, _ in rows), default=0)
    for word, name, what in rows:
        print(f"  {word:7}  {name:{width}}  {what}".rstrip())
    pipeline = Path("dvc.yaml")
    is_used = pipeline.exists() and STAGES.rstrip("/") in pipeline.read_text(encoding="utf-8")
    if is_used and any(name.startswith(STAGES) for name in taken):
        print(f"\nThe stages run again, as {STAGES} changed: `uv run ci run` says what that did.")


def print_own(old: str, names: list[str]) -> None:
    """Say in which of the user's files the template changed something, and how to see it."""
    if names:
        listed = ", ".join(names)
        print(f"\nThe template also changed files that are yours, and were not touched: {listed}")
        print(f"  uv run ci update --show {old[:12]}")


def print_next(left: dict[str, str]) -> None:
    """Print the commands that end the update."""
    if left:
        print(f"\n{len(left)} left to decide, as the table says. After that:")
    else:
        print("\nNext: look at it by `git diff HEAD`, then")
    if awaits_decision(left):
        print("  uv lock")
    print('  git add --all\n  git commit -m "Update from the template"')


def show(version: str) -> int:
    """Print what the template changed in the user's files since a version of it; change nothing."""
    if not template.LINK.exists():
        print(template.UNLINKED)
        return 1
    found, reason = template.versions()
    if not found:
        print(f"The template {template.link()['template']} cannot be reached: {reason}")
        return 1
    try:
        text = compare(version or template.link()["commit"], found["HEAD"], skip_list())
    except NotRenderedError as error:
        print(error)
        return 1
    print(text or "The template changed nothing in the files that are yours.")
    return 0


def compare(old: str, new: str, own: list[str]) -> str:
    """Return what Git says of the user's files in two versions of the template.

    Raises:
        NotRenderedError: one of them cannot be rendered.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        render_both(old, new, own, folder)
        command = ["git", "diff", "--no-index", "--no-prefix", "--no-color", "--no-ext-diff"]
        command += ["a", "b"]
        compared = subprocess.run(command, cwd=folder, check=False, capture_output=True)
        return compared.stdout.decode(errors="replace")


def compare_all(
    old: str, new: str, own: list[str], left: dict[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Return the user's files that the template changed, and the changes that cruft dropped.

    A change that Git cannot apply, to a file that is no text, is ignored by Git or was removed
    here, cruft drops without a word, and the next update does not bring it again.

    Returns:
        The names of the user's files, and of each dropped change the file and what is to be done.

    Raises:
        NotRenderedError: one of the versions cannot be rendered.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        render_both(old, new, own, folder)
        yours = differing(folder / "a", folder / "b")
        theirs = differing(folder / "rendered-a", folder / "rendered-b")
        told = {*list_changed(), template.LINK.as_posix()}
        told |= {name.removesuffix(".rej") for name in left}
        untold = {path: missed(Path(path), folder / "rendered-b" / path) for path in theirs}
        dropped = {path: what for path, what in untold.items() if what and path not in told}
        return yours, dropped


def differing(old: Path, new: Path) -> list[str]:
    """Return the names of the files that are not the same in two folders."""
    paths = {path.relative_to(side) for side in (old, new) for path in side.rglob("*")}
    names = {path.as_posix() for path in paths}
    return sorted(name for name in names if content(old / name) != content(new / name))


def content(path: Path) -> bytes | None:
    """Return what a file holds; nothing where there is none."""
    return path.read_bytes() if path.is_file() else None


def missed(path: Path, newest: Path) -> str:
    """Return what is to be done with a file that the template changed and the update did not."""
    if content(path) == content(newest):
        return ""
    if not newest.exists():
        return "the template removed it: remove it, or keep it as your own"
    if not path.exists():
        return ""  # removed or renamed here, and by intention
    return "the template's change could not be merged: bring it in by hand"


def render_both(old: str, new: str, own: list[str], folder: Path) -> None:
    """Render two versions of the template: the user's files into `a` and `b`, the others beside.

    Raises:
        NotRenderedError: one of them cannot be rendered.
    """
    clone = ["git", "clone", "--quiet", template.link()["template"], str(folder / "template")]
    done = subprocess.run(clone, check=False, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise NotRenderedError(template.reason(done.stderr, {}))
    for side, version in (("a", old), ("b", new)):
        render(version, own, folder, side)


def render(version: str, own: list[str], folder: Path, side: str) -> None:
    """Render a version of the template, without its hooks, into `rendered-` and a side.

    The user's files are then in a folder with the name of the side, and no longer there.

    Raises:
        NotRenderedError: that cannot be done.
    """
    clone, output, linked = folder / "template", folder / f"output-{side}", template.link()
    checkout = ["git", "checkout", "--quiet", "--detach", version]
    if subprocess.run(checkout, cwd=clone, check=False, capture_output=True).returncode:
        raise NotRenderedError(f"{version!r} is no commit and no tag of {linked['template']}.")
    # Without a configuration of its own cookiecutter would forget the user's last answers.
    config = folder / "config.yaml"
    places = {"replay_dir": str(folder / "replay"), "cookiecutters_dir": str(folder)}
    config.write_text(json.dumps(places), encoding="utf-8")
    answers = linked["context"]["cookiecutter"]
    given = [f"{key}={value}" for key, value in answers.items() if not key.startswith("_")]
    source = clone / (linked.get("directory") or "")
    flags = ["--no-input", "--accept-hooks", "no", "--config-file", str(config)]
    try:
        done = template.start(
            "cookiecutter", *flags, "--output-dir", str(output), str(source), *given
        )
    except OSError:
        raise NotRenderedError(template.NO_CRUFT) from None
    if done.returncode:
        raise NotRenderedError(template.reason(done.stdout, answers))
    (rendered,) = output.iterdir()
    (folder / side).mkdir()
    for pattern in own:
        for path in list(rendered.glob(pattern)):
            group = f"state-{side}" if pattern in STATE else side  # the state is not compared
            target = folder / group / path.relative_to(rendered)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    rendered.rename(folder / f"rendered-{side}")
