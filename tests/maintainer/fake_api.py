"""PostHog's API on this machine: it keeps what it is given, and refuses what PostHog refuses.

Its events are rows of a real ClickHouse. An event with a profile makes a person; persons are what
the deletion finds; and what it took up is deleted by a job that somebody else runs.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from clickhouse import ClickHouse
from clickhouse import parse as read_hogql
from jsonschema import Draft202012Validator, ValidationError
from shapes import ALERT, DASHBOARD, INSIGHT, QUERY, TILES

KEY = "phx_a_personal_key_of_a_test"
PROJECT_KEY = "phc_of_a_test"
PROJECT = 42
USER = 7
NAMESPACE = uuid.UUID("932979b4-65c3-4424-8467-0b66ec27bc22")
SCOPES = frozenset(
    "dashboard:write insight:write alert:write person:write".split()
    + "query:read project:read user:read".split()
)
_SCOPE = {
    "dashboards": "dashboard",
    "insights": "insight",
    "alerts": "alert",
    "persons": "person",
    "query": "query",
}


parse = cache(read_hogql)
"""What was read once is not read again: it takes a while."""


class CutError(Exception):
    """The connection breaks."""


class RefusedError(Exception):
    """An answer that is a refusal."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class FakeApi(ThreadingHTTPServer):
    """The server.

    Attributes
    ----------
    scopes
        What the key may do; to write is to read, too.
    requests
        Method and path of every request.
    cut_at, cut_before
        The number of the request at which the connection breaks, after or before it is done.
    busy
        How many requests are answered with 429 first.
    persons
        The identifiers that have a person, by its uuid.
    pending, done
        The persons whose events are to be deleted, with the time of the request, and were.
    job_after
        After so many looks at the deletion its job runs; None: it never does.
    """

    daemon_threads = True

    def __init__(self, clickhouse: ClickHouse, table: str = "api_events") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.clickhouse = clickhouse
        self.table = table
        self.scopes = set(SCOPES)
        self.requests: list[tuple[str, str]] = []
        self.heard = b""
        self.cut_at: int | None = None
        self.cut_before = False
        self.busy = 0
        self.persons: dict[str, str] = {}
        self.pending: dict[str, datetime] = {}
        self.done: set[str] = set()
        self.job_after: int | None = 1
        self.makes_persons = True
        self.dashboards: dict[int, dict[str, Any]] = {}
        self.insights: dict[int, dict[str, Any]] = {}
        self.tiles: dict[int, dict[str, Any]] = {}
        self.alerts: dict[str, dict[str, Any]] = {}
        self.page_size = 2
        self._numbers = iter(range(100, 10**6))
        self._looks = 0
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    def state(self) -> str:
        """Everything that can be changed, as text."""
        kept = (self.dashboards, self.insights, self.tiles, self.alerts)
        return json.dumps([*kept, self.persons], sort_keys=True, default=str)

    def next_number(self) -> int:
        return next(self._numbers)

    # what is asked

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> Any:
        with self._lock:
            number = len(self.requests)
            self.requests.append((method, target))
            self.heard += f"{method} {target}\n".encode() + body + b"\n"
            if self.busy:
                self.busy -= 1
                raise RefusedError(429, "Request was throttled.")
            cut = self.cut_at == number
            if cut and self.cut_before:
                raise CutError
            answer = self._answer(method, target, headers, json.loads(body) if body else None)
            if cut:
                raise CutError
            return answer

    def _answer(self, method: str, target: str, headers: Any, body: Any) -> Any:
        split = urlsplit(target)
        asked = {name: values[0] for name, values in parse_qs(split.query).items()}
        if split.path == "/batch/":
            return self._capture(body)
        if headers.get("Authorization") != f"Bearer {KEY}":
            raise RefusedError(401, f"Invalid personal API key {headers.get('Authorization')}.")
        if split.path == "/api/users/@me/":
            self._may("user:read")
            return {"id": USER, "email": "somebody@example.org"}
        found = re.fullmatch(r"/api/(projects|environments)/(\d+)/(?:(\w+)/(.*))?", split.path)
        if not found or int(found[2]) != PROJECT:
            raise RefusedError(404, "Not found.")
        what, rest = found[3], found[4]
        if what is None:
            self._may("project:read")
            return {"id": PROJECT, "api_token": PROJECT_KEY, "timezone": "UTC"}
        if what not in _SCOPE:
            raise RefusedError(404, "Endpoint not found.")
        if rest == "create_from_template_json/":
            raise RefusedError(403, "This action does not support personal API key access")
        reads = method == "GET" or what == "query"
        self._may(f"{_SCOPE[what]}:{'read' if reads else 'write'}")
        return getattr(self, f"_{what}")(method, rest, asked, body)

    def _may(self, scope: str) -> None:
        if scope not in self.scopes and scope.replace("read", "write") not in self.scopes:
            raise RefusedError(403, f"API key missing required scope '{scope}'")

    # events and persons

    def _capture(self, body: Any) -> Any:
        if body.get("api_key") != PROJECT_KEY:
            raise RefusedError(401, "invalid project key")
        for event in body["batch"]:
            user = event["distinct_id"]
            if event["properties"].get("$process_person_profile") and self.makes_persons:
                self.persons[str(uuid.uuid5(NAMESPACE, f"{PROJECT}:{user}"))] = user
            self.store([event])
        return {"status": "Ok"}

    def store(self, events: Iterable[dict[str, Any]]) -> None:
        """Put events into the table."""
        rows = [
            {
                "uuid": event["uuid"],
                "event": event["event"],
                "properties": event["properties"],
                "timestamp": event["timestamp"].removesuffix("+00:00").replace("T", " "),
                "team_id": PROJECT,
                "distinct_id": event["distinct_id"],
                "person_id": str(uuid.uuid5(NAMESPACE, f"{PROJECT}:{event['distinct_id']}")),
            }
            for event in events
        ]
        written = "\n".join(map(json.dumps, rows))
        self.clickhouse.run(f"INSERT INTO {self.table} FORMAT JSONEachRow {written}")

    def _query(self, method: str, rest: str, asked: dict[str, str], body: Any) -> Any:
        _check(body, {"type": "object", "required": ["query"]})
        if body.get("refresh") != "force_blocking":
            return {"results": [[0, 0]]}  # what it has kept, from before
        query = body["query"]
        if query.get("kind") != "HogQLQuery":
            raise RefusedError(400, "only HogQLQuery is answered here")
        try:
            parse(query["query"])
        except ValueError as error:
            raise RefusedError(400, str(error)) from None
        hogql = query["query"].replace("FROM events", f"FROM {self.table}")
        rows = self.clickhouse.ask(hogql)
        columns = list(rows[0]) if rows else []
        return {"columns": columns, "results": [list(row.values()) for row in rows]}

    def _persons(self, method: str, rest: str, asked: dict[str, str], body: Any) -> Any:
        if method == "GET" and not rest:
            user = asked["distinct_id"]
            found = [
                {"uuid": one, "distinct_ids": [u]} for one, u in self.persons.items() if u == user
            ]
            return {"next": None, "results": found}
        if method == "GET" and rest == "deletion_status/":
            self._looks += 1
            if self.job_after is not None and self._looks >= self.job_after and self.pending:
                self.run_job()
            person = asked["person_uuid"]
            which = {"pending": self.pending, "completed": self.done}[asked["status"]]
            return {"results": [{"person_uuid": person}] if person in which else []}
        if method == "POST" and rest == "bulk_delete/":
            known = {"distinct_ids", "ids", "delete_events", "delete_recordings", "keep_person"}
            if not set(body) <= known or len(body.get("distinct_ids", [])) > 1000:
                raise RefusedError(400, "unknown field")
            found = {one for one, user in self.persons.items() if user in body["distinct_ids"]}
            if body.get("delete_events"):
                self.pending |= dict.fromkeys(found, datetime.now(UTC))
                self._looks = 0
            for one in found:
                if not body.get("keep_person"):
                    del self.persons[one]
            return {
                "persons_found": len(found),
                "persons_deleted": len(found),
                "events_queued_for_deletion": bool(body.get("delete_events") and found),
                "recordings_queued_for_deletion": False,
                "deletion_errors": [],
            }
        raise RefusedError(404, "Not found.")

    def run_job(self) -> None:
        """Delete as the weekly job does: by person, up to the time of the request."""
        for person, until in self.pending.items():
            self.clickhouse.run(
                f"ALTER TABLE {self.table} DELETE WHERE team_id = {PROJECT}"
                f" AND person_id = '{person}'"
                f" AND timestamp <= toDateTime64('{until:%Y-%m-%d %H:%M:%S.%f}', 6, 'UTC')"
            )
        self.done |= set(self.pending)
        self.pending = {}

    # dashboards, insights, alerts

    def _dashboards(self, method: str, rest: str, asked: dict[str, str], body: Any) -> Any:
        if not rest:
            if method == "GET":
                return self._page("dashboards", asked, self.dashboards.values())
            _check(body, DASHBOARD)
            number = self.next_number()
            tags = [tag.strip().lower() for tag in body.get("tags", [])]
            self.dashboards[number] = {"id": number, "deleted": False, **body, "tags": tags}
            return self._dashboard(number)
        number = _number(rest)
        if number not in self.dashboards or self.dashboards[number]["deleted"]:
            raise RefusedError(404, "Not found.")
        if method == "PATCH":
            tiles = body.pop("tiles", [])
            body.pop("delete_insights", None)
            _check(body, {**DASHBOARD, "required": []})
            _check(tiles, TILES)
            self.dashboards[number] |= body
            for tile in tiles:
                if "id" in tile:
                    if self.tiles.get(tile["id"], {}).get("dashboard") != number:
                        raise RefusedError(400, "no such tile")
                    self.tiles[tile["id"]] |= tile
                else:
                    own = self.next_number()
                    text = {"id": self.next_number(), **tile.pop("text")}
                    self.tiles[own] = {"id": own, "dashboard": number, "text": text, **tile}
        return self._dashboard(number)

    def _dashboard(self, number: int) -> dict[str, Any]:
        tiles = []
        for tile in self.tiles.values():
            if tile["dashboard"] != number or tile.get("deleted"):
                continue
            shown = {name: value for name, value in tile.items() if name not in ("dashboard",)}
            if "insight" in tile:
                insight = self.insights[tile["insight"]]
                if insight["deleted"]:
                    continue
                shown["insight"] = insight
            tiles.append({"layouts": {}, "color": None, **shown})
        return {**self.dashboards[number], "tiles": tiles}

    def _insights(self, method: str, rest: str, asked: dict[str, str], body: Any) -> Any:
        _check(body, {**INSIGHT, "required": [] if rest else INSIGHT["required"]})
        if "query" in body:
            _check(body["query"], QUERY)
            source = body["query"]["source"]
            if source["kind"] == "HogQLQuery":
                try:
                    parse(source["query"])
                except ValueError as error:
                    raise RefusedError(400, str(error)) from None
        tags = {"tags": [tag.strip().lower() for tag in body["tags"]]} if "tags" in body else {}
        if method == "POST" and not rest:
            number = self.next_number()
            kept = {"id": number, "short_id": f"s{number}", "deleted": False, **body, **tags}
            # PostHog completes a query by what it takes for granted.
            kept["query"] = {**body["query"], "version": 1}
            self.insights[number] = kept
            for dashboard in body.get("dashboards", []):
                own = self.next_number()
                self.tiles[own] = {"id": own, "dashboard": dashboard, "insight": number}
            return kept
        number = _number(rest)
        if method != "PATCH" or number not in self.insights:
            raise RefusedError(404, "Not found.")
        self.insights[number] |= {**body, **tags}
        return self.insights[number]

    def _alerts(self, method: str, rest: str, asked: dict[str, str], body: Any) -> Any:
        if method == "GET":
            found = self.alerts.values()
            if "insight" in asked:
                found = [a for a in found if a["insight"]["id"] == int(asked["insight"])]
            return self._page("alerts", asked, found)
        _check(body, {**ALERT, "required": [] if rest else ALERT["required"]})
        if "insight" in body:
            insight = self.insights.get(body["insight"])
            if insight is None or insight["deleted"]:
                raise RefusedError(400, "no such insight")
            if insight["query"]["source"]["kind"] != "TrendsQuery":
                raise RefusedError(400, "Alerts are only supported for TrendsQuery insights")
            body = {**body, "insight": {"id": body["insight"]}}
        if not rest:
            own = str(uuid.uuid5(NAMESPACE, f"alert {len(self.alerts)}"))
            self.alerts[own] = {"id": own, **body}
            return self.alerts[own]
        own = rest.rstrip("/")
        if method != "PATCH" or own not in self.alerts:
            raise RefusedError(404, "Not found.")
        self.alerts[own] |= body
        return self.alerts[own]

    def _page(self, what: str, asked: dict[str, str], found: Iterable[dict[str, Any]]) -> Any:
        every = [one for one in found if not one.get("deleted")]
        first = int(asked.get("offset", 0))
        after = first + self.page_size
        kind = "environments" if what == "alerts" else "projects"
        path = f"{self.url}/api/{kind}/{PROJECT}/{what}/?offset={after}"
        path += "".join(f"&{name}={value}" for name, value in asked.items() if name != "offset")
        return {
            "count": len(every),
            "next": path if after < len(every) else None,
            "results": every[first:after],
        }


def _number(rest: str) -> int:
    found = re.fullmatch(r"(\d+)/", rest)
    if not found:
        raise RefusedError(404, "Not found.")
    return int(found[1])


def _check(body: Any, schema: Any) -> None:
    try:
        Draft202012Validator(schema).validate(body)
    except ValidationError as error:
        raise RefusedError(400, error.message[:200]) from None


class _Handler(BaseHTTPRequestHandler):
    server: FakeApi

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            status, answer = 200, self.server.answer(self.command, self.path, self.headers, body)
        except RefusedError as refused:
            status, answer = refused.status, {"type": "error", "detail": str(refused)}
        except CutError:
            self.close_connection = True
            return
        sent = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(sent)))
        if status == 429:
            self.send_header("Retry-After", "3")
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_POST = do_PATCH = _do  # noqa: N815
