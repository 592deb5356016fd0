"""Promise: whatever a user answers, a security review has nothing to say about the CI files.

What the linters may overlook is named here or in a comment at its place; nothing is switched off.
"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from answers import CHOICES, QUESTIONS, REMOTES, name_of, possible
from conftest import TEMPLATE, BakedProject, run

FILES = {
    "github": ".github/workflows/cml.yml",
    "gitlab": ".gitlab-ci.yml",
    "bitbucket": "bitbucket-pipelines.yml",
}
OWN = TEMPLATE / ".github"
TEXTS = TEMPLATE / "templates"


def cases(ci: str) -> list[dict[str, str]]:
    """Return every remote, and every runner with every kind of credentials, for one provider."""
    first = CHOICES["credentials"][0]
    remotes = [{"ci": ci, "remote": remote, "credentials": first} for remote in REMOTES]
    rest = [
        {"ci": ci, "remote": remote, "runner": runner, "credentials": credentials}
        for remote in REMOTES
        for runner in CHOICES["runner"]
        for credentials in CHOICES["credentials"]
        if remote == "s3" or credentials == "oidc"
    ]
    return [case for case in remotes + rest if possible(case)]


@pytest.fixture
def repository(tmp_path: Path) -> Callable[[dict[str, Path]], Path]:
    """Make a repository of workflows by their names, since the linters look for one."""

    def make(workflows: dict[str, Path]) -> Path:
        folder = tmp_path / "linted" / ".github" / "workflows"
        folder.mkdir(parents=True)
        for name, path in workflows.items():
            shutil.copy(path, folder / f"{name}.yml")
        run("git", "init", "--quiet", cwd=folder.parents[1])
        return folder.parents[1]

    return make


def zizmor(folder: Path) -> list[dict[str, Any]]:
    """Return what zizmor finds, at its strictest."""
    done = run(
        "zizmor", "--quiet", "--offline", "--persona=auditor", "--strict-collection",
        "--format=json", "--no-exit-codes", folder, cwd=folder,
    )  # fmt: skip
    findings: list[dict[str, Any]] = json.loads(done.stdout)
    return findings


def schema(name: str, *options: str, files: list[Path]) -> None:
    """Check files against a schema that check-jsonschema brings along."""
    run("check-jsonschema", "--builtin-schema", name, *options, *files, cwd=TEMPLATE)


def lint_workflows(folder: Path) -> None:
    """Check a repository's workflows by zizmor, actionlint with shellcheck, and the schemas."""
    files = sorted((folder / ".github" / "workflows").glob("*.yml"))
    assert zizmor(folder) == []
    done = run(
        "actionlint", "-shellcheck", shutil.which("shellcheck") or "", cwd=folder, check=False
    )
    # A schema newer than actionlint's own knows this key, which keeps runs out of "Deployments".
    known = re.compile(r'unexpected key "deployment" for "environment" section')
    errors = [line for line in done.stdout.splitlines() if re.match(r"\S+:\d+:\d+: ", line)]
    assert [line for line in errors if not known.search(line)] == []
    schema("vendor.github-workflows", files=files)
    schema("custom.github-workflows-require-timeout", files=files)
    for path in files:
        for action in re.findall(r"uses: (?!\$/)(.*)", path.read_text(encoding="utf-8")):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.slow
def test_every_github_workflow_is_clean(render, repository) -> None:
    projects = {name_of(answers): render(**answers) for answers in cases("github")}
    files = {name: project.path / FILES["github"] for name, project in projects.items()}
    assert len(files) == len(cases("github"))
    lint_workflows(repository(files))
    dependabot = [project.path / ".github" / "dependabot.yml" for project in projects.values()]
    schema("vendor.dependabot", files=dependabot[:1])
    assert zizmor(dependabot[0].parents[1]) == []
    for name, project in projects.items():
        own_machine = "runner" in name and "hosted" not in name.split("-")
        ignores = re.findall(r"zizmor: *ignore\[(.*?)\]", project.read(FILES["github"]))
        assert set(ignores) <= {"self-hosted-runner"}, own_machine


@pytest.mark.parametrize(
    "mistake",
    {
        "an action by its tag": (r"@[0-9a-f]{40} # v7\.0\.1", "@v7"),
        "a token left in the checkout": ("          persist-credentials: false\n", ""),
        "all permissions": ("permissions: {}", "permissions: write-all"),
        "text of a user in a script": ("python3 ci/", "echo ${{ github.head_ref }}; python3 ci/"),
    }.items(),
    ids=lambda item: item[0],
)
def test_a_mistake_would_be_found(render, repository, mistake) -> None:
    """The control of the test above: a linter that sees nothing would pass it too."""
    _, (pattern, replacement) = mistake
    path = render(ci="github").path / FILES["github"]
    text, changes = re.subn(pattern, replacement, path.read_text(encoding="utf-8"))
    assert changes
    path.write_text(text, encoding="utf-8")
    assert zizmor(repository({"cml": path})) != []


@pytest.mark.slow
@pytest.mark.parametrize("ci", ["gitlab", "bitbucket"])
def test_every_other_ci_file_fits_its_schema(render, ci: str) -> None:
    files = [render(**answers).path / FILES[ci] for answers in cases(ci)]
    if ci == "gitlab":
        schema("vendor.gitlab-ci", "--data-transform", "gitlab-ci", files=files)
    else:
        schema("vendor.bitbucket-pipelines", files=files)
    schema("vendor.renovate", files=[files[0].with_name("renovate.json")])
    for path in files:
        lint_scripts(path)


def lint_scripts(path: Path) -> None:
    """Check every script of a GitLab or Bitbucket file by shellcheck."""
    scripts: list[str] = []

    def collect(node: object) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("script", "before_script", "after_script"):
                    scripts.append("\n".join(value))
                else:
                    collect(value)
        elif isinstance(node, list):
            for value in node:
                collect(value)

    collect(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert scripts
    for number, script in enumerate(scripts):
        file = path.with_name(f"script{number}.sh")
        file.write_text(f"#!/bin/bash\n{script}\n", encoding="utf-8")
        run("shellcheck", file, cwd=path.parent)


def test_every_text_and_script_of_the_templates_is_of_use() -> None:
    """A remote, a provider of CI, and what lets the one trust the other, have a file each."""
    keyless = [name for name, spec in QUESTIONS["_remotes"].items() if spec["oidc"]]
    providers = [ci for ci in QUESTIONS["_ci"] if ci != "bitbucket"]
    files = {f"remotes/{name}.md" for name in QUESTIONS["_remotes"]}
    files |= {f"ci/{name}.md" for name in QUESTIONS["_ci"]}
    files |= {f"trust/{name}.{ci}.sh" for name in keyless for ci in providers}
    texts = {path: path.read_text(encoding="utf-8") for path in TEXTS.rglob("*.*")}
    secrets = (TEMPLATE / "{{cookiecutter.project_slug}}" / "SECRETS.md").read_text(
        encoding="utf-8"
    )
    files |= set(re.findall(r"{% include '([^']+)' -?%}", "".join(texts.values()) + secrets))
    assert {path.relative_to(TEXTS).as_posix() for path in texts} == files


@pytest.mark.parametrize("script", sorted(TEXTS.glob("trust/*.sh")), ids=lambda path: path.stem)
def test_what_is_typed_once_for_trust_is_clean(script: Path) -> None:
    """As it lies there: what is filled in is a word inside quotes or in a document."""
    run("shellcheck", "--shell=bash", "--severity=style", script, cwd=TEMPLATE)


def test_each_provider_gets_its_own_files_only(render) -> None:
    """A project on GitLab ships nothing of GitHub's, and so on."""
    marks = {
        "github": {".github"},
        "gitlab": {".gitlab-ci.yml", "renovate.json"},
        "bitbucket": {"bitbucket-pipelines.yml", "renovate.json"},
    }
    for ci in CHOICES["ci"]:
        project = render(ci=ci)
        files = {path.name for path in project.path.rglob("*") if path.is_file()}
        files |= {path.name for path in project.path.rglob(".github/*/..") if any(path.glob("*"))}
        assert {mark for mark in set.union(*marks.values()) if mark in top(project)} == marks[ci]


def top(project: BakedProject) -> set[str]:
    """Return the names at the top of a project that are files or hold some."""
    return {
        path.relative_to(project.path).parts[0]
        for path in project.path.rglob("*")
        if path.is_file()
    }


def named_secrets(text: str, ci: str) -> set[str]:
    """Return the secrets that a CI file names."""
    pattern = {"github": r"secrets\.(\w+)"}.get(ci, r"^#   (?!none for)(\w+)$")
    return set(re.findall(pattern, text, re.MULTILINE))


@pytest.mark.parametrize("ci", CHOICES["ci"])
def test_the_secrets_are_the_same_everywhere(render, ci: str) -> None:
    """The CI file, SECRETS.md and the table of remotes name the same secrets."""
    for answers in cases(ci):
        project, spec = render(**answers), REMOTES[answers["remote"]]
        oidc = answers.get("credentials") == "oidc"
        table = {
            entry["name"] for entry in (spec["oidc"]["variables"] if oidc else spec["secrets"])
        }
        assert named_secrets(project.read(FILES[ci]), ci) == table, answers
        listed = re.findall(r"^- \[ \] `(\w+)`", project.read("SECRETS.md"), re.MULTILINE)
        assert set(listed) - {"REPO_TOKEN"} == table, answers


def test_the_templates_own_workflows_are_clean(repository) -> None:
    """The template is held to what it generates."""
    workflows = {path.stem: path for path in (OWN / "workflows").glob("*.yml")}
    assert workflows
    lint_workflows(repository(workflows))
    assert zizmor(TEMPLATE) == []
    schema("vendor.dependabot", files=[OWN / "dependabot.yml"])
    forms = sorted((OWN / "ISSUE_TEMPLATE").glob("*.yml"))
    assert len(forms) > 1
    schema("vendor.github-issue-forms", files=[path for path in forms if path.stem != "config"])
    schema("vendor.github-issue-config", files=[OWN / "ISSUE_TEMPLATE" / "config.yml"])
