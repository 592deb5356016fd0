"""What the servers share: free ports, processes that are ended, and HTTP handlers in a thread."""

import base64
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil


@dataclass
class Server:
    """A running server, in the words of the template's questions and of its table of remotes."""

    url: str
    endpoint: str = ""
    secrets: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)  # secrets that the server refuses
    environment: dict[str, str] = field(default_factory=dict)  # what only the emulator needs
    requirements: list[str] = field(default_factory=list)  # likewise, beside the remote's own
    port: int = 0
    calls: list[str] = field(default_factory=list)  # what a stand-in was asked


def answers_for(remote: str, server: Server) -> dict[str, str]:
    """Return the answers that lead a baked project to the server."""
    return {"remote": remote, "remote_url": server.url, "remote_endpoint": server.endpoint}


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, seconds: float = 60) -> None:
    """Wait until something listens on the port."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    message = f"nothing listens on port {port} after {seconds} s"
    raise TimeoutError(message)


@contextmanager
def process(
    command: list[str],
    port: int,
    log: Path,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[None]:
    """Run a server as a process of its own from the moment it listens to the end of the block."""
    with log.open("wb") as output:
        running = subprocess.Popen(command, stdout=output, stderr=output, env=env, cwd=cwd)
        try:
            wait_for(port)
            yield
        except TimeoutError as error:
            raise AssertionError(log.read_text(errors="replace")) from error
        finally:
            # `node` is a script that starts the real one, which would outlive it.
            for child in psutil.Process(running.pid).children(recursive=True):
                child.kill()
            running.kill()
            running.wait()


class Handler(BaseHTTPRequestHandler):
    """An HTTP/1.1 handler with what the stand-ins need: whole bodies, whole answers, no log."""

    protocol_version = "HTTP/1.1"

    def body(self) -> bytes:
        """Return the body of the request, chunked or of a given length."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Send a whole response; `Content_Type` is written for the header `Content-Type`."""
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def has_basic_auth(self, user: str, password: str) -> bool:
        """Tell whether the request carries this user and password."""
        expected = base64.b64encode(f"{user}:{password}".encode()).decode()
        return self.headers.get("Authorization") == f"Basic {expected}"

    def log_message(self, *arguments: object) -> None:
        """Write nothing."""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """Serve a handler in threads of this process and yield its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    often = {"poll_interval": 0.02}  # seconds that the end may have to wait for
    threading.Thread(target=server.serve_forever, kwargs=often, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
