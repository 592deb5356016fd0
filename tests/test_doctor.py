"""Promise: the doctor says in words what is wrong, and the command that mends it, in ten seconds."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from answers import CHOICES, QUESTIONS, REMOTES
from conftest import TEMPLATE, BakedProject, run
from cookiecutter.main import cookiecutter
from dvc_objects.fs.local import LocalFileSystem
from histories import bare_python
from mlci.storage import checks, probe, server
from mlci.storage.causes import find_cause
from mlci.work.diagnosis import absent_data, find_flaw, find_limit, judge_address
from servers import SERVERS, Server
from servers.clouds import policy_of_s3, s3_users
from servers.faults import always, behind, silent, untrusted
from servers.running import answers_for, free_port
from test_remotes import add_files, checksums, doctor, forget
from tiny import commit, write

KEYLESS = {name: spec["oidc"] for name, spec in REMOTES.items() if spec["oidc"]}
DEMANDING = [name for name in REMOTES if any(s["required"] for s in REMOTES[name]["secrets"])]


def doctor_ci(project: BakedProject, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the first step of CI, which needs no package at all."""
    variables = os.environ | env
    command = [*bare_python(), "ci", "doctor", "--ci"]
    return run(*command, cwd=project.path, check=False, env=variables)


@pytest.mark.parametrize("remote", DEMANDING)
def test_ci_names_each_secret_that_is_missing_or_empty(render, remote: str) -> None:
    project = render(remote=remote, credentials="secrets")
    required = [s["name"] for s in REMOTES[remote]["secrets"] if s["required"]]
    for env in ({}, dict.fromkeys(required, "")):
        done = doctor_ci(project, **env)
        assert done.returncode == 1
        assert [line.split()[0] for line in done.stdout.splitlines()] == required
    value = "never-to-be-shown"
    for name in required[:-1]:
        assert doctor_ci(project, **{name: value}).returncode == 1
    done = doctor_ci(project, **dict.fromkeys(required, value))
    assert done.returncode == 0, done.stdout
    assert value not in done.stdout + done.stderr


@pytest.mark.parametrize("remote", [name for name in REMOTES if name not in DEMANDING])
def test_ci_asks_for_nothing_that_the_remote_does_not_need(render, remote: str) -> None:
    assert doctor_ci(render(remote=remote)).returncode == 0


@pytest.mark.parametrize("fork", [True, False])
def test_a_pull_request_from_a_fork_passes_with_a_note(render, tmp_path: Path, fork: bool) -> None:
    sides = {"head": {"repo": {"full_name": "eve/p" if fork else "ada/p"}}}
    sides["base"] = {"repo": {"full_name": "ada/p"}}
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": sides}))
    done = doctor_ci(render(remote="s3"), GITHUB_EVENT_PATH=str(event))
    assert done.returncode == (0 if fork else 1)
    assert ("fork" in done.stdout) == fork
    merge = {"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2" if fork else "1"}
    done = doctor_ci(render(remote="s3"), **merge, CI_MERGE_REQUEST_PROJECT_ID="1")
    assert done.returncode == (0 if fork else 1)


def test_data_that_are_not_here_and_that_no_stage_makes_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run("git", "init", "--quiet", cwd=tmp_path)
    for name in ("here.dvc", "here", "größe.csv.dvc", "not-tracked.dvc"):
        (tmp_path / name).touch()
    run("git", "add", "here.dvc", "größe.csv.dvc", cwd=tmp_path)
    (check,) = absent_data()
    assert (check.found, check.mend) == ("not here: größe.csv", "uv run dvc pull")
    assert not check.blocks
    (tmp_path / "größe.csv").touch()
    assert not [*absent_data()]


def test_secrets_md_holds_what_this_remote_needs_and_no_more(render) -> None:
    everything = {s["name"] for spec in REMOTES.values() for s in spec["secrets"]}
    for ci in CHOICES["ci"]:
        for remote in CHOICES["remote"]:
            answers = {"remote": remote, "ci": ci, "credentials": "secrets"}
            text = render(**answers).read("SECRETS.md")
            own = {secret["name"] for secret in REMOTES[remote]["secrets"]}
            assert own <= set(re.findall(r"- \[ \] `(\w+)`", text))
            assert not (everything - own) & set(re.findall(r"\w+", text))
            assert not re.search(r"\{(bucket|path|name)\}", text)
            assert not re.search(r"(?<!uv run )dvc remote modify", text)
            for secret in REMOTES[remote]["secrets"]:
                kind = "store_file" if secret["via"] == "file" else "store"
                store = QUESTIONS["_ci"][ci][kind].replace("{name}", secret["name"])
                assert f"\n      {store}\n" in text
                assert ("optional" in text.split(f"`{secret['name']}`")[1][:12]) != secret[
                    "required"
                ]
    assert len(render(remote="local").read("SECRETS.md").splitlines()) < 20


@pytest.mark.parametrize("remote", KEYLESS)
@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_without_keys_secrets_md_speaks_of_none(render, remote: str, ci: str) -> None:
    project = render(remote=remote, ci=ci, credentials="oidc")
    text = project.read("SECRETS.md")
    assert "## Permission" not in text
    for word in ("access key", "Access keys", "connection string`", "NAME@PROJECT"):
        assert word not in text
    asked = [
        sys.executable,
        "-c",
        "from mlci.storage import checks; print(checks.give_credentials(''))",
    ]
    env = os.environ | {"PYTHONPATH": "ci/src"}
    assert run(*asked, cwd=project.path, env=env).stdout.strip() == KEYLESS[remote]["sign_in"]


def test_the_policy_is_for_this_project_only(render) -> None:
    for url, resource in {"s3://b/team/p/": "b/team/p/*", "s3://b": "b/*"}.items():
        policy = render(remote="s3", remote_url=url).read("SECRETS.md")
        assert f'"arn:aws:s3:::{resource}"' in policy
        assert '"arn:aws:s3:::b"' in policy


def test_an_invented_remote_is_one_entry_one_value_and_one_text(tmp_path: Path) -> None:
    template = tmp_path / "template"
    for folder in ("{{cookiecutter.project_slug}}", "templates"):
        shutil.copytree(TEMPLATE / folder, template / folder)
    (template / "templates" / "remotes" / "floppy.md").write_text("## What to know\n\n- 1.44 MB.\n")
    questions = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
    like = next(spec for spec in questions["_remotes"].values() if spec["secrets"])
    questions["_remotes"]["floppy"] = {
        **like,
        "title": "a box of floppy disks",
        "schemes": ["floppy"],
        "url": "floppy://box/{slug}",
        "secrets": [{**like["secrets"][0], "name": "FLOPPY_LABEL"}],
    }
    questions["remote"].append("floppy")
    questions["credentials"] = ["secrets"]
    (template / "cookiecutter.json").write_text(json.dumps(questions))
    for ci in CHOICES["ci"]:
        path = cookiecutter(
            str(template),
            no_input=True,
            extra_context={"remote": "floppy", "ci": ci, "credentials": "secrets"},
            output_dir=str(tmp_path / ci),
        )
        project = BakedProject(Path(path), tmp_path)
        assert 'ci = ["mlci[floppy]"]' in project.read("pyproject.toml")
        assert "FLOPPY_LABEL" in project.read("SECRETS.md")
        assert project.read("SECRETS.md").endswith("## What to know\n\n- 1.44 MB.\n")
        assert "FLOPPY_LABEL" in project.read(questions["_ci"][ci]["file"])
        assert doctor_ci(project).stdout.startswith("FLOPPY_LABEL is not set")
        assert doctor_ci(project, FLOPPY_LABEL="1").returncode == 0


def test_no_remote_is_named_outside_the_table_but_for_its_packages() -> None:
    words = [name for name in QUESTIONS["_remotes"] if name not in ("local", "http", "ssh", "gs")]
    pattern = re.compile(
        rf"\b({'|'.join(words)})\b(?!://|\.example)|(cookiecutter\.remote|\bremote\b)['\"\])]* *(==|!=|in) "
    )
    extras = TEMPLATE / "{{cookiecutter.project_slug}}" / "ci" / "pyproject.toml"
    assert extras.is_file()
    files = [path for path in TEMPLATE.glob("{{cookiecutter.project_slug}}/**/*") if path.is_file()]
    for path in [*files, *TEMPLATE.glob("hooks/*.py")]:
        if path.suffix in (".md", ".pyc") or path == extras:
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not pattern.search(line), f"{path.name} knows a remote: {line.strip()}"
    assert pattern.search(
        "if cookiecutter.remote == 's3':"
    )  # the search itself finds what it should


FAULTS = {  # what a server answers, the words for it, and a part of the command that mends it
    "another region": (
        400,
        (
            "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is"
            " malformed; the region 'us-east-1' is wrong; expecting 'eu-central-1'</Message>"
            "<Region>eu-central-1</Region></Error>"
        ),
        "in another region",
        "storage region eu-central-1",
    ),
    "expired": (
        400,
        "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>",
        "have expired",
        "read -rs AWS_ACCESS_KEY_ID && export AWS_ACCESS_KEY_ID && read -rs AWS_SECRET_ACCESS_KEY",
    ),
    "malformed token": (
        400,
        (
            "<Error><Code>InvalidToken</Code><Message>The provided token is malformed or otherwise"
            " invalid.</Message></Error>"
        ),
        "refuses the credentials",
        "export AWS_SECRET_ACCESS_KEY",
    ),
    "no bucket": (
        404,
        "<Error><Code>NoSuchBucket</Code><Message>No such bucket</Message></Error>",
        "does not exist",
        "ci use-remote",
    ),
    "too busy": (
        503,
        "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
        "server error or overload",
        "--limit 60",
    ),
    "full": (
        507,
        "<Error><Code>XMinioStorageFull</Code><Message>Storage is full</Message></Error>",
        "write: it is full",
        "ci use-remote",
    ),
    "no permission": (
        403,
        "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
        "refuses the credentials",
        "export AWS_SECRET_ACCESS_KEY",
    ),
}


@pytest.mark.slow
def test_each_cause_has_its_own_words(bake, tmp_path: Path) -> None:
    with SERVERS["s3"](tmp_path) as server:
        project = bake(**answers_for("s3", server))
        config = project.path / ".dvc" / "config"
        before = config.read_text()

        def storage(
            endpoint: str,
            changed: dict[str, str] | None = None,
            limit: int = 25,
            url: str = server.url,
        ) -> tuple[str, str]:
            config.write_text(before.replace(server.endpoint, endpoint).replace(server.url, url))
            check = doctor(project, server, changed, limit)["Storage"]
            assert check["state"] == "failed"
            return check["found"], check["mend"]

        for status, body, words, command in FAULTS.values():
            with always(status, body) as port:
                found, mend = storage(f"http://127.0.0.1:{port}")
                assert words in found
                assert command in mend
        for nobody in (f"http://127.0.0.1:{free_port()}", "minio:9000"):
            found, mend = storage(nobody)
            assert "no answer" in found
            assert mend == "uv run dvc remote modify storage endpointurl https://HOST"
        with silent() as port:
            assert "no answer in time" in storage(f"http://127.0.0.1:{port}", limit=10)[0]
        with always(200, "") as port:
            found, mend = storage(f"https://127.0.0.1:{port}")
            assert "speaks http, not https" in found
            assert mend.endswith(f"storage endpointurl http://127.0.0.1:{port}")
        found, mend = storage(server.endpoint, {"AWS_PROFILE": ""})
        assert "AWS_PROFILE is set, and empty" in found
        assert mend == "unset AWS_PROFILE"
        with untrusted(tmp_path) as port:
            assert "certificate" in storage(f"https://localhost:{port}")[0]
        half = {"AWS_SECRET_ACCESS_KEY": ""}
        found, mend = storage(server.endpoint, half)
        assert "no credentials" in found
        assert mend == "read -rs AWS_SECRET_ACCESS_KEY && export AWS_SECRET_ACCESS_KEY"
        assert "refuses the credentials" in storage(server.endpoint, url="s3://bucket/other")[0]
        nothing = dict.fromkeys(server.secrets, "")
        assert "no credentials" in storage(server.endpoint, nothing)[0]


@pytest.mark.slow
@pytest.mark.parametrize("remote", ["azure", "ssh", "webdav"])
def test_a_server_that_never_answers_does_not_keep_the_doctor(
    bake, tmp_path: Path, remote: str
) -> None:
    with SERVERS[remote](tmp_path) as server, silent() as port:
        deaf = behind(server, port)
        project = bake(**answers_for(remote, deaf))
        check = doctor(project, deaf)["Storage"]
        assert check["state"] == "failed"
        assert "no answer" in check["found"]
        if remote == "azure":  # its library tries for a minute and a half where nobody listens
            nobody = behind(server, free_port())
            check = doctor(project, nobody, limit=10)["Storage"]
            assert "there is no answer" in check["found"]


@pytest.mark.slow
def test_each_thing_that_is_missing_has_its_command(bake, tmp_path: Path) -> None:
    project = bake(remote="local", remote_url=str(tmp_path / "storage"))
    checks = doctor(project, Server(url=""))
    assert checks["Git remote"]["mend"] == "git remote add origin URL"
    assert checks["pre-commit"]["mend"] == "uv run pre-commit install"
    assert checks["Remote"]["mend"] == "uv run ci use-remote s3://BUCKET/PROJECT"
    failed = {name: check for name, check in checks.items() if check["state"] == "failed"}
    assert {check["severity"] for check in failed.values()} == {"advises"}
    fresh = project.run("ci", "doctor", "--limit=25")  # exits 0: nothing has to be mended
    assert {line[0] for line in fresh.stdout.splitlines()} == set("✓!\N{EN DASH} ")
    assert checks["Data pushed"]["state"] == "skipped"
    assert "uv run dvc repro" in checks["Data pushed"]["found"]
    project.run("pre-commit", "install")
    project.git("remote", "add", "origin", "https://token@example.com/p.git")
    checks = doctor(project, Server(url=""))
    assert checks["Git remote"] == {
        "name": "Git remote",
        "state": "ok",
        "found": "https://example.com/p.git",
        "mend": "",
        "severity": "blocks",
    }
    assert checks["pre-commit"]["state"] == checks["Storage"]["state"] == "ok"

    git, config = project.path / ".git", project.path / ".dvc" / "config"
    git.rename(tmp_path / "git")
    assert doctor(project, Server(url=""))["Plugin"]["mend"] == "git init"
    (tmp_path / "git").rename(git)
    before = config.read_text()
    for broken in (None, "[core]\nanalytics = false\n", f"<<<<<<< HEAD\n{before}"):
        config.write_text(broken) if broken else config.unlink()
        mend = doctor(project, Server(url=""))["Remote"]["mend"]
        project.run(*mend.removeprefix("uv run ").split())
    assert f"url = {tmp_path / 'storage'}\n" in config.read_text()
    config.write_text(before)

    bare = Path(sys.base_prefix) / "bin" / "python3"
    done = run(bare, "ci", "doctor", cwd=project.path, check=False)
    assert done.returncode == 1
    assert "→ uv sync" in done.stdout
    legacy = os.environ | {"PYTHONIOENCODING": "cp1252"}
    done = run(bare, "ci", "doctor", cwd=project.path, check=False, env=legacy)
    assert "✗ DVC" in done.stdout


def test_the_secrets_of_ci_are_asked_for_where_its_tool_is(render, tmp_path: Path) -> None:
    project = render(remote="s3", ci="github")
    project.git("init")
    tool = tmp_path / "gh"
    env = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    make = 'gh api --method PUT "repos/{owner}/{repo}/environments/dvc-remote" && '
    for before, first in {"": "", 'case "$*" in *--env*) exit 1; esac': make}.items():
        tool.write_text(f"#!/bin/sh\n{before}\nprintf 'AWS_ACCESS_KEY_ID\\tnow\\n'\n")
        tool.chmod(0o755)
        command = [*bare_python(), "ci", "doctor", "--json"]
        done = run(*command, cwd=project.path, check=False, env=env)
        checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
        check = checks["Secrets of GitHub Actions"]
        assert check["found"] == "not set: AWS_SECRET_ACCESS_KEY"
        assert check["mend"] == f"{first}gh secret set AWS_SECRET_ACCESS_KEY --env dvc-remote"


@pytest.mark.parametrize(
    "arguments",
    [
        ["use-remote", ""],
        ["use-remote", "s3://"],
        ["use-remote", "s3://bucket/p?versionId=1"],
        ["use-remote", "floppy://box/p"],
        ["use-remote", "ssh://ada:secret@host/p"],
        ["use-remote", "s3://ada:secret@bucket/p"],
        ["use-remote", "s3://bucket/p", "--ci"],
        ["use-remote", "--endpoint", "https://minio.example.com"],
        ["use-remote", "s3://bucket/p", "--endpoint", "minio:9000"],
    ],
)
def test_arguments_that_cannot_be_are_refused(render, arguments: list[str]) -> None:
    done = run(sys.executable, "ci", *arguments, cwd=render(remote="s3").path, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_fork_goes_on_with_a_storage_of_its_own(bake, tmp_path: Path) -> None:
    project = bake(remote="local", remote_url=str(tmp_path / "theirs"))
    (project.path / "dvc.yaml").unlink()
    made = add_files(project, 1)
    project.run("dvc", "push")
    project.git("add", "--all")
    project.git("commit", "--quiet", "-m", "Train")

    fork = project.clone(tmp_path / "fork")
    before = fork.read(".dvc/config")
    (tmp_path / "file").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "files").touch()  # the doctor can write there, a push cannot
    for bad in ("file", "broken"):
        done = fork.run("ci", "use-remote", tmp_path / bad, check=False)
        assert done.returncode == 1
        assert fork.read(".dvc/config") == before

    fork.run("ci", "use-remote", tmp_path / "mine")
    assert str(tmp_path / "mine") in fork.read(".dvc/config")
    shutil.rmtree(tmp_path / "theirs")
    check = doctor(project, Server(url=""))["Storage"]
    assert check["state"] == "failed"
    assert check["mend"] == f"mkdir {tmp_path / 'theirs'}"
    assert not (tmp_path / "theirs").exists()
    shutil.rmtree(fork.path / ".dvc" / "cache")
    fork.run("dvc", "pull")
    assert checksums(fork.path) == made


@pytest.mark.slow
def test_the_action_that_a_key_may_not_do_is_named(bake, tmp_path: Path) -> None:
    """A reader's key is no fault; one that cannot even list or read is."""
    policies = {"all": policy_of_s3()}
    for denied in ("PutObject", "ListBucket", "GetObject", "DeleteObject"):
        policies[denied] = policy_of_s3()
        listing, objects = policies[denied]["Statement"]
        objects["Action"] = [name for name in objects["Action"] if name != f"s3:{denied}"]
        if denied == "ListBucket":
            policies[denied]["Statement"].remove(listing)
    anything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policies["owner"] = {"Version": "2012-10-17", "Statement": [anything]}
    with s3_users(tmp_path, policies) as servers:
        project = bake(**answers_for("s3", servers["all"]))
        found = {name: doctor(project, server)["Storage"] for name, server in servers.items()}
        project.run("dvc", "remote", "modify", "storage", "version_aware", "true")
        versions = doctor(project, servers["owner"])["Data pushed"]
    assert found["all"]["found"] == "readable and writable"
    assert found["DeleteObject"]["state"] == "ok"
    assert "this key may not delete" in found["DeleteObject"]["found"]
    assert found["PutObject"]["severity"] == "advises"
    assert found["PutObject"]["found"].startswith("readable, not writable: it refuses")
    assert found["ListBucket"]["found"].startswith("list: it refuses")
    assert found["GetObject"]["found"].startswith("read: it refuses")
    for denied in ("ListBucket", "GetObject"):
        assert (found[denied]["state"], found[denied]["severity"]) == ("failed", "blocks")
    assert versions["state"] == "skipped"
    assert "version_aware" in versions["found"]


SAID = {  # as the libraries say it, and words of what the doctor makes of it
    "ClientError: An error occurred (507) when calling PutObject: Insufficient Storage": "full",
    "HttpError: The user's Drive storage quota has been exceeded., storageQuotaExceeded": "full",
    "HttpError: Quota exceeded for quota metric 'Queries' and limit 'Queries per minute'": "often",
    "OSError: [Errno 28] No space left on device: '/srv/dvc/files'": "full",
    "ProfileNotFound: The config profile () could not be found": "empty",
    "ProfileNotFound: The config profile (work) could not be found": "does not have",
    "SSLError: [SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)": "not https",
    "ClientError: 400 The plain HTTP request was sent to HTTPS port": "not http",
    "ClientError: Client sent an HTTP request to an HTTPS server.": "not http",
    "SSLCertVerificationError: certificate verify failed: self-signed certificate": "not trusted",
}


@pytest.mark.parametrize("said", SAID)
def test_what_libraries_say_is_understood(said: str) -> None:
    cause = find_cause(f"RemoteError: it failed\n{said}")
    assert cause
    assert SAID[said] in cause.words
    assert cause.line == said


DENIED, BROKEN = PermissionError("Access Denied"), OSError("the disk is on fire")
ALLOWED: dict[str, tuple[dict[str, Exception], dict[str, object]]] = {  # refused, and what is told
    "all": ({}, {"found": "readable and writable"}),
    "no deletion at all": (
        {"rm_file": NotImplementedError()},
        {"found": "readable and writable (.dvc-doctor stays there, since DVC cannot delete it)"},
    ),
    "no deletion by this key": (
        {"rm_file": DENIED},
        {
            "found": "readable and writable (.dvc-doctor stays there, since this key may not delete it)"
        },
    ),
    "a deletion that fails": ({"rm_file": BROKEN}, {"action": "delete"}),
    "a reader": ({"put_file": DENIED}, {"action": "write", "readable": True}),
    "a list": ({"put_file": DENIED, "open": DENIED}, {"action": "write"}),
    "nothing": ({"put_file": DENIED, "ls": DENIED, "open": DENIED}, {"action": "write"}),
    "a write that fails": ({"put_file": BROKEN}, {"action": "write"}),
}


@pytest.mark.parametrize("traversed", [True, False], ids=["with lists", "as HTTP"])
@pytest.mark.parametrize("allowed", ALLOWED)
def test_what_a_storage_allows_is_tried(
    tmp_path: Path, monkeypatch, capsys, allowed: str, traversed: bool
) -> None:
    """Here a folder that refuses; it holds a file, below an empty folder and a full one."""
    for folder in (".begin", "files/md5/aa"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "files" / "md5" / "aa" / "b").write_text("data")
    storage = LocalFileSystem()
    monkeypatch.setattr(LocalFileSystem, "CAN_TRAVERSE", traversed)
    refused, told = ALLOWED[allowed]
    for action, error in refused.items():
        monkeypatch.setattr(storage, action, Mock(side_effect=error))
    with contextlib.suppress(probe.ActionError):
        probe.try_storage(storage, str(tmp_path))
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told.items() <= answer.items()
    may_read = traversed is False or "open" not in refused
    assert answer.get("readable", False) == (refused.get("put_file") is DENIED and may_read)


def test_a_python_without_dvc_is_told_the_way(render, monkeypatch) -> None:
    monkeypatch.chdir(render(remote="local").path)
    plugin, *others = checks.examine(20, str(Path(sys.base_prefix) / "bin" / "python3"))
    assert plugin.blocks
    assert "No module named" in plugin.found
    assert plugin.mend == "uv sync"
    assert {check.state for check in others} == {"skipped"}


def test_what_was_not_pushed_is_counted(tmp_path: Path, monkeypatch) -> None:
    """By what `dvc status --cloud` says of each file."""
    monkeypatch.chdir(tmp_path)

    def judged(**status: str) -> checks.Check:
        return checks.check_push("Data pushed", {"status": status})

    assert judged().state == "skipped"
    assert judged(a="new", b="new", c="missing")[2:4] == (
        "2 files are only here",
        "uv run ci dvc push",
    )
    lost = judged(a="missing")
    assert lost[2:4] == ("1 files are neither here nor there", "uv run dvc repro")
    assert lost.blocks
    (tmp_path / "dvc.lock").touch()
    assert judged().found == "everything in dvc.lock"


def test_a_key_file_is_given_by_its_path(render, monkeypatch) -> None:
    """To DVC's option, where it has one, and where the variable is set, to that."""
    monkeypatch.chdir(render(remote="ssh").path)
    key = next(one for one in REMOTES["ssh"]["secrets"] if one["via"] == "file")
    option = f"uv run dvc remote modify --local storage {key['option']} /path/to/file"
    assert checks.give(key) == option
    monkeypatch.setenv(key["name"], "no file")
    assert checks.give(key) == f"export {key['name']}=/path/to/file"


def test_flaws_of_a_secret_are_seen_without_a_network(tmp_path: Path) -> None:
    plain, key = {"name": "A", "via": "env"}, {"name": "A", "via": "file", "begins": "{"}
    signed = "BlobEndpoint=https://a.example.com;SharedAccessSignature=sv=2&se={}&sig=x"
    for past in ("2020-01-02T03%3A04%3A05Z", "2020-01-02T03:04:05Z", "2020-01-02"):
        assert find_flaw(plain, signed.format(past)) == "a signature that expired on 2020-01-02"
    assert find_flaw(plain, signed.format("2999-01-02T03%3A04%3A05Z")) == ""
    assert "line break" in find_flaw(plain, "secret\n")
    assert find_flaw(key, "{\n}\n") == find_flaw(key, "ewp9Cg==") == ""
    assert "begin with {" in find_flaw(key, "ssh-ed25519 AAAA ada@example.com")
    assert "not there" in find_flaw(key, str(tmp_path / "key.json"))
    (tmp_path / "key.json").touch()
    assert find_flaw(key, str(tmp_path / "key.json")) == ""


@pytest.mark.parametrize(
    "url", ["s3://my-bucket/p", "azure://my-container/p", "ssh://dvc@storage.example.com/srv/p"]
)
def test_an_example_address_is_none(render, monkeypatch, url: str) -> None:
    scheme = url.partition(":")[0]
    monkeypatch.chdir(render(remote=scheme).path)
    check = judge_address(url, scheme)
    assert check.blocks
    assert "still the example" in check.found
    assert judge_address(f"{scheme}://ours/p", scheme).state == "ok"
    other = judge_address("floppy://box", "floppy")  # changed by hand: CI does not know of it
    assert other.mend == "uv run ci use-remote floppy://box"


def test_a_server_that_is_not_there_is_seen_at_once(render, monkeypatch) -> None:
    monkeypatch.chdir(render(remote="azure").path)
    port = free_port()
    for address, words in {
        f"http://127.0.0.1:{port}/account": f"nothing listens at 127.0.0.1:{port}",
        "https://nobody.invalid/account": "the name nobody.invalid is not known",
    }.items():
        secret = f"BlobEndpoint={address};AccountName=a;AccountKey=a2V5"
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", secret)
        assert server.problem() == words


SERVER_OF = {  # of each remote, by an option of .dvc/config or a connection string
    "ssh, url = ssh://dvc@host:2222/srv": "ssh://dvc@host:2222/srv",
    "webdav, url = webdavs://host/dvc": "webdavs://host/dvc",
    "s3, url = s3://bucket": "",
    "s3, endpointurl = https://minio:9000": "https://minio:9000",
    "azure, account_name = ours": "https://ours.blob.core.windows.net",
    "azure, AccountName=ours;AccountKey=a": "https://ours.blob.core.windows.net",
}


@pytest.mark.parametrize("case", SERVER_OF)
def test_the_server_that_is_asked_is_that_of_the_storage(render, monkeypatch, case: str) -> None:
    """Where its library alone knows the server, nothing is said of it."""
    remote, _, given = case.partition(", ")
    project = render(remote=remote)
    monkeypatch.chdir(project.path)
    if " = " in given:
        section = f"[core]\nremote = storage\n['remote \"storage\"']\n{given}\n"
        write(project, {".dvc/config": section})
    else:
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", given)
    assert server.address() == SERVER_OF[case]
    if not SERVER_OF[case]:
        assert server.problem() == ""


def test_a_proxy_or_no_route_is_no_wrong_name(render, monkeypatch) -> None:
    monkeypatch.chdir(render(remote="azure").path)
    secret = "BlobEndpoint={}/account;AccountName=a;AccountKey=a2V5"
    nowhere = "http://255.255.255.255"  # of every machine in this network, so of none
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", secret.format(nowhere))
    assert server.problem() == "255.255.255.255:80 cannot be reached"
    unknown = "https://nobody.invalid"  # which a proxy may know
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", secret.format(unknown))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:3128")
    assert server.problem() == ""
    monkeypatch.setenv("no_proxy", "nobody.invalid")
    assert server.problem() == "the name nobody.invalid is not known"


def test_more_files_get_more_time(tmp_path: Path, monkeypatch) -> None:
    run("git", "init", "--quiet", cwd=tmp_path)
    monkeypatch.chdir(tmp_path)
    assert find_limit() == 10
    (tmp_path / "dvc.lock").write_text("outs:\n- path: a\n  nfiles: 20000\n")
    (tmp_path / "a.dvc").write_text("outs:\n- nfiles: 10000\n")
    run("git", "add", "dvc.lock", "a.dvc", cwd=tmp_path)
    assert find_limit() == 40


@pytest.mark.parametrize("ci", CHOICES["ci"])
def test_ci_says_that_it_cannot_reach_a_folder(render, ci: str) -> None:
    done = doctor_ci(render(remote="local", ci=ci))
    assert done.returncode == 0
    assert "uv run ci use-remote s3://BUCKET/PROJECT" in done.stdout


@pytest.mark.slow
def test_everything_follows_the_default_remote(bake, tmp_path: Path) -> None:
    """Renamed, without a default, and with a second one beside it."""
    project = bake(remote="local", remote_url=str(tmp_path / "dev"))
    (project.path / "dvc.yaml").unlink()
    made = add_files(project, 1)
    project.run("dvc", "remote", "rename", "storage", "dev")
    project.run("dvc", "remote", "add", "prod", tmp_path / "prod")
    project.run("dvc", "push", "--quiet")
    assert doctor(project, Server(url=""))["Storage"]["state"] == "ok"
    assert (tmp_path / "dev" / "files").is_dir()

    project.run("dvc", "remote", "default", "prod")
    assert doctor(project, Server(url=""))["Remote"]["found"].startswith(str(tmp_path / "prod"))
    commit(project, "Use prod")
    project.run("ci", "use-remote", tmp_path / "new")
    config = project.read(".dvc/config")
    assert f"url = {tmp_path / 'dev'}" in config
    assert f"url = {tmp_path / 'new'}" in config
    assert f"url = {tmp_path / 'prod'}" not in config
    shutil.rmtree(tmp_path / "dev")
    forget(project)
    project.run("dvc", "pull", "--quiet")
    assert checksums(project.path) == made

    project.run("dvc", "remote", "default", "--unset")
    check = doctor(project, Server(url=""))["Remote"]
    assert check["found"] == "none is DVC's default; there are: dev, prod"
    assert check["mend"] == "uv run dvc remote default dev"


@pytest.mark.slow
def test_two_remotes_with_credentials_of_their_own(bake, tmp_path: Path) -> None:
    """As docs/remotes.md says: profiles of AWS, one for each remote, and no key in Git."""
    users = {"dev": policy_of_s3(), "prod": policy_of_s3()}
    users["prod"]["Statement"][1]["Resource"] = "arn:aws:s3:::bucket/released/*"
    with s3_users(tmp_path, users) as servers:
        project = bake(**answers_for("s3", servers["dev"]))
        (project.path / "dvc.yaml").unlink()
        made = add_files(project, 1)
        credentials = tmp_path / "credentials"
        for name, server in servers.items():
            with credentials.open("a") as file:
                file.write(f"[{name}]\n")
                file.writelines(f"{key.lower()} = {v}\n" for key, v in server.secrets.items())
        text = (TEMPLATE / "docs" / "remotes.md").read_text(encoding="utf-8")
        (block,) = re.findall(r"## Two remotes.*?```\n(.*?)```", text, re.DOTALL)
        for line in block.replace(
            "https://minio.example.com", servers["dev"].endpoint
        ).splitlines():
            env = {"AWS_SHARED_CREDENTIALS_FILE": str(credentials)} | servers["dev"].environment
            if not line.startswith("aws configure"):
                project.run(*line.removeprefix("uv run ").split(), env=env)
        forget(project)
        wrong = project.run("dvc", "pull", "--remote", "storage", check=False, env=env)
        assert wrong.returncode  # what was pushed to prod is there only
        project.run("dvc", "pull", "--remote", "prod", env=env)
        assert checksums(project.path) == made
