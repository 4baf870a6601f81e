"""Hosts on this machine, in a process of their own: one acknowledges and keeps, two are dead.

It prints three ports: of a server that acknowledges every POST and counts what it was sent, of one
that accepts connections and never answers, and of one that refuses them.
"""

from __future__ import annotations

import gzip
import socket
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NEWER = "/i/v1/analytics/events"
INFO = "/v1/info"
BODIES: list[bytes] = []


class Handler(BaseHTTPRequestHandler):
    """Keeps what is posted; GET ``/<marker in hex>`` counts it, DELETE forgets all."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        encoding = self.headers.get("Content-Encoding", "")
        if encoding == "gzip" or body.startswith(b"\x1f\x8b"):
            body = gzip.decompress(body)
        elif encoding == "deflate":
            body = zlib.decompress(body)
        if self.path == NEWER:
            # As a server that has only the endpoint that every library knows.
            self.answer(b"", 404)
            return
        BODIES.append(body)
        protobuf = "protobuf" in self.headers.get("Content-Type", "")
        self.answer(b"" if protobuf else b'{"status": 1}')

    def do_GET(self) -> None:
        if self.path == INFO:
            # logfire asks whose its token is.
            self.answer(b'{"project_name": "benchmark", "project_url": "http://127.0.0.1"}')
            return
        marker = bytes.fromhex(self.path.removeprefix("/"))
        self.answer(str(sum(body.count(marker) for body in list(BODIES))).encode())

    def do_DELETE(self) -> None:
        BODIES.clear()
        self.answer(b"")

    def answer(self, content: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Serves each connection in a thread."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A client that was killed is what some measurements are about."""


def main() -> None:
    server = Server(("127.0.0.1", 0), Handler)
    silent = socket.create_server(("127.0.0.1", 0), backlog=128)
    refusing = socket.socket()
    refusing.bind(("127.0.0.1", 0))
    connections = []

    def accept() -> None:
        while True:
            connections.append(silent.accept())

    threading.Thread(target=accept, daemon=True).start()
    print(server.server_port, silent.getsockname()[1], refusing.getsockname()[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
