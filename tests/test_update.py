"""Promise: a project takes what its template learned, and loses nothing of its own."""

import ast
import json
import os
import re
import shutil
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from answers import CHOICES, QUESTIONS, REMOTES, V0_1_0
from conftest import TEMPLATE, BakedProject, run

OFFLINE = {"UV_OFFLINE": "1"}  # where the lock is not the point
NO_LINK = "No .cruft.json: the template has no address."


def copy_template(folder: Path) -> None:
    """Copy the files of this template, as they are in the checkout, into a folder."""
    tracked = run(
        "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=TEMPLATE
    )
    for name in filter(None, tracked.stdout.split("\0")):
        if (TEMPLATE / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TEMPLATE / name, folder / name)


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """Return a copy of this template as a repository of its own, so that it can be changed."""
    copy = tmp_path / "template"
    copy_template(copy)
    run("git", "init", "--quiet", "--initial-branch", "main", cwd=copy)
    commit(copy, "The template")
    return copy


@pytest.fixture
def since_0_1_0(tmp_path: Path) -> Path:
    """Return a repository in which this template, as it is in the checkout, follows 0.1.0."""
    if run("git", "cat-file", "-e", V0_1_0, cwd=TEMPLATE, check=False).returncode:
        pytest.skip("0.1.0 is not in this clone: `git fetch --unshallow` brings it")
    copy = tmp_path / "template"
    run("git", "clone", "--quiet", "--no-checkout", TEMPLATE, copy, cwd=tmp_path)
    run("git", "switch", "--quiet", "--force-create", "main", V0_1_0, cwd=copy)
    run("git", "rm", "--quiet", "-r", ".", cwd=copy)
    copy_template(copy)
    commit(copy, "What came after 0.1.0")
    return copy


def publish(template: Path, folder: Path) -> str:
    """Give the template an `origin`, a bare repository in the folder, and return its address."""
    run("git", "clone", "--quiet", "--bare", template, folder / "ours.git", cwd=template)
    address = (folder / "ours.git").as_uri()
    run("git", "remote", "add", "origin", address, cwd=template)
    return address


def commit(repository: Path, message: str) -> None:
    """Commit all that is there."""
    run("git", "add", "--all", cwd=repository)
    run("git", "commit", "--quiet", "-m", message, cwd=repository)


def replace(path: Path, old: str, new: str) -> None:
    """Replace text that must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def append(path: Path, line: str) -> None:
    """Add a line at the end of a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def assert_merged(project: BakedProject) -> None:
    """Check that an update left nothing to decide."""
    assert not [path for path in project.path.rglob("*.rej") if ".venv" not in path.parts]
    assert run("git", "grep", "-l", "^<<<<<<<", cwd=project.path, check=False).stdout == ""
    assert "UU" not in project.git("status", "--short")


@pytest.mark.slow
@pytest.mark.parametrize(
    "typed", ["a path", "a relative path", "an abbreviation", "a folder in it"]
)
def test_a_project_of_plain_cookiecutter_knows_its_template(
    template: Path, tmp_path: Path, typed: str
) -> None:
    directory = "templates of ours/ml" if typed == "a folder in it" else None
    if directory:
        (template / directory).mkdir(parents=True)
        for name in ("hooks", "templates", "cookiecutter.json", "{{cookiecutter.project_slug}}"):
            shutil.move(template / name, template / directory / name)
        commit(template, "Make room for other templates")
    address = publish(template, tmp_path)
    config = tmp_path / "config.yaml"
    config.write_text(f"abbreviations: {{our: '{tmp_path.as_uri()}/{{0}}.git'}}\n")
    arguments = {
        "a path": [str(template)],
        "a relative path": ["../template", "--output-dir", "elsewhere"],
        "an abbreviation": ["our:ours", "--checkout", "main", "--config-file", str(config)],
        "a folder in it": [str(template), "--directory", str(directory)],
    }[typed]
    work = tmp_path / "work"
    (work / "elsewhere").mkdir(parents=True)
    command = ["cookiecutter", "--no-input", *arguments, "author_name=Zoë 🚀"]
    shell = os.environ | OFFLINE | {"PWD": str(work)}
    done = run(*command, cwd=work, env=shell)
    place = work / "elsewhere" if typed == "a relative path" else work
    project = BakedProject(place / "my-ml-project", tmp_path / "environment")

    assert NO_LINK not in done.stdout
    assert ".cruft.json" in project.git("show", "--format=", "--name-only", "HEAD").splitlines()
    state = json.loads(project.read(".cruft.json"))
    assert state["template"] == address
    assert state["commit"] == run("git", "rev-parse", "HEAD", cwd=template).stdout.strip()
    assert state["checkout"] == ("main" if typed == "an abbreviation" else None)
    assert state["directory"] == directory
    answers = state["context"]["cookiecutter"]
    assert set(answers) == {name for name in QUESTIONS if name[0] != "_"}
    assert answers["author_name"] == "Zoë 🚀"
    assert str(tmp_path) not in json.dumps(answers)
    run("cruft", "check", cwd=project.path)


@pytest.mark.slow
@pytest.mark.parametrize("template_is", ["of no repository", "without an address", "a zip"])
def test_a_template_without_an_address_is_said_and_no_file_written(
    template: Path, tmp_path: Path, template_is: str
) -> None:
    source = template
    if template_is == "of no repository":
        shutil.rmtree(template / ".git")
    if template_is == "a zip":
        publish(template, tmp_path)
        source = tmp_path / "template.zip"
        run("git", "archive", "--prefix=template/", "-o", source, "HEAD", cwd=template)
    (tmp_path / "work").mkdir()
    env = os.environ | OFFLINE
    done = run("cookiecutter", "--no-input", source, cwd=tmp_path / "work", env=env)
    assert done.stdout.count(NO_LINK) == 1
    assert not (tmp_path / "work" / "my-ml-project" / ".cruft.json").exists()


@pytest.mark.slow
def test_no_token_of_the_templates_address_is_kept(template: Path, tmp_path: Path) -> None:
    token = "https://me:hunter2@git.example.com/ours.git"
    run("git", "remote", "add", "origin", token, cwd=template)
    (tmp_path / "work").mkdir()
    env = os.environ | OFFLINE
    run("cookiecutter", "--no-input", template, cwd=tmp_path / "work", env=env)
    text = (tmp_path / "work" / "my-ml-project" / ".cruft.json").read_text(encoding="utf-8")
    assert json.loads(text)["template"] == "https://git.example.com/ours.git"


@pytest.mark.parametrize("remote", REMOTES)
def test_the_readme_which_is_the_users_names_no_address_of_the_storage(render, remote: str) -> None:
    project = render(remote=remote)
    assert REMOTES[remote]["url"].format(slug="my-ml-project") not in project.read("README.md")


@pytest.mark.slow
@pytest.mark.parametrize("maker", ["cruft", "cookiecutter"])
def test_an_update_brings_the_new_and_keeps_the_own(
    template: Path, tmp_path: Path, maker: str
) -> None:
    project = BakedProject(tmp_path / "my-ml-project", tmp_path / "environment")
    if maker == "cruft":
        run("cruft", "create", template, "--no-input", cwd=tmp_path)
        commit(project.path, "Link the template")
    else:
        publish(template, tmp_path)
        run("cookiecutter", "--no-input", template, cwd=tmp_path)
    config, log = project.read(".dvc/config"), project.git("log", "--format=%H")

    replace(project.path / "params.yaml", "seed: 42", "seed: 7")
    replace(project.path / "pyproject.toml", '  "joblib', '  "humanize>=4",\n  "joblib')
    run("uv", "lock", "--quiet", cwd=project.path)
    replace(project.path / "pyproject.toml", "line-length = 100", "line-length = 88")
    run("ruff", "format", cwd=project.path)
    changed = project.git("diff", "--name-only").split()
    assert any(name.startswith("src/") for name in changed)
    assert not any(name.startswith(("ci/", "src/tabular/")) for name in changed)
    commit(project.path, "Our own seed, dependency and length of lines")

    files = template / "{{cookiecutter.project_slug}}"
    append(files / ".gitignore", "/from-the-template")
    for name in ("train.py", "params.yaml", "dvc.yaml", "README.md", "src/prepare_data.py"):
        append(files / name, "# from the template")
    (files / "src" / "of_the_template.py").write_text("")
    kept_by_the_template = ("ci/src/mlci/settings.py", "src/tabular/cells.py")
    for name in kept_by_the_template:
        append(files / name, "# from the template")
    replace(files / "pyproject.toml", '  "pytest', '  "packaging>=24",\n  "pytest')
    answers = json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))
    answers["_remotes"]["local"]["title"] = "a renamed remote"
    (template / "cookiecutter.json").write_text(json.dumps(answers), encoding="utf-8")
    commit(template, "What the template learned")
    if maker == "cookiecutter":
        run("git", "push", "--quiet", "origin", "main", cwd=template)
    names = ("src/*.py", "train.py", "params.yaml", "dvc.yaml", "README.md")
    owned = project.git("ls-files", *names, ":(exclude)src/tabular")

    done = run(sys.executable, "ci", "update", cwd=project.path)
    assert "were not touched: README.md, dvc.yaml, params.yaml" in done.stdout
    assert re.search("taken +src/tabular/ +1 files\n", done.stdout)
    assert "The stages run again, as src/tabular/ changed" in done.stdout
    assert "/from-the-template" in project.read(".gitignore")
    assert "a renamed remote" in project.read("ci/remote.json")
    for name in kept_by_the_template:
        assert "# from the template" in project.read(name)
    assert '"packaging>=24"' in project.read("pyproject.toml")
    assert "seed: 7" in project.read("params.yaml")
    assert '"humanize>=4"' in project.read("pyproject.toml")
    assert {'name = "humanize"', 'name = "packaging"'} <= set(project.read("uv.lock").splitlines())
    assert project.read(".dvc/config") == config
    assert log in project.git("log", "--format=%H")
    assert project.git("diff", "--name-only", "HEAD", "--", *owned.split()) == ""
    assert not (project.path / "src" / "of_the_template.py").exists()
    assert_merged(project)
    run("cruft", "check", cwd=project.path)


@pytest.mark.parametrize("compute", CHOICES["compute"])
def test_what_the_template_keeps_knows_no_script_of_the_users(render, compute: str) -> None:
    """An update brings the one and leaves the other as it was years before."""
    source = render(compute=compute).path / "src"
    scripts = {path.stem for path in source.glob("*.py")} | {"train"}
    kept = sorted((source / "tabular").glob("*.py"))
    assert len(kept) > 5
    for path in kept:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert scripts.isdisjoint(names), (path.name, names)


def signatures(project: Path) -> set[str]:
    """Return what a project's own files import from `tabular`, with arguments and fields."""
    scripts = [*project.glob("src/*.py"), *project.glob("tests/*.py"), project / "train.py"]
    used = set()
    for path in scripts:
        modules = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("tabular."):
                used |= {(str(node.module), alias.name) for alias in node.names}
            if isinstance(node, ast.ImportFrom) and node.module == "tabular":
                modules |= {alias.name for alias in node.names}
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in modules:
                used.add((f"tabular.{ast.unparse(node.value)}", node.attr))
    found = set()
    for module, name in used:
        code = (project / "src" / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
        line = f"{module}.{name}"
        for node in ast.parse(code).body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                line += f"({ast.unparse(node.args)})"
            if isinstance(node, ast.ClassDef) and node.name == name:
                fields = [ast.unparse(field) for field in node.body if hasattr(field, "target")]
                line += f": {'; '.join(fields)}"
        found.add(line)
    return found


def test_what_scripts_of_the_users_import_stays_as_it_is(render) -> None:
    """They are never updated. A new argument or field has a default; the rest needs a major version."""
    answers = [
        {"compute": compute, "task": task}
        for compute in CHOICES["compute"]
        for task in CHOICES["task"]
    ]
    found = set.union(*(signatures(render(**answer).path) for answer in answers))
    kept = Path(__file__).with_name("interface.txt").read_text(encoding="utf-8").splitlines()
    assert len(kept) > 20
    assert sorted(found) == kept


def skip_list() -> str:
    """Return the block that docs/update.md asks to paste."""
    text = (TEMPLATE / "docs" / "update.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?) *```", text, re.DOTALL)
    return textwrap.dedent(block)


@pytest.mark.slow
def test_an_edited_project_of_0_1_0_takes_its_first_update(
    since_0_1_0: Path, tmp_path: Path
) -> None:
    """The steps of docs/update.md: paste the skip list, commit, `cruft update`, `uv lock`."""
    made = ["cruft", "create", str(since_0_1_0), "--checkout", V0_1_0, "--no-input"]
    run(*made, cwd=tmp_path)
    project = BakedProject(tmp_path / "my-ml-project", tmp_path / "environment")
    commit(project.path, "Link the template")
    edits = {
        "params.yaml": ("seed: 42", "seed: 7"),
        "README.md": ("## Quick start", "## Our own words\n\n## Quick start"),
        "pyproject.toml": ('  "joblib', '  "humanize>=4",\n  "joblib'),
        "train.py": ("import", "import math  # noqa: F401\nimport"),
        "tests/test_train.py": ("def test", "def test_ours() -> None:\n    pass\n\n\ndef test"),
    }
    for name, (old, new) in edits.items():
        replace(project.path / name, old, new)
    append(project.path / ".gitignore", "/ours")
    run("uv", "lock", "--quiet", cwd=project.path)
    commit(project.path, "Our own work")

    pyproject = project.read("pyproject.toml")
    pasted = re.sub(r"(?ms)^\[tool\.cruft\]\n.*?\]\n(?=\n)", lambda _: skip_list(), pyproject)
    (project.path / "pyproject.toml").write_text(pasted, encoding="utf-8")
    assert len(tomllib.loads(pasted)["tool"]["cruft"]["skip"]) == 10
    commit(project.path, "Leave our files alone")
    config = project.read(".dvc/config")

    run("cruft", "update", "--skip-apply-ask", cwd=project.path)
    assert_merged(project)
    run("uv", "lock", "--quiet", cwd=project.path)
    assert project.read(".dvc/config") == config
    changed = set(project.git("diff", "--name-only", "HEAD").split())
    assert changed.isdisjoint({*edits, ".gitignore"} - {"pyproject.toml", ".gitignore"})
    assert '"humanize>=4"' in project.read("pyproject.toml")
    assert "/ours\n" in project.read(".gitignore")
    state = json.loads(project.read(".cruft.json"))
    assert state["commit"] == run("git", "rev-parse", "HEAD", cwd=since_0_1_0).stdout.strip()

    commit(project.path, "Update from the template")
    project.run("dvc", "repro")
    commit(project.path, "Run it")
    assert "ended with exit code" not in project.run("ci", "run").stdout
    assert (project.path / "report.md").is_file()


def test_the_skip_list_to_paste_is_the_templates_own() -> None:
    """Pasted otherwise, the next update would end in a conflict."""
    template = TEMPLATE / "{{cookiecutter.project_slug}}" / "pyproject.toml"
    assert f"\n{skip_list()}\n" in template.read_text(encoding="utf-8")


def add_remote(template: Path, answers: dict[str, Any]) -> None:
    """Add a remote as docs/remotes.md tells: an entry, a value, a text, an extra, a server."""
    s3 = answers["_remotes"]["s3"]
    own = {"title": "our MinIO", "url": "s3://ours/{slug}", "oidc": None}
    answers["_remotes"]["minio"] = s3 | own | {"endpoint": "https://minio.example.com"}
    answers["__prompts__"]["remote"]["minio"] = "minio - our MinIO"
    text = "## What to know\n\n- It is ours.\n"
    (template / "templates" / "remotes" / "minio.md").write_text(text, encoding="utf-8")
    package = template / "{{cookiecutter.project_slug}}" / "ci" / "pyproject.toml"
    replace(package, "azure = [", 'minio = ["dvc[s3]>=3.67,<4"]\nazure = [')
    servers = template / "tests" / "servers" / "__init__.py"
    replace(servers, '    "azure":', '    "minio": clouds.s3,\n    "azure":')


LABELS = {"github": ["self-hosted", "acme"], "gitlab": ["acme"], "bitbucket": []}
ORGANISATIONS: dict[str, dict[str, Any]] = {
    "GitLab, S3 or Azure, one Python": {
        "ci": ["gitlab"],
        "remote": ["s3", "azure"],
        "license": ["Proprietary", "MIT"],
        "python_version": ["3.13"],
        "author_name": "ACME",
        "_image": "registry.acme.example/uv:python{python}",
        "_cml_image": "registry.acme.example/cml:1",
        "_ci_environment": {"HTTPS_PROXY": "http://proxy.acme.example:3128"},
        "_default_branch": "trunk",
        "_requires_python": ">=3.11,<4",
        "_package_index": "https://pypi.org/simple",
        "_dependencies": ["tabulate>=0.9; python_version < '4'"],
        "_runners": QUESTIONS["_runners"] | {"hosted": LABELS},
        "_owners": ["@acme/ml", "@acme/data"],
    },
    "a remote of its own": {"remote": ["minio", "local"]},
    "GitHub and Google, no keys": {
        "ci": ["github"],
        "remote": ["gs"],
        "credentials": ["oidc"],
        "_runners": QUESTIONS["_runners"] | {"hosted": LABELS},
    },
}
# Those of `make test-fast` that depend on the answers, but for those that repeat one with other text.
ANSWERED = [
    "bake",
    "conflicts",
    "doctor",
    "hooks",
    "leaderboard",
    "lint",
    "oidc",
    "one_place",
    "runner",
]
REPEATED = "free_text or usable_slug or arguments_that or a_refusal or python_3_9"


def assert_as_set(template: Path, answers: dict[str, Any]) -> None:
    """Check that a project has what an organisation set for all of its projects."""
    (template.parent / "work").mkdir()
    work = template.parent / "work"
    done = run("cookiecutter", "--no-input", template, "remote=s3", cwd=work)
    project = BakedProject(work / "my-ml-project", template.parent / "environment")
    assert "failed" not in done.stdout
    assert project.git("branch", "--show-current").strip() == answers["_default_branch"] == "trunk"
    assert f"git push -u origin {answers['_default_branch']}\n" in project.read("README.md")
    settings = tomllib.loads(project.read("pyproject.toml"))
    assert settings["project"]["requires-python"] == answers["_requires_python"]
    assert all(f'"{text}"' in project.read("pyproject.toml") for text in answers["_dependencies"])
    (index,) = settings["tool"]["uv"]["index"]
    assert index["url"] == answers["_package_index"]
    assert f'registry = "{answers["_package_index"]}"' in project.read("uv.lock")
    assert project.read("CODEOWNERS") == "* @acme/ml @acme/data\n"
    pipeline = yaml.safe_load(project.read(".gitlab-ci.yml"))
    assert answers["_ci_environment"].items() <= pipeline["variables"].items()
    assert pipeline["run"]["image"] == "registry.acme.example/uv:python3.13"
    assert pipeline["publish"]["image"] == answers["_cml_image"]
    assert pipeline["run"]["tags"] == pipeline["publish"]["tags"] == LABELS["gitlab"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ORGANISATIONS)
def test_an_organisation_tests_its_own_answers(template: Path, name: str) -> None:
    """Other values first, some taken out, one added: the tests hold, or are skipped, a few."""
    path = template / "cookiecutter.json"
    answers = json.loads(path.read_text(encoding="utf-8")) | ORGANISATIONS[name]
    if "minio" in answers["remote"]:
        add_remote(template, answers)
    path.write_text(json.dumps(answers), encoding="utf-8")
    commit(template, "Our defaults")
    if answers["_owners"]:
        assert_as_set(template, answers)
    files = [f"tests/test_{file}.py" for file in ANSWERED]
    local = ["tests/test_refusals.py::test_a_bad_answer_is_refused_in_one_sentence"]
    choose = ["-m", "not slow", "-k", f"not ({REPEATED})"]
    fast = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *choose]
    done = run(*fast, *files, *local, cwd=template)
    counts = re.findall(r"(\d+) (\w+)", done.stdout.splitlines()[-1])
    numbers = {word: int(number) for number, word in counts}
    assert numbers["passed"] > 80
    assert numbers["skipped"] < 80  # all skips of `make test-fast`, a quarter of its 350 tests
