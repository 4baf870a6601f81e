"""A PostHog on this machine that can misbehave: real HTTP, every rule of a request checked."""

from __future__ import annotations

import gzip
import json
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

KEY = "phc_of_a_test"
BATCH = "/batch/"
NEWER = "/i/v1/analytics/events"
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

    @property
    def is_newer(self) -> bool:
        """It came to the endpoint that answers for each event."""
        return self.path.endswith(NEWER)


Answer = Callable[["Handler", Request], None]


class FakePostHog(ThreadingHTTPServer):
    """The server.

    Attributes
    ----------
    connections
        How many connections it had, with a request or without.
    requests
        Every request, in the order of their arrival, but for those below.
    refused
        The requests to the newer endpoint while the server had none.
    stored
        The events that it acknowledged or stored, by uuid; more than one where they came again.
    tunnels
        The hosts that it was asked for as a proxy of HTTPS; it leads nowhere.
    sent
        How many bytes of endless answers were sent.
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
        self.refused: list[Request] = []
        self.stored: dict[str, list[dict[str, Any]]] = {}
        self.broken: list[str] = []
        self.sent = 0
        self.arrived = threading.Event()
        self.released = threading.Event()
        self._answers: list[Answer] = []
        self._then: Answer = ok
        self._newer: Answer | None = None
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()

    @property
    def has_no_newer(self) -> bool:
        """It has the older endpoint alone."""
        return self._newer is None

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self._scheme}://127.0.0.1:{self.server_port}"

    def answer(self, *answers: Answer, then: Answer | None = None) -> None:
        """Answer the next requests so, and all others with `then`."""
        self._answers = list(answers)
        self._then = then or ok

    def have_newer(self, answer: Answer | None) -> None:
        """Have the endpoint that answers for each event, and answer so there."""
        self._newer = answer

    def close(self) -> None:
        """End, and let go of who hangs."""
        self.released.set()
        self.shutdown()
        self.server_close()

    def next_answer(self, request: Request) -> Answer:
        if request.is_newer:
            assert self._newer
            return self._newer
        return self._answers.pop(0) if self._answers else self._then

    def store(self, request: Request) -> None:
        self.store_events(request.events)

    def store_events(self, events: Iterable[dict[str, Any]]) -> None:
        for event in events:
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
        self.server.broken += broken_rules(request)
        if request.is_newer and self.server.has_no_newer:
            self.server.refused.append(request)
            self.reply(404, b"")
            return
        self.server.requests.append(request)
        self.server.arrived.set()
        self.server.next_answer(request)(self, request)

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
        "path": request.path.endswith((BATCH, NEWER)),
        "gzip": headers.get("content-encoding") == "gzip",
        "type": headers.get("content-type") == "application/json",
        "client": headers.get("user-agent") == "dev-analytics",
        "encodings": headers.get("accept-encoding") == "identity",
        "no cookie": "cookie" not in headers,
        "key": request.json.get("api_key") == KEY,
        "sent_at": is_whole_second(request.json.get("sent_at")),
        "not historical": request.json.get("historical_migration") is False,
        "size": len(request.body) < 20 * 2**20,
        "no uuid twice": len({event["uuid"] for event in request.events}) == len(request.events),
        "nothing else": set(request.json)
        == {"api_key", "batch", "created_at", "historical_migration", "sent_at"},
    }
    if request.is_newer:
        # What PostHog refuses a request for there.
        rules["key of the newer"] = headers.get("authorization") == f"Bearer {KEY}"
        rules["created_at"] = is_whole_second(request.json.get("created_at"))
        rules["time"] = is_whole_second(headers.get("posthog-request-timestamp"))
        rules["attempt"] = headers.get("posthog-attempt") == "1"
        rules["request"] = UUID(headers.get("posthog-request-id")).version == 4
        # With a name and a version there, PostHog puts them in place of the record's own.
        rules["library"] = headers.get("posthog-sdk-info") == "dev-analytics"
    else:
        rules["no login"] = "authorization" not in headers
    fields = {"event", "distinct_id", "uuid", "timestamp", "properties"}
    rules["event fields"] = all(set(event) == fields for event in request.events)
    rules["anonymous"] = all(
        event["properties"].get(name) == value
        for event in request.events
        for name, value in ANONYMOUS.items()
    )
    return [rule for rule, holds in rules.items() if not holds]


def is_whole_second(time: Any) -> bool:
    """Tell whether it is a time as records have it."""
    return (
        isinstance(time, str) and datetime.fromisoformat(time).microsecond == 0 and len(time) == 25
    )


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


def endless(encoding: str = "identity", status: int = 200) -> Answer:
    """Answer without an end, as fast as it is read; what was sent is counted."""
    piece = b" " * 65536
    if encoding == "gzip":
        piece = gzip.compress(b" " * 2**24)

    def answer(handler: Handler, request: Request) -> None:
        handler.send_response(status)
        handler.send_header("Content-Encoding", encoding)
        handler.end_headers()
        handler.close_connection = True
        while not handler.server.released.is_set():
            handler.server.sent += handler.connection.send(piece)

    return answer


def slowly(seconds: float) -> Answer:
    """Acknowledge after a while."""

    def answer(handler: Handler, request: Request) -> None:
        time.sleep(seconds)
        ok(handler, request)

    return answer


Results = dict[str, dict[str, Any]]


def each(*results: dict[str, Any] | None, then: dict[str, Any] | None = None) -> Answer:
    """Answer for each event: for those of the first request so, and `then` for all others.

    None leaves an event out. What is accepted is stored, as the newer endpoint does.
    """
    left = list(results)
    rest = {"result": "ok"} if then is None else then

    def answer(handler: Handler, request: Request) -> None:
        told: Results = {}
        accepted = []
        for event in request.events:
            result = left.pop(0) if left else rest
            if result is not None:
                told[event["uuid"]] = result
                if result.get("result") in ("ok", "warning"):
                    accepted.append(event)
        handler.server.store_events(accepted)
        again = any(result.get("result") == "retry" for result in told.values())
        headers = {"Retry_After": "0"} if again else {}
        body = json.dumps({"results": told}).encode()
        handler.reply(200, body, Content_Type="application/json", **headers)

    return answer


def dropping(details: str, uuids: Iterable[str]) -> Answer:
    """Drop these events for a reason, and take the others."""
    dropped = set(uuids)

    def answer(handler: Handler, request: Request) -> None:
        each(
            *(
                {"result": "drop", "details": details}
                if one["uuid"] in dropped
                else {"result": "ok"}
                for one in request.events
            )
        )(handler, request)

    return answer
