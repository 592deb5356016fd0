"""The API of a provider, GitHub, GitLab or Bitbucket, as far as comments and releases go."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .running import serving

ME = {"login": "github-actions[bot]", "id": 42, "uuid": "{me}"}
SOMEBODY = {"login": "ada", "id": 7, "uuid": "{ada}"}


class Provider:
    """What one pull request and the releases of one repository hold; it outlives its servers."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.comments: list[dict[str, Any]] = []
        self.releases: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str, str]] = []  # method, path, authorization
        self.refused: set[str] = set()  # methods and paths that are answered by 403

    def add(self, body: str, author: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write a comment, as this job unless an author is given."""
        comment = {"id": 100 + len(self.comments), "body": body, "author": author or ME}
        self.comments.append(comment)
        return comment

    @property
    def own(self) -> list[str]:
        """What the comments of this job say."""
        return [comment["body"] for comment in self.comments if comment["author"] is ME]

    def page(self, path: str, query: dict[str, list[str]]) -> object:
        """Return a page of the comments in the order and form of the provider that the path names."""
        newest_first = "/issues/" not in path
        comments = sorted(self.comments, key=lambda comment: comment["id"], reverse=newest_first)
        size = int(query.get("per_page", query.get("pagelen", ["30"]))[0])
        start = (int(query.get("page", ["1"])[0]) - 1) * size
        shown = comments[start : start + size]
        if "/pullrequests/" in path:
            form = [
                {"id": c["id"], "content": {"raw": c["body"]}, "user": c["author"]} for c in shown
            ]
            return {"values": form, "pagelen": size}
        who = "author" if "/merge_requests/" in path else "user"
        return [{"id": c["id"], "body": c["body"], who: c["author"]} for c in shown]

    def release(self, sent: dict[str, Any]) -> int:
        """Keep a release unless there is one of its tag; return the status."""
        if sent["tag_name"] in [release["tag_name"] for release in self.releases]:
            return 409
        self.releases.append(sent)
        return 201

    def answer(self, method: str, address: str, sent: dict[str, Any]) -> tuple[int, object]:
        """Return the status and the answer to a request."""
        url = urlsplit(address)
        if method in self.refused or url.path in self.refused:
            return 403, {"message": "Resource not accessible by integration"}
        body = sent.get("body") or sent.get("content", {}).get("raw")
        if url.path == "/user":
            return 200, ME
        if url.path.endswith("/releases"):
            return self.release(sent | {"path": url.path}), {}
        if re.search(r"/(comments|notes)$", url.path):
            listed = method == "GET"
            return 200, self.page(url.path, parse_qs(url.query)) if listed else self.add(body)
        if found := re.search(r"/(?:comments|notes)/(\d+)$", url.path):
            (comment,) = [one for one in self.comments if one["id"] == int(found[1])]
            comment["body"] = body
            return 200, {}
        return 404, {}

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve the API on loopback and give its address."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                sent = json.loads(self.rfile.read(length) or b"{}")
                authorization = self.headers.get("Authorization", "")
                provider.requests.append((self.command, self.path, authorization))
                status, answer = provider.answer(self.command, self.path, sent)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            do_GET = do_POST = do_PUT = do_PATCH = answer

            def log_message(self, *_: object) -> None:
                pass

        with serving(Handler) as port:
            yield f"http://127.0.0.1:{port}"
