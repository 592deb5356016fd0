"""Promise: the hooks leave a repository that is ready, and never cost the user the project."""

import json
import os
import sys
import venv
from pathlib import Path

import dvc.cli
import pytest
from answers import CHOICES, QUESTIONS, REMOTES
from conftest import TEMPLATE, BakedProject, load_hook, run
from mlci.storage import remote as storage

FIRST_COMMIT = "First commit"


def assert_ready(project: BakedProject) -> None:
    """Check that nothing is left to do: Git, DVC, the remote, the lock and a commit of all."""
    assert project.git("symbolic-ref", "--short", "HEAD") == QUESTIONS["_default_branch"]
    assert project.git("status", "--short") == ""
    assert {"uv.lock", ".dvc/config"} <= set(project.git("ls-files").splitlines())
    config = project.read(".dvc/config")
    assert "analytics = false" in config
    assert config.count("['remote \"storage\"']") == 1
    run("uv", "lock", "--check", cwd=project.path)


def remaining_commands(output: str) -> str:
    """Return the lines that the hook asks the user to type, up to the usual next commands."""
    assert "its setup is not. To finish it, type:" in output
    return output.partition("type:\n")[2].partition("uv sync")[0]


@pytest.fixture
def bare_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the hooks run by a Python that has no packages."""
    venv.create(tmp_path / "bare", with_pip=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))


@pytest.mark.slow
def test_a_bake_is_a_repository_that_is_ready(bake, capfd) -> None:
    project = bake()
    assert_ready(project)
    assert project.git("log", "--format=%s") == FIRST_COMMIT
    storage = project.path.parent / "my-ml-project-storage"
    assert storage.is_dir()
    assert f"url = {storage}\n" in project.read(".dvc/config")
    assert capfd.readouterr().out.splitlines()[-5:] == [
        "  cd my-ml-project",
        "  uv sync",
        "  uv run dvc repro",
        "",
        "Only this machine can pull the data. For others: `uv run ci use-remote ADDRESS`.",
    ]


@pytest.mark.slow
def test_the_remote_has_the_options_of_the_table(bake) -> None:
    project = bake(remote="s3", remote_endpoint="https://minio.example.com")
    config = project.read(".dvc/config")
    assert f"url = {REMOTES['s3']['url'].format(slug='my-ml-project')}\n" in config
    assert "endpointurl = https://minio.example.com\n" in config
    for option, value in REMOTES["s3"]["options"].items():
        assert f"{option} = {value}\n" in config


@pytest.mark.parametrize("remote", REMOTES)
def test_the_configuration_is_that_of_dvc_itself(tmp_path: Path, monkeypatch, remote: str) -> None:
    """The hook writes it without DVC, which takes a second for each of its commands."""
    spec = REMOTES[remote]
    url = spec["url"].format(slug="my-ml-project") + '/a, "b"/#1' * (remote == "local")
    endpoint = "https://h:1/p,q" if spec["endpoint_option"] else ""
    for folder in ("ours", "theirs"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "theirs")
    run("git", "init", "--quiet", cwd=tmp_path / "theirs")
    place = url if spec["schemes"] else str(Path(url).resolve())
    options = list(spec["options"].items())
    if endpoint:
        options.append((spec["endpoint_option"], endpoint))
    for command in (
        ["init"],
        ["config", "core.analytics", "false"],
        ["remote", "add", "--default", "storage", place],
        *(["remote", "modify", "storage", *option] for option in options),
    ):
        assert dvc.cli.main([*command, "--quiet"]) == 0
    monkeypatch.chdir(tmp_path / "ours")
    answers = {"remote": remote, "remote_url": url, "remote_endpoint": endpoint}
    load_hook("post_gen_project", tmp_path, **answers).write_dvc_config()
    for name in ("config", ".gitignore"):
        theirs = (tmp_path / "theirs" / ".dvc" / name).read_text(encoding="utf-8")
        assert (tmp_path / "ours" / ".dvc" / name).read_text(encoding="utf-8") == theirs
    assert storage.options()["url"] == place  # our package reads what DVC has quoted


@pytest.mark.slow
def test_a_second_run_changes_nothing(bake) -> None:
    project = bake()
    before = project.git("rev-parse", "HEAD"), project.read(".dvc/config")
    again = ["cookiecutter", "--no-input", "--overwrite-if-exists", "-o", project.path.parent]
    run(*again, TEMPLATE, cwd=project.path.parent)
    assert_ready(project)
    assert (project.git("rev-parse", "HEAD"), project.read(".dvc/config")) == before


@pytest.mark.slow
@pytest.mark.usefixtures("bare_python")
@pytest.mark.parametrize("missing", ["git", "uv"])
def test_a_missing_tool_leaves_commands_that_finish_the_job(
    bake, capfd, monkeypatch, path_without, missing: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PATH", path_without(missing, "dvc", "uvx"))
        project = bake()
    output = capfd.readouterr().out
    assert f"{missing} is not installed" in output
    commands = remaining_commands(output)
    assert (missing == "git") == ("https://git-scm.com" in commands)
    assert (missing == "uv") == ("pip install uv" in commands)
    commands = commands.replace("pip install uv", "")  # it is on the PATH again
    assert ("user.email ada@example.com" in commands) == (missing == "git")
    run("sh", "-ec", commands, cwd=project.path.parent)
    assert_ready(project)


@pytest.mark.slow
def test_without_a_network_the_lock_is_left_to_do(bake, capfd, monkeypatch, tmp_path) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("UV_OFFLINE", "1")
        patch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
        project = bake()
    commands = remaining_commands(capfd.readouterr().out)
    assert "uv lock --quiet\n" in commands
    assert project.git("log", "--format=%s") == FIRST_COMMIT
    run("sh", "-ec", commands, cwd=project.path.parent)
    assert_ready(project)


@pytest.mark.slow
def test_without_an_identity_the_commit_is_left_to_do(bake, capfd, monkeypatch, tmp_path) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("HOME", str(tmp_path))
        project = bake()
        commands = remaining_commands(capfd.readouterr().out)
        assert "git config --global user.name Ada" in commands
        run("sh", "-ec", commands, cwd=project.path.parent)
    assert_ready(project)
    assert project.git("log", "--format=%an %s") == f"Ada {FIRST_COMMIT}"


@pytest.mark.slow
def test_a_full_disk_leaves_the_lock_to_do(tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: `uv.lock` does not fit."""
    script = f"ulimit -f 128; exec cookiecutter --no-input '{TEMPLATE}'"
    done = run("bash", "-c", script, cwd=tmp_path)
    commands = remaining_commands(done.stdout)
    assert "uv lock" in commands
    run("sh", "-ec", commands, cwd=tmp_path)
    assert_ready(BakedProject(tmp_path / "my-ml-project", tmp_path / "environment"))


@pytest.mark.slow
def test_a_storage_folder_that_cannot_be_made_is_named(bake, capfd, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    project = bake(remote_url=str(tmp_path / "file" / "storage"))
    assert "The folder of the remote could not be made" in capfd.readouterr().out
    assert_ready(project)


@pytest.mark.slow
def test_the_branch_is_main_whatever_git_prefers(bake, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text(
        "[user]\nname = Ada\nemail = ada@example.com\n[init]\ndefaultBranch = trunk\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    assert_ready(bake())


@pytest.fixture
def outer(tmp_path: Path) -> Path:
    """Return a repository with a commit, something staged, and an ignored folder `scratch`."""
    run("git", "init", "--quiet", "outer", cwd=tmp_path)
    repository = tmp_path / "outer"
    (repository / ".gitignore").write_text("scratch/\n")
    run("git", "add", ".", cwd=repository)
    run("git", "commit", "--quiet", "-m", "Theirs", cwd=repository)
    (repository / "staged.txt").write_text("mine")
    run("git", "add", "staged.txt", cwd=repository)
    return repository


@pytest.mark.slow
def test_inside_a_repository_nothing_is_nested_or_committed(outer: Path) -> None:
    done = run("cookiecutter", "--no-input", TEMPLATE, cwd=outer)
    project = outer / "my-ml-project"
    assert f"CI reads its files only from {outer}" in done.stdout
    assert not (project / ".git").exists()
    assert "storage" in (project / ".dvc" / "config").read_text(encoding="utf-8")
    assert run("git", "log", "--format=%s", cwd=outer).stdout == "Theirs\n"
    assert run("git", "diff", "--cached", "--name-only", cwd=outer).stdout == "staged.txt\n"


@pytest.mark.slow
def test_inside_a_folder_that_is_ignored_it_has_its_own_repository(outer: Path) -> None:
    (outer / "scratch").mkdir()
    run("cookiecutter", "--no-input", TEMPLATE, cwd=outer / "scratch")
    project = BakedProject(outer / "scratch" / "my-ml-project", outer / "environment")
    assert_ready(project)
    assert run("git", "log", "--format=%s", cwd=outer).stdout == "Theirs\n"


@pytest.mark.slow
def test_called_by_git_it_leaves_the_calling_repository_alone(outer: Path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("GIT_DIR", str(outer / ".git"))
        patch.setenv("GIT_WORK_TREE", str(outer))
        run("cookiecutter", "--no-input", TEMPLATE, cwd=outer.parent)
    assert_ready(BakedProject(outer.parent / "my-ml-project", outer / "environment"))
    assert run("git", "log", "--format=%s", cwd=outer).stdout == "Theirs\n"
    assert run("git", "diff", "--cached", "--name-only", cwd=outer).stdout == "staged.txt\n"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives away")
def test_a_repository_of_somebody_else_gets_no_other_inside(outer: Path) -> None:
    os.chown(outer, 12345, 12345)
    os.chown(outer / ".git", 12345, 12345)
    done = run("cookiecutter", "--no-input", TEMPLATE, cwd=outer)
    assert not (outer / "my-ml-project" / ".git").exists()
    assert "its setup is not" not in done.stdout


@pytest.mark.slow
def test_a_gitignore_of_the_machine_hides_nothing(bake, monkeypatch, tmp_path: Path) -> None:
    """Many a `~/.config/git/ignore` has these, from another language or another project."""
    (tmp_path / "git").mkdir()
    ignored = "*.lock\ndata/\nmodels/\nplots/\n.dvc\n*.dvc\n.dvcignore\n"
    (tmp_path / "git" / "ignore").write_text(ignored)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    project = bake()
    assert_ready(project)
    (project.path / "plots").mkdir()
    for name in ("dvc.lock", "data/source.dvc", "plots/curve.csv"):
        (project.path / name).touch()
    for name in (".dvc/.gitignore", "data/.gitignore", "models/.gitignore"):
        assert project.git("ls-files", name) == name
    status = project.git("status", "--short", "--untracked-files=all").split()
    assert {"dvc.lock", "data/source.dvc", "plots/curve.csv"} <= set(status)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="its hooks are no shell scripts")
def test_a_hook_of_the_machine_may_refuse_the_commit_and_is_heard(
    bake, capfd, monkeypatch, tmp_path: Path
) -> None:
    hook = tmp_path / "commit-msg"
    hook.write_text("#!/bin/sh\necho 'ERROR: name a ticket'\necho 'See the wiki.'\nexit 1\n")
    hook.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("GIT_CONFIG_COUNT", "1")
        patch.setenv("GIT_CONFIG_KEY_0", "core.hooksPath")
        patch.setenv("GIT_CONFIG_VALUE_0", str(tmp_path))
        project = bake()
    output = capfd.readouterr().out
    assert "git failed: ERROR: name a ticket\n" in output
    assert "git commit --quiet -m 'First commit'\n" in remaining_commands(output)
    assert project.git("diff", "--cached", "--name-only")


@pytest.mark.slow
@pytest.mark.parametrize("letters", ["utf-8", "ascii"])
def test_a_folder_beyond_ascii_gets_a_relative_remote(
    tmp_path: Path, monkeypatch, letters: str
) -> None:
    """DVC leaves an empty .dvc/config where it cannot write a path, and that would be committed."""
    monkeypatch.setenv("PYTHONIOENCODING", letters)
    folder = tmp_path / "Jürgen 学"
    folder.mkdir()
    done = run("cookiecutter", "--no-input", TEMPLATE, cwd=folder)
    project = BakedProject(folder / "my-ml-project", tmp_path / "environment")
    assert "DVC cannot write" not in done.stdout
    assert_ready(project)
    assert "url = ../../my-ml-project-storage\n" in project.read(".dvc/config")
    (project.path / "file").write_text("data")
    run("dvc", "add", "--quiet", "file", cwd=project.path)
    assert run("dvc", "push", cwd=project.path).stdout == "1 file pushed\n"
    assert list((folder / "my-ml-project-storage").rglob("*"))


@pytest.mark.slow
def test_a_storage_that_dvc_cannot_write_is_left_to_say(
    bake, capfd, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    with monkeypatch.context() as patch:
        patch.setenv("HOME", str(tmp_path / "Zoë"))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        (tmp_path / "git").mkdir()
        (tmp_path / "git" / "config").write_text("[user]\nname = Zoe\nemail = zoe@example.com\n")
        project = bake(remote_url="~/storage")
    output = capfd.readouterr().out
    assert f"DVC cannot write {tmp_path}/Zo?/storage into its configuration." in output
    assert project.read(".dvc/config") == "[core]\n    analytics = false\n"
    assert project.git("status", "--short") == ""


@pytest.mark.parametrize(
    ("output", "line"),
    {
        "ERROR: unexpected error - 'ascii' codec\n\nHaving any troubles? Hit us up": (
            "ERROR: unexpected error - 'ascii' codec"
        ),
        "error: Failed to fetch: `https://a`\n  Caused by: x\n  Caused by: dns error": (
            "Caused by: dns error"
        ),
        "  x No solution found:\n  ╰─▶ Because numpy was not found\n\nhint: try again": (
            "╰─▶ Because numpy was not found"
        ),
        "fatal: unable to auto-detect email\n": "fatal: unable to auto-detect email",
        "warning: x\nsomething else": "something else",
        "": "no reason given",
    }.items(),
)
def test_the_line_that_names_the_cause_is_printed(tmp_path: Path, output: str, line: str) -> None:
    assert load_hook("post_gen_project", tmp_path).cause(output) == line


@pytest.mark.parametrize(("version", "given"), [((3, 9), False), ((3, 11), True), ((3, 14), True)])
def test_uv_is_given_no_python_that_a_project_cannot_use(
    tmp_path: Path, monkeypatch, version: tuple[int, int], given: bool
) -> None:
    """The hooks run on Python 3.9, where uv has to find or fetch another."""
    monkeypatch.delenv("UV_PYTHON")
    monkeypatch.setattr(sys, "version_info", version)
    hook = load_hook("post_gen_project", tmp_path)
    assert ("UV_PYTHON" in hook.ENVIRONMENT) == given


def test_the_hooks_run_on_python_3_9() -> None:
    """macOS and Debian 11 have it; this machine need not."""
    hooks = sorted((TEMPLATE / "hooks").glob("*.py"))
    run("vermin", "--quiet", "--no-tips", "--target=3.9-", *hooks, cwd=TEMPLATE)


def test_a_replay_file_needs_the_fourteen_answers_only(tmp_path: Path) -> None:
    """Such a file can be written by hand, or taken from .cruft.json."""
    answers = {name: value for name, value in QUESTIONS.items() if name[0] != "_"}
    answers |= {name: values[-1] for name, values in CHOICES.items()}
    answers |= {"project_name": 'A "name"', "project_slug": "a-name", "author_name": "Zoë \\ Co"}
    remote = CHOICES["remote"][-1]
    spec = REMOTES[remote]
    answers |= {"remote": remote, "remote_url": spec["url"].format(slug="a-name")}
    answers |= {"remote_endpoint": spec["endpoint"], "credentials": CHOICES["credentials"][0]}
    file = tmp_path / "answers.json"
    file.write_text(json.dumps({"cookiecutter": answers}))
    bare = ["cookiecutter", "--accept-hooks", "no"]
    run(*bare, "--replay-file", file, "-o", tmp_path / "replayed", TEMPLATE, cwd=tmp_path)
    given = [f"{name}={value}" for name, value in answers.items()]
    run(*bare, "--no-input", "-o", tmp_path / "given", TEMPLATE, *given, cwd=tmp_path)
    assert (tmp_path / "replayed" / "a-name" / "pyproject.toml").is_file()
    run("diff", "--recursive", tmp_path / "replayed", tmp_path / "given", cwd=tmp_path)


def test_every_console_can_print_the_questions() -> None:
    assert json.dumps(QUESTIONS["__prompts__"], ensure_ascii=False).isascii()


def test_the_hooks_stay_short() -> None:
    lines = [
        line
        for path in (TEMPLATE / "hooks").glob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert len(lines) <= 260
    assert max(map(len, lines)) <= 100
