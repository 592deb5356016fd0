"""Object storage, by the emulators that exist: moto (S3), Azurite, gcp-storage-emulator."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from azure.storage.blob import (
    BlobServiceClient,
    ContainerSasPermissions,
    generate_container_sas,
)
from filelock import FileLock

from .google import TokenEndpoint
from .running import Server, free_port, process, serving

REPOSITORY = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
PATH = f"{TOOLS}{os.pathsep}{os.environ['PATH']}"
IMPATIENT = {"PYTHONPATH": str(Path(__file__).with_name("impatient"))}
TEMPLATES = REPOSITORY / "templates"


def tool(name: str) -> str:
    """Return the path of a command that the development environment brings along."""
    path = shutil.which(name, path=PATH)
    assert path, f"{name} is missing: run `uv sync`"
    return path


def policy_of_s3() -> dict[str, Any]:
    """Return the policy of SECRETS.md for the bucket and folder of the tests."""
    text = (TEMPLATES / "policies" / "s3.json").read_text(encoding="utf-8")
    return json.loads(text.replace("{{ bucket }}", "bucket").replace("{{ path }}", "/project"))


@contextmanager
def s3_users(folder: Path, policies: dict[str, dict[str, Any]]) -> Iterator[dict[str, Server]]:
    """Run moto with one bucket, and yield it as each of the users sees it, who have a policy each."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    # moto checks signatures and policies after this many calls: those that make bucket and users
    environment = os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": str(1 + 3 * len(policies))}
    command = [tool("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with process(command, port, folder / "moto.log", env=environment):
        options = {
            "endpoint_url": endpoint,
            "region_name": "us-east-1",
            "aws_access_key_id": "-",
            "aws_secret_access_key": "-",
        }
        iam = boto3.client("iam", **options)
        boto3.client("s3", **options).create_bucket(Bucket="bucket")
        servers = {}
        for name, policy in policies.items():
            text = json.dumps(policy)
            iam.create_user(UserName=name)
            iam.put_user_policy(UserName=name, PolicyName="dvc", PolicyDocument=text)
            key = iam.create_access_key(UserName=name)["AccessKey"]
            servers[name] = Server(
                url="s3://bucket/project",
                endpoint=endpoint,
                secrets={
                    "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
                    "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
                },
                wrong={"AWS_SECRET_ACCESS_KEY": "wrong"},
                environment=IMPATIENT,
                port=port,
            )
        yield servers


@contextmanager
def s3(folder: Path) -> Iterator[Server]:
    """Run moto with one bucket and one user, who has the permissions of SECRETS.md and no other."""
    with s3_users(folder, {"ci": policy_of_s3()}) as servers:
        yield servers["ci"]


def node_modules() -> Path:
    """Install the locked npm packages of the tests, once, and return their folder."""
    here, there = REPOSITORY / "tests" / "node", REPOSITORY / "build" / "node"
    there.mkdir(parents=True, exist_ok=True)
    lock = there / "package-lock.json"
    with FileLock(there / ".filelock"):
        if not lock.exists() or lock.read_bytes() != (here / lock.name).read_bytes():
            shutil.copy(here / "package.json", there)
            locked = (here / lock.name).read_bytes()
            lock.write_bytes(locked)
            command = [tool("npm"), "ci", "--ignore-scripts", "--no-audit"]
            done = subprocess.run(
                command,
                cwd=there,
                env=os.environ | {"PATH": PATH},
                check=False,
                capture_output=True,
                text=True,
            )
            if done.returncode:
                lock.unlink()
                raise RuntimeError(done.stderr)
    return there / "node_modules"


@contextmanager
def azure(folder: Path) -> Iterator[Server]:
    """Run Azurite with one container, and let in who has the signature of SECRETS.md, no key.

    Azurite's account and key are the documented ones.
    """
    account = "devstoreaccount1"
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    port = free_port()
    command = [
        tool("node"),
        str(node_modules() / "azurite" / "dist" / "src" / "blob" / "main.js"),
        *("--silent", "--skipApiVersionCheck", "--disableTelemetry", "--inMemoryPersistence"),
        *("--blobHost", "127.0.0.1", "--blobPort", str(port)),
    ]
    documented = (TEMPLATES / "remotes" / "azure.md").read_text(encoding="utf-8")
    permissions = re.search(r"--permissions (\w+)", documented)
    assert permissions
    address = f"BlobEndpoint=http://127.0.0.1:{port}/{account};"

    def signed(by: str) -> str:
        signature = generate_container_sas(
            account,
            "data",
            account_key=by,
            permission=ContainerSasPermissions.from_string(permissions[1]),
            expiry=datetime.now(UTC) + timedelta(days=1),
        )
        return f"{address}SharedAccessSignature={signature}"

    with process(command, port, folder / "azurite.log", cwd=folder):
        owner = f"{address}AccountName={account};AccountKey={key};"
        BlobServiceClient.from_connection_string(owner).create_container("data")
        yield Server(
            url="azure://data/project",
            secrets={"AZURE_STORAGE_CONNECTION_STRING": signed(key)},
            wrong={"AZURE_STORAGE_CONNECTION_STRING": signed("d3Jvbmc=")},
            environment=IMPATIENT,
            port=port,
        )


@contextmanager
def gs(folder: Path) -> Iterator[Server]:
    """Run the emulator, which asks for no token, and a token endpoint, which checks the key.

    The emulator loses a carriage return that is the last byte of a file.
    """
    tokens = TokenEndpoint()
    port = free_port()
    command = [
        *(tool("gcp-storage-emulator"), "start", "-M", "--default-bucket", "bucket"),
        *("--host", "127.0.0.1", "--port", str(port)),
    ]
    with process(command, port, folder / "gs.log"), serving(tokens.handler()) as token_port:
        tokens.uri = f"http://127.0.0.1:{token_port}/token"
        yield Server(
            url="gs://bucket/project",
            endpoint=f"http://127.0.0.1:{port}",
            secrets={"GOOGLE_APPLICATION_CREDENTIALS": tokens.service_account(tokens.right)},
            wrong={"GOOGLE_APPLICATION_CREDENTIALS": tokens.service_account(tokens.stranger)},
            environment=IMPATIENT | {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"},
            port=port,
            calls=tokens.calls,
        )
