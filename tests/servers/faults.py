"""What goes wrong between a client and a server: it dies, says 503, never answers, or only errs."""

import http.client
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path

from .certificates import self_signed
from .running import Handler, Server, serving


def behind(server: Server, port: int) -> Server:
    """Return the same server as it is reached through another port."""
    old, new = f":{server.port}", f":{port}"
    secrets = {name: value.replace(old, new) for name, value in server.secrets.items()}
    url, endpoint = server.url.replace(old, new), server.endpoint.replace(old, new)
    return replace(server, url=url, endpoint=endpoint, secrets=secrets)


class Gate:
    """A port that passes everything on to another one, until a number of bytes has passed."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.left = float("inf")
        self.cuts = 0
        self.sockets: set[socket.socket] = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def die_after(self, size: int) -> None:
        """Let so many more bytes pass; then reset all connections, and each new one."""
        self.left = size

    def recover(self) -> None:
        """Pass everything on again."""
        self.left = float("inf")

    def accept(self) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.left <= 0:
                self.reset(client)
                continue
            server = socket.create_connection(("127.0.0.1", self.target))
            self.sockets |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self.pass_on, args=(source, sink), daemon=True).start()

    def pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        """Copy one direction of a connection."""
        with suppress(OSError):
            while data := source.recv(65536):
                self.left -= len(data)
                if self.left <= 0:
                    self.cuts += 1
                    self.close()
                    return
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # wakes the thread of the other direction
            end.close()
            self.sockets.discard(end)

    def close(self) -> None:
        """Reset every connection, as a server's kernel does when its process is killed."""
        for end in list(self.sockets):
            self.reset(end)
        self.sockets.clear()

    @staticmethod
    def reset(end: socket.socket) -> None:
        """Close a connection without a goodbye."""
        with suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.shutdown(socket.SHUT_RD)
        end.close()


@contextmanager
def gate(server: Server) -> Iterator[tuple[Server, Gate]]:
    """Put a gate before a server."""
    opened = Gate(server.port)
    try:
        yield behind(server, opened.port), opened
    finally:
        opened.listener.close()
        opened.close()


@contextmanager
def overloaded(server: Server) -> Iterator[tuple[Server, list[int]]]:
    """Put a proxy before an HTTP server that refuses every third request with a 503."""
    statuses: list[int] = []

    class Proxy(Handler):
        def do_GET(self) -> None:
            body = self.body()
            statuses.append(503 if len(statuses) % 3 == 2 else 200)
            if statuses[-1] == 503:
                self.answer(503, Connection="close")
                self.close_connection = True
                return
            upstream = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            headers = {k: v for k, v in self.headers.items() if k.lower() != "transfer-encoding"}
            upstream.request(self.command, self.path, body, headers)
            response = upstream.getresponse()
            data = response.read()
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            size = response.getheader("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", size or str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            upstream.close()

        do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    with serving(Proxy) as port:
        yield behind(server, port), statuses


@contextmanager
def silent() -> Iterator[int]:
    """Yield a port that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield listener.getsockname()[1]


@contextmanager
def always(status: int, body: str, **headers: str) -> Iterator[int]:
    """Yield a port where every request gets the same answer."""

    class Always(Handler):
        def do_GET(self) -> None:
            self.body()
            self.answer(status, body.encode(), Content_Type="application/xml", **headers)

        do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    with serving(Always) as port:
        yield port


@contextmanager
def untrusted(folder: Path) -> Iterator[int]:
    """Yield a port that speaks TLS with a certificate that nobody has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(folder, "localhost")[1])

    class Tls(Handler):
        def setup(self) -> None:
            self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Tls)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # every client hangs up
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
