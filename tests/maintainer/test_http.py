"""A server that answers anything: a failure is one line, and no secret is in it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import pytest

from dev_analytics.apps.jupyter import main
from dev_analytics.maintainer.http import RequestError, Server
from dev_analytics.maintainer.project import Project

SECRET = "phx_of_nobody_else"
USER = str(UUID(int=1))


class _Odd(BaseHTTPRequestHandler):
    server: Any

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _do(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, body = self.server.answers
        heard = f"{self.headers['Authorization']} {self.headers['X-ClickHouse-Key']}"
        body = body.replace(b"HEARD", heard.encode())
        self.send_response(status)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = _do  # noqa: N815


@pytest.fixture(scope="module")
def odd() -> Iterator[Any]:
    """A server that answers whatever it is told to."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Odd)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


OURS = {"tags": ["dev-analytics"], "id": 1}
ANSWERS: dict[str, tuple[int, Any]] = {
    "nothing": (200, b""),
    "a page": (200, b"<html>Log in</html>"),
    "no text": (200, b'{"results": "\xff"}'),
    "deep": (200, b"[" * 100_000),
    "an object": (200, {}),
    "a list": (200, []),
    "a number": (200, 1),
    "no results": (200, {"results": None}),
    "results of numbers": (200, {"results": [1]}),
    "results without a number": (200, {"results": [{"tags": ["dev-analytics"]}]}),
    "rows of words": (200, {"results": [["a", "b"]]}),
    "rows without a value": (200, {"results": [[1, None]]}),
    "tags that are none": (200, {"results": [{"tags": 7, "id": 1}]}),
    "tiles that are none": (200, {"results": [OURS], **OURS, "tiles": None}),
    "tiles of numbers": (200, {"results": [OURS], **OURS, "tiles": [1]}),
    "a list that goes on elsewhere": (200, {"results": [], "next": "https://example.org/x"}),
    "a list that goes on in a number": (200, {"results": [], "next": 5}),
    "another address": (302, {}),
    "a broken server": (502, b"<html>Bad gateway</html>"),
    "what it was asked": (500, {"detail": "HEARD"}),
    "what it was asked, refused": (401, {"error": "HEARD"}),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_any_failing_answer_is_one_line_without_the_key(
    name: str,
    odd: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    status, body = ANSWERS[name]
    odd.answers = status, body if isinstance(body, bytes) else json.dumps(body).encode()
    monkeypatch.setenv("POSTHOG_PERSONAL_API_KEY", SECRET)
    monkeypatch.setenv("CLICKHOUSE_USER", "me")
    monkeypatch.setenv("CLICKHOUSE_PASSWORD", SECRET)
    url = f"http://127.0.0.1:{odd.server_port}"
    for asked in (
        ("dashboards", "--dry-run", "--host", url),
        ("dashboards", "--apply", "--host", url),
        ("forget", USER, "--yes", "--host", url, "--wait", "0"),
        ("forget", USER, "--yes", "--clickhouse", url, "--wait", "0"),
    ):
        assert main(["maintainer", *asked, "--project", "1"]) == 1
        said = capsys.readouterr()
        assert said.err.count("\n") == 1, asked
        assert SECRET not in said.out + said.err


def test_an_address_with_tls_where_nobody_listens_is_one_line() -> None:
    with pytest.raises(RequestError, match=r"^https://127.0.0.1:1 cannot be reached: [^\n]+$"):
        Server("https://127.0.0.1:1", {}, "").ask("GET", "/")


def test_a_list_that_never_ends_is_one_line(odd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dev_analytics.maintainer.project.MAX_PAGES", 3)
    url = f"http://127.0.0.1:{odd.server_port}"
    odd.answers = 200, json.dumps({"results": [{}], "next": f"{url}/more"}).encode()
    with pytest.raises(RequestError, match="has more than 3 pages of things/"):
        list(Project(url, 1, SECRET).every("things/"))


@pytest.mark.parametrize("password", ["two\nlines", "a\rreturn"])
def test_a_secret_that_is_no_valid_header_is_not_shown(
    password: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLICKHOUSE_USER", "me")
    monkeypatch.setenv("CLICKHOUSE_PASSWORD", password)
    asked = ["forget", USER, "--project", "1", "--clickhouse", "http://127.0.0.1:9"]
    assert main(["maintainer", *asked]) == 1
    said = capsys.readouterr()
    assert "control character" in said.err
    assert said.err.count("\n") == 1
    assert password not in said.err
    assert repr(password)[1:-1] not in said.err


def test_an_unwritable_output_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert main(["maintainer", "dashboards", "--json"]) == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "standard output: No space left" in said.err
