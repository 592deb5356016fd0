"""Promise: with `credentials=oidc` the storage lets CI in, and no key is stored anywhere."""

import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from act import GitHub
from answers import KEYLESS, QUESTIONS
from conftest import run
from mlci.storage import oidc
from mlci.storage.transfer import Files
from moto.server import ThreadedMotoServer
from servers.running import serving
from tiny import bake_tiny

AWSCLI = "awscli==1.46.3"  # its pins would not go together with those of DVC's plugin
ROLE = "arn:aws:iam::123456789012:role/dvc"
AWS = QUESTIONS["_remotes"]["s3"]["oidc"]


class Issuers:
    """GitHub's issuer of tokens, and AWS' exchange of them for the credentials of a user."""

    def __init__(self) -> None:
        """Begin without requests."""
        self.audiences: list[str] = []
        self.exchanged: list[dict[str, str]] = []

    def token(self, query: dict[str, list[str]], bearer: str | None) -> dict[str, str]:
        """Issue one token per request, each of them another."""
        assert bearer == "bearer request-token"
        self.audiences += query["audience"]
        return {"value": f"token-{len(self.audiences)}"}

    def exchange(self, form: dict[str, list[str]]) -> str:
        """Answer AssumeRoleWithWebIdentity.

        Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
        """
        self.exchanged.append({key: values[0] for key, values in form.items()})
        return (
            '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            "<AssumeRoleWithWebIdentityResult><Credentials>"
            "<AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId>"
            "<SecretAccessKey>short-lived</SecretAccessKey>"
            "<SessionToken>session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
            "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        )


@contextmanager
def issuing(issuers: Issuers) -> Iterator[str]:
    """Serve the issuers on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            self.answer(json.dumps(issuers.token(query, self.headers["Authorization"])))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.answer(issuers.exchange(parse_qs(body)))

        def answer(self, text: str) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def bucket() -> Iterator[str]:
    """Serve an S3 bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # Accounts are kept by the process: another test's roles would be there.
    urllib.request.urlopen(f"http://{host}:{port}/moto-api/reset", data=b"").close()
    keys = {"aws_access_key_id": "-", "aws_secret_access_key": "-", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys).create_bucket(Bucket="bucket")
    yield f"http://{host}:{port}"
    server.stop()


@pytest.mark.slow
def test_a_run_signs_in_to_s3_by_its_token(
    tmp_path: Path, environments: Callable[[str], Path]
) -> None:
    """Whoever has no keys at all cannot sign a request; only the exchange hands some out."""
    issuers = Issuers()
    with bucket() as endpoint, issuing(issuers) as url:
        project = bake_tiny(
            tmp_path / "baked", environments("s3"), remote="s3", remote_url="s3://bucket/project",
            remote_endpoint=endpoint, credentials="oidc",
        )  # fmt: skip
        project.run("dvc", "--version")
        github = GitHub(project, tmp_path)
        secrets = {"AWS_ROLE_ARN": ROLE, "AWS_DEFAULT_REGION": "us-east-1"}
        without = github.push(secrets=secrets)
        done = github.push(
            secrets=secrets,
            environment={
                "ACTIONS_ID_TOKEN_REQUEST_URL": f"{url}/token?api-version=2",
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token",
                "AWS_ENDPOINT_URL_STS": url,
            },
        )
    assert without.jobs["run"] == "failure"
    assert "Unable to locate credentials" in without.log
    assert done.jobs == {"run": "success", "publish": "success"}, done.log
    assert " pushed" in done.log
    assert set(issuers.audiences) == {"sts.amazonaws.com"}
    assert issuers.exchanged
    issued = {f"token-{number}" for number, _ in enumerate(issuers.audiences, start=1)}
    for request in issuers.exchanged:
        assert request["RoleArn"] == ROLE
        assert request["WebIdentityToken"] in issued


def writer(folder: Path) -> Callable[[str, str], str]:
    """Return what writes the files of a sign-in into a folder, where a test can read them."""

    def write(name: str, text: str) -> str:
        (folder / name).write_text(text)
        return str(folder / name)

    return write


@pytest.mark.parametrize("remote", KEYLESS)
def test_the_sdk_finds_the_token(remote: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("DVC_ID_TOKEN", "gitlab-token")
    environment = {entry["name"]: f"my-{entry['name']}" for entry in KEYLESS[remote]["variables"]}
    given = dict(environment)
    named = oidc.sign_in(KEYLESS[remote], environment, writer(tmp_path))
    added = {name: value for name, value in environment.items() if name not in given}
    assert set(added) == set(KEYLESS[remote]["environment"]) == set(named)
    assert (tmp_path / "token").read_text() == "gitlab-token"
    if KEYLESS[remote]["config"]:
        config = json.loads(Path(added["GOOGLE_APPLICATION_CREDENTIALS"]).read_text())
        assert config["type"] == "external_account"
        assert Path(config["credential_source"]["file"]).read_text() == "gitlab-token"
        assert config["audience"] == "//iam.googleapis.com/my-GCP_WORKLOAD_IDENTITY_PROVIDER"
        assert "my-GCP_SERVICE_ACCOUNT" in config["service_account_impersonation_url"]
    else:
        assert str(tmp_path / "token") in added.values()


def test_the_token_stays_fresh(monkeypatch) -> None:
    """GitHub's is valid for five minutes, and a push of much data may take hours."""
    monkeypatch.setattr(oidc, "RENEWAL", 0.05)
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-token")
    renewed = threading.Event()
    issuers = Issuers()
    with issuing(issuers) as url:
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{url}/token?api-version=2")
        files = Files()
        environment: dict[str, str] = {}
        oidc.sign_in(AWS, environment, files.write)
        token = Path(environment["AWS_WEB_IDENTITY_TOKEN_FILE"])
        first = token.read_text()
        for _ in range(200):
            if token.read_text() != first:
                renewed.set()
                break
            renewed.wait(0.05)
        monkeypatch.setattr(oidc, "RENEWAL", 3600)
    assert first == "token-1"
    assert renewed.is_set()


def test_at_home_nothing_changes(tmp_path: Path, monkeypatch) -> None:
    for name in ("DVC_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL"):
        monkeypatch.delenv(name, raising=False)
    environment: dict[str, str] = {}
    assert oidc.sign_in(AWS, environment, writer(tmp_path)) == []
    assert environment == {}
    assert list(tmp_path.iterdir()) == []


def test_a_refused_token_is_one_sentence(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", "http://127.0.0.1:9/token?a=b")
    with pytest.raises(ValueError, match="GitHub gave no identity token"):
        oidc.sign_in(AWS, {}, writer(tmp_path))


SHIM = """\
import json, os, pathlib, sys

log, words = pathlib.Path(os.environ["SHIM_LOG"]), sys.argv[1:]
known = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
with log.open("a") as file:
    file.write(json.dumps(words) + "\\n")
if os.environ.get("SHIM_REFUSES", "-") in words:
    sys.exit("refused")
noun = [word for word in words if word[0] != "-"]
verb = next(word for word in noun if word in VERBS)
noun = noun[: noun.index(verb)]
made = [w for w in known if w[: len(noun)] == noun and w[len(noun)].startswith("create")]
answers = {"account": "tenant-1", "storage account": "/subscriptions/1/a", "projects": "123"}
always = answers.get(" ".join(noun))
if verb in ("show", "describe") and not (made or always):
    sys.exit(3)
if verb in ("show", "describe", "create") or (verb == "list" and made):
    print(always or "id-1")
"""
VERBS = ("show", "describe", "list", "create", "create-oidc", "enable", "add-iam-policy-binding")


def script_of(render, tmp_path: Path, **answers: str) -> Path:
    """Return the script that SECRETS.md asks to type once, as a file."""
    text = render(credentials="oidc", **answers).read("SECRETS.md")
    (block,) = re.findall(r"## Trust.*?```bash\n(.*?)```", text, re.DOTALL)
    path = tmp_path / "trust.sh"
    path.write_text(block, encoding="utf-8")
    return path


def type_it(script: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Type a script into a shell that goes on after errors, as a user's does."""
    path = f"{script.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | variables | {"PATH": path}
    return run("bash", script, cwd=script.parent, env=env, check=False)


def put_on_path(tmp_path: Path, name: str, lines: str) -> None:
    """Make a command that the script finds."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    (tmp_path / "bin" / name).write_text(lines)
    (tmp_path / "bin" / name).chmod(0o755)


@pytest.mark.parametrize("ci", ["github", "gitlab"])
@pytest.mark.parametrize(("remote", "tool"), [("azure", "az"), ("gs", "gcloud")])
def test_what_is_typed_for_trust_makes_each_thing_once(
    render, tmp_path: Path, remote: str, tool: str, ci: str
) -> None:
    """A stand-in of the cloud's command, which remembers what was made."""
    python = f"#!{sys.executable}\nVERBS = {VERBS}\n"
    put_on_path(tmp_path, tool, python + SHIM)
    script = script_of(render, tmp_path, remote=remote, ci=ci, project_slug="Churn_model")
    log = tmp_path / "log"

    def created() -> list[list[str]]:
        calls = [json.loads(line) for line in log.read_text().splitlines()]
        return [call for call in calls if any(word.startswith("create") for word in call)]

    done = type_it(script, SHIM_LOG=str(log))
    assert done.returncode == 0, done.stderr
    once = created()
    assert len(once) == {"azure": 4, "gs": 3}[remote]
    name = {"azure": "dvc-Churn_model", "gs": "dvc-churn-model"}[remote]
    assert any(name in call for call in once)
    said = done.stdout
    for variable in KEYLESS[remote]["variables"]:
        assert variable["name"] in said
    again = type_it(script, SHIM_LOG=str(log))
    assert again.returncode == 0, again.stderr
    assert created() == once

    log.unlink()
    refused = type_it(script, SHIM_LOG=str(log), SHIM_REFUSES="create")
    assert refused.returncode
    assert len(created()) == 1  # nothing is tried after the first thing that failed


@pytest.mark.slow
@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_what_is_typed_for_trust_lets_aws_projects_live_side_by_side(
    render, tmp_path: Path, ci: str
) -> None:
    """Amazon's own command, against moto's IAM and STS."""
    put_on_path(tmp_path, "aws", f'#!/bin/sh\nexec uv tool run --from {AWSCLI} aws "$@"\n')
    keys = {
        "AWS_ACCESS_KEY_ID": "-",
        "AWS_SECRET_ACCESS_KEY": "-",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    with bucket() as endpoint:
        reached = keys | {"AWS_ENDPOINT_URL": endpoint}
        for slug in ("churn", "churn", "prices"):
            url = f"s3://bucket/{slug}"
            script = script_of(
                render, tmp_path, remote="s3", ci=ci, project_slug=slug, remote_url=url
            )
            done = type_it(script, **reached)
            assert done.returncode == 0, done.stderr
            role = re.search(r"AWS_ROLE_ARN is (\S+)", done.stdout)
            assert role
            assert role[1].endswith(f":role/dvc-{slug}")
        clients = {
            "endpoint_url": endpoint, "region_name": "eu-west-1",
            "aws_access_key_id": "-", "aws_secret_access_key": "-",
        }  # fmt: skip
        iam, sts = boto3.client("iam", **clients), boto3.client("sts", **clients)
        host = {"github": "token.actions.githubusercontent.com", "gitlab": "gitlab.com"}[ci]
        providers = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
        assert [p["Arn"].endswith(f"/{host}") for p in providers] == [True]
        for slug in ("churn", "prices"):
            policy = iam.get_role_policy(RoleName=f"dvc-{slug}", PolicyName="dvc")
            resources = [s["Resource"] for s in policy["PolicyDocument"]["Statement"]]
            assert resources == ["arn:aws:s3:::bucket", f"arn:aws:s3:::bucket/{slug}/*"]
            trust = iam.get_role(RoleName=f"dvc-{slug}")["Role"]["AssumeRolePolicyDocument"]
            (statement,) = trust["Statement"]
            assert statement["Principal"]["Federated"].endswith(f":oidc-provider/{host}")
            subject = {name: v for c in statement["Condition"].values() for name, v in c.items()}
            assert subject[f"{host}:aud"] == "sts.amazonaws.com"
            assert (
                "owner/name:" in subject[f"{host}:sub"] or "group/name:" in subject[f"{host}:sub"]
            )
        given = sts.assume_role_with_web_identity(
            RoleArn=f"arn:aws:iam::123456789012:role/dvc-{slug}",
            RoleSessionName="dvc",
            WebIdentityToken="a.b.c",
        )
        assert given["Credentials"]["SessionToken"]
        without = type_it(script, **reached | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
        assert without.returncode
        assert "AWS_ROLE_ARN" not in without.stdout
