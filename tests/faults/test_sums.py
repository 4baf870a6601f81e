"""Recorded = delivered + waiting + dropped, by uuid, after any sequence of faults."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fake_posthog import KEY, FakePostHog, each, ok, sometimes, status, store_and_drop, to_posthog
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dev_analytics import NOTICE
from dev_analytics.catalogue.events import CellExecuted, acceptor
from dev_analytics.catalogue.record import Form, new_session_id
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import Delivery
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.ledger import read_ledger
from dev_analytics.delivery.sender import Sender
from dev_analytics.destinations.archive_file import Archive
from dev_analytics.destinations.posthog_requests import PostHog


def uuid_of(line: bytes) -> str:
    return str(json.loads(line)["uuid"])


class Faults(RuleBasedStateMachine):
    """A spool for two destinations, their senders, and all that can happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.data = Path(tempfile.mkdtemp(prefix="dev-analytics-"))
        self.server = FakePostHog()
        self.delivery = Delivery(recipient=to_posthog(self.server.url, KEY))
        self.recorded: set[str] = set()
        self.declared: set[str] = set()
        self.refused: set[str] = set()
        self.files = 0

    @initialize()
    def agree(self) -> None:
        consent = ConsentStore(self.data).agree(
            NOTICE, date.today(), recipients=[self.delivery.recipient]
        )
        assert consent.user_id
        self.user_id = consent.user_id

    @rule(
        number=st.integers(1, 40),
        kind=st.sampled_from(["declared", "declared", "declared", "undeclared", "newer"]),
        archived=st.booleans(),
    )
    def record(self, number: int, kind: str, archived: bool) -> None:
        """A process that is gone now has left a file."""
        lines = [self.line(kind) for _ in range(number)]
        self.files += 1
        name = f"{self.files:016x}" + ("" if archived else f"-{self.delivery.destination}")
        (self.data / "spool").mkdir(exist_ok=True)
        (self.data / "spool" / f"{name}.jsonl").write_bytes(b"".join(x + b"\n" for x in lines))
        uuids = {uuid_of(line) for line in lines}
        self.recorded |= uuids
        if kind == "declared":
            self.declared |= uuids

    def line(self, kind: str) -> bytes:
        session_id = new_session_id(1_764_000_000)
        form = Form(CellExecuted, distinct_id=self.user_id, session_id=session_id)
        accepted = acceptor(CellExecuted, NOTICE).accept({"outcome": "ok", "duration_ms": 7})
        made = form.fill(accepted, 1, 4_000_000_000)
        if kind == "declared":
            return made
        record = json.loads(made)
        record["properties"]["text"] = "hunter2"
        if kind == "newer":
            record["properties"]["$lib_version"] = "99.0.0"
        return json.dumps(record).encode()

    @rule(
        answer=st.sampled_from(
            [ok, status(503), status(400), status(401), sometimes(0.4, 503), store_and_drop]
        )
    )
    def have_the_older_endpoint(self, answer: Callable[..., None]) -> None:
        self.server.have_newer(None)
        self.server.answer(then=answer)

    @rule(
        results=st.lists(
            st.sampled_from(["ok", "warning", "retry", "drop", "queued", None]), max_size=30
        ),
        then=st.sampled_from(["ok", "retry", "drop"]),
    )
    def have_the_newer_endpoint(self, results: list[str | None], then: str) -> None:
        def told(result: str | None) -> dict[str, Any] | None:
            return None if result is None else {"result": result}

        answer = each(*map(told, results), then=told(then))

        def noted(handler: Any, request: Any) -> None:
            # Only what was refused for ever by this server may be counted as that.
            before = set(self.server.stored)
            answer(handler, request)
            self.refused |= {one["uuid"] for one in request.events} - set(self.server.stored)
            self.refused -= before

        self.server.have_newer(noted)

    @rule(seed=st.integers(0, 99))
    def refuse_some(self, seed: int) -> None:
        """A few records are refused even alone."""
        self.server.have_newer(None)

        def answer(handler: Any, request: Any) -> None:
            bad = any(int(one["uuid"][:2], 16) % 100 == seed for one in request.events)
            (status(400) if bad else ok)(handler, request)

        self.server.answer(then=answer)

    @rule(after=st.none() | st.integers(0, 3), full=st.booleans(), archived=st.booleans())
    def send(self, after: int | None, full: bool, archived: bool) -> None:
        """A sender comes; it may be killed at one of its requests, or find the disk full."""
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            try:
                self.be_sender(after, full, archived)
            finally:
                os._exit(0)
        os.waitpid(child, 0)

    def be_sender(self, after: int | None, full: bool, archived: bool) -> None:
        if full:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        destination: Any = Archive(self.data) if archived else PostHog(KEY, self.server.url, 20)
        deliver, requests = destination.deliver, iter(range(10**6))

        def killed(records: list[bytes]) -> Any:
            receipt = deliver(records)
            if next(requests) == after:
                os.kill(os.getpid(), signal.SIGKILL)
            return receipt

        destination.deliver = killed
        destination.batch_size = 16
        recipient = "archive" if archived else self.delivery.recipient
        Sender(self.data, destination, max_days=30, recipient=recipient, first_pause=0.001).run()

    @invariant()
    def no_record_is_lost(self) -> None:
        found = self.delivered() | self.waiting() | self.put_aside() | self.refused
        assert found == self.recorded
        assert self.delivered() <= self.declared, "nothing else may leave"

    @invariant()
    def the_ledger_adds_up(self) -> None:
        ledger = read_ledger(self.data)
        counted = ledger.delivered + sum(ledger.dropped.values())
        assert counted + Backlog(self.data).count() == len(self.recorded)

    def delivered(self) -> set[str]:
        archived = set()
        if (self.data / "archive.sqlite").exists():
            with closing(sqlite3.connect(self.data / "archive.sqlite")) as archive:
                tables = archive.execute("SELECT count(*) FROM sqlite_master").fetchone()
                if tables[0]:
                    archived = {row[0] for row in archive.execute("SELECT uuid FROM events")}
        return archived | set(self.server.stored)

    def waiting(self) -> set[str]:
        return {uuid_of(line) for line in Backlog(self.data).records()}

    def put_aside(self) -> set[str]:
        file = self.data / "quarantine"
        return set(map(uuid_of, file.read_bytes().splitlines())) if file.exists() else set()

    def teardown(self) -> None:
        """With all well again, nothing waits but what a newer version wrote, and suspects."""
        self.server.have_newer(None)
        self.server.answer(then=ok)
        if self.recorded:
            for archived in (True, False):
                self.send(None, False, archived)
            self.no_record_is_lost()
            self.the_ledger_adds_up()
            assert not self.waiting() & self.declared
        self.server.close()
        shutil.rmtree(self.data)
        assert not self.server.broken


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


class TestFaults(Faults.TestCase):  # type: ignore[misc, valid-type]
    """Bounded, so that it takes half a minute."""

    settings = settings(max_examples=int(os.environ.get("SEQUENCES", "10")), stateful_step_count=12)


@pytest.mark.parametrize("number", [1, 40])
@pytest.mark.parametrize("kind", ["declared", "newer"])
@pytest.mark.parametrize("archived", [False, True])
def test_a_sender_that_cannot_count_deletes_nothing(number: int, kind: str, archived: bool) -> None:
    faults = Faults()
    faults.agree()
    faults.record(number, kind, archived)
    faults.send(None, True, archived)
    faults.no_record_is_lost()
    faults.the_ledger_adds_up()
    faults.teardown()
