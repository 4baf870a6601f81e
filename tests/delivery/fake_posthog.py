"""A PostHog on this machine that can misbehave: real HTTP, every rule of a request checked."""

from __future__ import annotations

import gzip
import json
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "phc_of_a_test"
ANONYMOUS = {
    "$process_person_profile": False,
    "$geoip_disable": True,
    "$ip": "0.0.0.0",
    "$ignore_sent_at": True,
    "$lib": "dev-analytics",
}


class Request:
    """One request, as it came."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path = path
        self.headers = headers
        self.body = body
        self.at = time.monotonic()
        self.json: dict[str, Any] = json.loads(body)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of the batch."""
        return list(self.json["batch"])


Answer = Callable[["Handler", Request], None]


class FakePostHog(ThreadingHTTPServer):
    """The server.

    Attributes
    ----------
    connections
        How many connections it had, with a request or without.
    requests
        Every request, in the order of their arrival.
    stored
        The events that it acknowledged or stored, by uuid; more than one where they came again.
    tunnels
        The hosts that it was asked for as a proxy of HTTPS; it leads nowhere.
    broken
        What a request did that it must not.

    Parameters
    ----------
    context
        Makes it speak HTTPS.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self._scheme = "https" if context else "http"
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.connections = 0
        self.tunnels: list[str] = []
        self.requests: list[Request] = []
        self.stored: dict[str, list[dict[str, Any]]] = {}
        self.broken: list[str] = []
        self.arrived = threading.Event()
        self.released = threading.Event()
        self._answers: list[Answer] = []
        self._then: Answer = ok
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self._scheme}://127.0.0.1:{self.server_port}"

    def answer(self, *answers: Answer, then: Answer | None = None) -> None:
        """Answer the next requests so, and all others with `then`."""
        self._answers = list(answers)
        self._then = then or ok

    def close(self) -> None:
        """End, and let go of who hangs."""
        self.released.set()
        self.shutdown()
        self.server_close()

    def next_answer(self) -> Answer:
        return self._answers.pop(0) if self._answers else self._then

    def store(self, request: Request) -> None:
        for event in request.events:
            self.stored.setdefault(event["uuid"], []).append(event)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that were killed or gave up."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FakePostHog

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = gzip.decompress(raw) if self.headers.get("Content-Encoding") == "gzip" else raw
        request = Request(self.path, dict(self.headers), body)
        self.server.requests.append(request)
        self.server.broken += broken_rules(request)
        self.server.arrived.set()
        self.server.next_answer()(self, request)

    def do_GET(self) -> None:
        self.server.broken.append("a redirect was followed")
        self.reply(200, b'{"status": 1}')

    def do_CONNECT(self) -> None:
        self.server.tunnels.append(self.path)
        self.reply(502, b"")

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


def broken_rules(request: Request) -> list[str]:
    """Tell what a request did that it must not."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    rules = {
        "path": request.path.endswith("/batch/"),
        "gzip": headers.get("content-encoding") == "gzip",
        "type": headers.get("content-type") == "application/json",
        "client": headers.get("user-agent", "").startswith("posthog-python/"),
        "no login": "authorization" not in headers,
        "no cookie": "cookie" not in headers,
        "key": request.json.get("api_key") == KEY,
        "sent_at": "sent_at" in request.json or "sentAt" in request.json,
        "not historical": request.json.get("historical_migration") is False,
        "size": len(request.body) < 20 * 2**20,
        "no uuid twice": len({event["uuid"] for event in request.events}) == len(request.events),
    }
    fields = {"event", "distinct_id", "uuid", "timestamp", "properties"}
    rules["event fields"] = all(set(event) == fields for event in request.events)
    rules["anonymous"] = all(
        event["properties"].get(name) == value
        for event in request.events
        for name, value in ANONYMOUS.items()
    )
    return [rule for rule, holds in rules.items() if not holds]


def ok(handler: Handler, request: Request) -> None:
    """Acknowledge, as PostHog does today."""
    handler.server.store(request)
    handler.reply(200, b'{"status": "Ok"}', Content_Type="application/json")


def ok_as_before(handler: Handler, request: Request) -> None:
    """Acknowledge, as older versions do; try to leave a cookie."""
    handler.server.store(request)
    handler.reply(200, b'{"status": 1}', Content_Type="application/json", Set_Cookie="id=1")


def status(code: int, **headers: str) -> Answer:
    """Answer with a status, and store nothing."""

    def answer(handler: Handler, request: Request) -> None:
        handler.reply(code, b'{"detail": "a reason"}', **headers)

    return answer


def redirect(code: int) -> Answer:
    """Send the client elsewhere: to a page that would say that all is well."""

    def answer(handler: Handler, request: Request) -> None:
        handler.reply(code, b"", Location=f"{handler.server.url}/elsewhere")

    return answer


def says(body: bytes, code: int = 200) -> Answer:
    """Answer with a body, and store nothing."""

    def answer(handler: Handler, request: Request) -> None:
        handler.reply(code, body, Content_Type="application/json")

    return answer


def sometimes(share: float, code: int, seed: int = 7) -> Answer:
    """Answer a share of all requests with a status."""
    chance = random.Random(seed)

    def answer(handler: Handler, request: Request) -> None:
        (status(code) if chance.random() < share else ok)(handler, request)

    return answer


def refusing(code: int, uuids: set[str]) -> Answer:
    """Answer with a status if any of `uuids` is in the batch."""

    def answer(handler: Handler, request: Request) -> None:
        bad = any(event["uuid"] in uuids for event in request.events)
        (status(code) if bad else ok)(handler, request)

    return answer


def hang(handler: Handler, request: Request) -> None:
    """Store nothing and never answer."""
    handler.server.released.wait(240)
    handler.close_connection = True


def store_and_hang(handler: Handler, request: Request) -> None:
    """Store, and never say so."""
    handler.server.store(request)
    hang(handler, request)


def store_and_drop(handler: Handler, request: Request) -> None:
    """Store, and cut the connection."""
    handler.server.store(request)
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def trickle(handler: Handler, request: Request) -> None:
    """Answer a byte at a time."""
    handler.send_response(200)
    handler.send_header("Content-Length", "10000")
    handler.end_headers()
    while not handler.server.released.wait(0.1):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def slowly(seconds: float) -> Answer:
    """Acknowledge after a while."""

    def answer(handler: Handler, request: Request) -> None:
        time.sleep(seconds)
        ok(handler, request)

    return answer
