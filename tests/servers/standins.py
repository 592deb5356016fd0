"""The smallest servers of the protocols for which no emulator exists: OSS, Google Drive, HDFS.

Each checks credentials the way the real one does, since a server that lets everyone in would prove
nothing. What they leave out: quotas, versions, multipart uploads of large files, pages of lists.
"""

import base64
import hashlib
import hmac
import json
import re
import ssl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from .certificates import self_signed
from .google import TokenEndpoint
from .running import Handler, Server, free_port, serving


@contextmanager
def oss(_folder: Path) -> Iterator[Server]:
    """Serve one bucket of Alibaba's OSS, requests signed by version 1 of its scheme.

    https://www.alibabacloud.com/help/en/oss/developer-reference/include-signatures-in-the-authorization-header
    """
    key, secret = "LTAI-of-the-test", "secret-of-the-test"
    objects: dict[str, bytes] = {}
    subresources = {"acl", "delete", "uploads", "uploadId", "partNumber", "bucketInfo", "location"}

    class Oss(Handler):
        def do_GET(self) -> None:
            body = self.body()
            parts = urlsplit(self.path)
            path, query = unquote(parts.path), parse_qs(parts.query, keep_blank_values=True)
            bucket, _, name = path.strip("/").partition("/")
            if self.headers.get("Authorization") != f"OSS {key}:{self.signature(path, query)}":
                self.refuse(403, "SignatureDoesNotMatch", "The signature does not match.")
            elif bucket != "bucket":
                self.refuse(404, "NoSuchBucket", "The specified bucket does not exist.")
            elif not name:
                self.list(query.get("prefix", [""])[0], query.get("delimiter", [""])[0])
            elif self.command == "PUT":
                objects[name] = body
                self.answer(200, ETag=etag(body))
            elif self.command == "DELETE":
                objects.pop(name, None)
                self.answer(204)
            elif name in objects:
                self.answer(
                    200,
                    objects[name],
                    ETag=etag(objects[name]),
                    Last_Modified="Sun, 22 Nov 2026 10:00:00 GMT",
                )
            else:
                self.refuse(404, "NoSuchKey", "The specified key does not exist.")

        do_HEAD = do_PUT = do_DELETE = do_GET

        def signature(self, path: str, query: dict[str, list[str]]) -> str:
            extra = sorted(
                f"{name.lower()}:{value}\n"
                for name, value in self.headers.items()
                if name.lower().startswith("x-oss-")
            )
            asked = "&".join(
                f"{name}={query[name][0]}" if query[name][0] else name
                for name in sorted(query.keys() & subresources)
            )
            resource = path + (f"?{asked}" if asked else "")
            headers = [self.headers.get(name, "") for name in ("Content-MD5", "Content-Type")]
            lines = [
                self.command,
                *headers,
                self.headers.get("Date", ""),
                "".join(extra) + resource,
            ]
            digest = hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha1).digest()
            return base64.b64encode(digest).decode()

        def list(self, prefix: str, delimiter: str) -> None:
            found, folders = "", set()
            for name, data in sorted(objects.items()):
                rest = name.removeprefix(prefix)
                if not name.startswith(prefix):
                    continue
                if delimiter and delimiter in rest:
                    folders.add(prefix + rest.partition(delimiter)[0] + delimiter)
                    continue
                found += (
                    f"<Contents><Key>{escape(name)}</Key><ETag>{etag(data)}</ETag>"
                    f"<LastModified>2026-11-22T10:00:00.000Z</LastModified><Type>Normal</Type>"
                    f"<Size>{len(data)}</Size><StorageClass>Standard</StorageClass></Contents>"
                )
            for name in sorted(folders):
                found += f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
            xml = f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"
            self.answer(200, xml.encode(), Content_Type="application/xml")

        def refuse(self, status: int, code: str, message: str) -> None:
            xml = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
            self.answer(status, xml.encode(), Content_Type="application/xml", x_oss_request_id="1")

    with serving(Oss) as port:
        yield Server(
            url="oss://bucket/project",
            endpoint=f"http://127.0.0.1:{port}",
            secrets={"OSS_ACCESS_KEY_ID": key, "OSS_ACCESS_KEY_SECRET": secret},
            wrong={"OSS_ACCESS_KEY_SECRET": "wrong"},
            port=port,
        )


def etag(data: bytes) -> str:
    """Return the entity tag of an object, as object storage writes it."""
    return f'"{hashlib.md5(data).hexdigest().upper()}"'


@contextmanager
def gdrive(folder: Path) -> Iterator[Server]:
    """Serve the part of Drive's API, version 2, that DVC uses, behind a proxy that speaks TLS.

    The client's addresses are built in, so it is led here by `https_proxy` and a certificate.
    https://developers.google.com/workspace/drive/api/reference/rest/v2
    """
    tokens = TokenEndpoint()
    authority, certificate = self_signed(folder, "www.googleapis.com")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    mime_of_folder = "application/vnd.google-apps.folder"
    root = {"id": "FOLDER", "title": "shared", "mimeType": mime_of_folder, "driveId": "DRIVE"}
    items: dict[str, dict[str, Any]] = {"FOLDER": root | {"parents": []}}
    contents: dict[str, bytes] = {}

    class Drive(Handler):
        def do_CONNECT(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", buffering=0)

        def finish(self) -> None:
            super().finish()
            self.connection.close()

        def do_GET(self) -> None:
            body = self.body()
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if self.headers.get("Authorization") != f"Bearer {tokens.token}":
                return self.refuse(401, "Invalid Credentials", "authError")
            if parts.path.startswith("/upload/"):
                return self.upload(query, body)
            return self.metadata(parts.path.split("/")[4:], query, body)

        do_POST = do_PUT = do_DELETE = do_GET

        def metadata(self, rest: list[str], query: dict[str, Any], body: bytes) -> None:
            if self.command == "POST" and not rest:
                return self.send(create(json.loads(body)))
            if not rest:
                return self.send({"items": [i for i in items.values() if matches(i, query["q"])]})
            item = items.get(rest[0])
            if item is None:
                return self.refuse(404, f"File not found: {rest[0]}", "notFound")
            if rest[1:] == ["trash"] or self.command == "DELETE":
                del items[rest[0]]
            if query.get("alt") == "media":
                return self.answer(200, contents[rest[0]])
            return self.send(item)

        def upload(self, query: dict[str, Any], body: bytes) -> None:
            if self.command == "POST":
                mime = self.headers.get("X-Upload-Content-Type", "application/octet-stream")
                item = create({"mimeType": mime} | json.loads(body))
                url = f"https://www.googleapis.com/upload/drive/v2/files?upload_id={item['id']}"
                return self.answer(200, Location=url)
            name = query["upload_id"]
            contents[name] = body
            items[name] |= {
                "fileSize": str(len(body)),
                "md5Checksum": hashlib.md5(body).hexdigest(),
            }
            return self.send(items[name])

        def send(self, answer: dict[str, Any]) -> None:
            self.answer(200, json.dumps(answer).encode(), Content_Type="application/json")

        def refuse(self, status: int, message: str, reason: str) -> None:
            error = {"code": status, "message": message, "errors": [{"reason": reason}]}
            body = json.dumps({"error": error}).encode()
            self.answer(status, body, Content_Type="application/json")

    def create(item: dict[str, Any]) -> dict[str, Any]:
        item |= {"id": uuid.uuid4().hex}
        return items.setdefault(item["id"], item)

    def matches(item: dict[str, Any], query: str) -> bool:
        title = re.search(r"title='((?:[^'\\]|\\.)*)'", query)
        parents = re.findall(r"'([^']+)' in parents", query)
        return any(parent["id"] in parents for parent in item["parents"]) and (
            title is None or title[1].replace("\\'", "'").lower() == item["title"].lower()
        )

    with serving(tokens.handler()) as token_port, serving(Drive) as port:
        tokens.uri = f"http://127.0.0.1:{token_port}/token"
        yield Server(
            url="gdrive://FOLDER",
            secrets={"GDRIVE_CREDENTIALS_DATA": tokens.service_account(tokens.right)},
            wrong={"GDRIVE_CREDENTIALS_DATA": tokens.service_account(tokens.stranger)},
            environment={
                "https_proxy": f"http://127.0.0.1:{port}",
                "no_proxy": "127.0.0.1",
                "HTTPLIB2_CA_CERTS": str(authority),
            },
            requirements=["pysocks"],
            port=port,
            calls=tokens.calls,
        )


@contextmanager
def webhdfs(_folder: Path) -> Iterator[Server]:
    """Serve WebHDFS as a gateway with a password does: a name node that sends on to a data node.

    https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/WebHDFS.html
    """
    user, password = "ada", "correct horse"
    files: dict[str, bytes] = {}
    folders = {"/"}

    class Node(Handler):
        def do_GET(self) -> None:
            self.content = self.body()
            parts = urlsplit(self.path)
            self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            path = "/" + unquote(parts.path).removeprefix("/webhdfs/v1").strip("/")
            if not self.has_basic_auth(user, password):
                self.answer(401, WWW_Authenticate='Basic realm="gateway"')
            elif "datanode" not in self.query and self.query["op"] in ("CREATE", "APPEND", "OPEN"):
                self.answer(307, Location=f"{here(self)}{self.path}&datanode=1")
            else:
                getattr(self, self.query["op"].lower())(path)

        do_PUT = do_POST = do_DELETE = do_GET

        def create(self, path: str) -> None:
            files[path] = self.content
            self.answer(201)

        def append(self, path: str) -> None:
            files[path] += self.content
            self.answer(200)

        def open(self, path: str) -> None:
            start = int(self.query.get("offset", 0))
            self.answer(200, files[path][start:][: int(self.query.get("length", len(files[path])))])

        def mkdirs(self, path: str) -> None:
            folders.update(["/" + "/".join(path.split("/")[1:end]) for end in range(2, 20)])
            self.send({"boolean": True})

        def rename(self, path: str) -> None:
            files[self.query["destination"]] = files.pop(path)
            self.send({"boolean": True})

        def delete(self, path: str) -> None:
            self.send({"boolean": files.pop(path, None) is not None})

        def getfilestatus(self, path: str) -> None:
            self.send_or_refuse(path, lambda: {"FileStatus": status(path, "")})

        def liststatus(self, path: str) -> None:
            below = path.rstrip("/") + "/"
            names = {
                name.removeprefix(below) for name in {*files, *folders} if name.startswith(below)
            }
            children = [
                status(below + name, name) for name in sorted(names - {""}) if "/" not in name
            ]
            self.send_or_refuse(path, lambda: {"FileStatuses": {"FileStatus": children}})

        def send(self, answer: dict[str, Any]) -> None:
            self.answer(200, json.dumps(answer).encode(), Content_Type="application/json")

        def send_or_refuse(self, path: str, answer) -> None:
            if path in files or path in folders:
                return self.send(answer())
            error = {
                "exception": "FileNotFoundException",
                "message": f"File does not exist: {path}",
            }
            body = json.dumps({"RemoteException": error}).encode()
            return self.answer(404, body, Content_Type="application/json")

    def here(request: Handler) -> str:
        return f"http://{request.headers['Host']}"

    def status(path: str, suffix: str) -> dict[str, Any]:
        return {
            "pathSuffix": suffix,
            "type": "FILE" if path in files else "DIRECTORY",
            "length": len(files.get(path, b"")),
            "modificationTime": 1795341600000,
        }

    with serving(Node) as port:
        yield Server(
            url=f"webhdfs://{user}@127.0.0.1:{port}/project",
            secrets={"WEBHDFS_PASSWORD": password},
            wrong={"WEBHDFS_PASSWORD": "wrong"},
            port=port,
        )


@contextmanager
def hdfs(_folder: Path) -> Iterator[Server]:
    """Yield an address without a server: HDFS needs Java and Hadoop, which these tests cannot install."""
    port = free_port()
    yield Server(url=f"hdfs://ada@127.0.0.1:{port}/project", port=port)
