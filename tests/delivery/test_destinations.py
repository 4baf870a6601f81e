"""What was recorded for one destination never reaches another, whoever's sender comes by."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fake_posthog import KEY, FakePostHog, hang, to_posthog

from dev_analytics.analytics import Analytics
from dev_analytics.catalogue.events import CellExecuted
from dev_analytics.catalogue.record import Form, new_session_id
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import Delivery
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.ledger import Ledger, change_ledger, read_ledger
from dev_analytics.delivery.sender import Sender
from dev_analytics.destinations import ARCHIVE
from dev_analytics.destinations.archive_file import Archive
from dev_analytics.destinations.posthog import HOST

Until = Callable[[Callable[[], bool]], None]

pytestmark = pytest.mark.usefixtures("agreed")

KILLED = "os.kill(os.getpid(), signal.SIGKILL)"
ENDS = "get_analytics().pipeline.sink.close(at_exit=True)"
FRESH, OLD = "2099-01-01T00:00:00+00:00", "2020-01-01T00:00:00+00:00"


def session(end: str, key: str = "", host: str = "", *, number: int = 1) -> None:
    """Be a session of the user with these settings, which has so many events and this end.

    The user agreed to where they go.
    """
    recipient = to_posthog(host, key) if key else ARCHIVE
    code = f"""
import os, signal
from datetime import date
from dev_analytics import get_analytics
from dev_analytics.delivery import Delivery
from dev_analytics import NOTICE
delivery = get_analytics().delivery = Delivery(recipient={recipient!r})
get_analytics().gate.store.agree(NOTICE, date.today(), recipients=[delivery.recipient])
get_analytics().pipeline.sink.resume()
for _ in range({number}):
    get_analytics().event("cell_executed", outcome="ok", duration_ms=1)
{end}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (
        -signal.SIGKILL if end is KILLED else 0,
        "",
        "",
    )


def uuids(records: Iterable[bytes]) -> set[str]:
    return {json.loads(record)["uuid"] for record in records}


def archived(data: Path) -> set[str]:
    with closing(sqlite3.connect(data / "archive.sqlite")) as archive:
        return {row[0] for row in archive.execute("SELECT uuid FROM events")}


def waits_for(data: Path, destination: str, *times: str) -> Path:
    """Put records with these times into the spool of a destination."""
    file = data / "spool" / f"0123456789abcdef-{destination}.jsonl"
    file.parent.mkdir(exist_ok=True)
    user_id = ConsentStore(data).read().user_id
    form = Form(CellExecuted, distinct_id=user_id, session_id=new_session_id(1_764_000_000))
    accepted = {"outcome": "ok", "duration_ms": 7}
    records = (
        form.fill(accepted, number, int(datetime.fromisoformat(each).timestamp()))
        for number, each in enumerate(times, 1)
    )
    file.write_bytes(b"".join(record + b"\n" for record in records))
    return file


def test_what_a_killed_session_recorded_for_the_archive_is_not_sent_by_one_with_a_key(
    data: Path, posthog: FakePostHog, until: Until
) -> None:
    session(KILLED, number=5)
    kept = uuids(Backlog(data).records())
    session(ENDS, KEY, posthog.url)
    until(lambda: read_ledger(data).delivered == 6)
    assert len(posthog.stored) == 1
    assert not kept & set(posthog.stored)
    assert archived(data) == kept, "it stays on this machine, and waits for nobody"


def test_what_a_killed_session_recorded_for_posthog_is_left_to_one_with_the_same_key(
    data: Path, posthog: FakePostHog, until: Until, start_sender: Any
) -> None:
    session(KILLED, KEY, posthog.url, number=5)
    sent = uuids(Backlog(data).records())
    session(ENDS)
    until(lambda: read_ledger(data).delivered == 1)
    elsewhere = "http://127.0.0.1:1"
    session(KILLED, KEY, elsewhere)
    assert start_sender(elsewhere).wait(240) == 0
    assert read_ledger(data).failure
    assert not sent & archived(data)
    assert posthog.requests == []
    session(ENDS, KEY, posthog.url)
    until(lambda: sent < set(posthog.stored))
    assert not sent & archived(data)


def test_a_process_that_knows_no_settings_knows_no_key(
    data: Path, posthog: FakePostHog, spool_events: Any, start_sender: Any
) -> None:
    kept = uuids(spool_events(5))
    assert start_sender(posthog.url).wait(240) == 0
    assert posthog.requests == []
    assert archived(data) == kept


def test_settings_that_change_lead_nothing_elsewhere_that_was_recorded_before(
    data: Path, agree_to: Callable[[str], None]
) -> None:
    agree_to(HOST)
    analytics = Analytics(data, delivery=Delivery(), strict=True)
    with_key = Delivery(recipient=to_posthog(HOST, KEY))
    for delivery in (Delivery(), with_key, with_key.replace(flush_seconds=5), None):
        analytics.delivery = delivery
        analytics.event("cell_executed", outcome="ok", duration_ms=1)
    counts = [len(file.read_bytes().splitlines()) for file in Backlog(data).files(ARCHIVE)]
    assert counts == [1, 1]
    (file,) = Backlog(data).files(with_key.destination)
    assert len(file.read_bytes().splitlines()) == 2
    assert KEY not in file.name
    analytics.pipeline.sink.purge()


def test_a_sender_that_finds_only_what_is_for_others_ends(
    data: Path, start_sender: Any, agree_to: Callable[[str], None]
) -> None:
    agree_to("https://others.test")
    file = waits_for(
        data, Delivery(recipient=to_posthog("https://others.test", KEY)).destination, FRESH
    )
    assert start_sender().wait(240) == 0
    assert file.exists()
    assert not (data / "archive.sqlite").exists()


def test_a_sender_waits_for_none_with_another_destination(
    data: Path, posthog: FakePostHog, spool_events: Any, start_sender: Any
) -> None:
    spool_events(5, posthog.url)
    posthog.answer(hang)
    other = start_sender(posthog.url)
    assert posthog.arrived.wait(240)
    kept = uuids(spool_events(3))
    assert start_sender().wait(240) == 0
    assert archived(data) == kept
    assert posthog.stored == {}
    posthog.released.set()
    assert other.wait(240) == 0
    assert len(posthog.stored) == 5


def test_what_is_too_old_goes_whoever_comes_by_even_if_its_sender_never_does(data: Path) -> None:
    mixed = waits_for(data, "deadbeef", OLD, OLD, FRESH)
    gone = waits_for(data, "0badcafe", OLD)
    waits_for(data, ARCHIVE, FRESH)
    Sender(data, Archive(data), max_days=30).run()
    assert not gone.exists()
    assert [json.loads(line)["timestamp"] for line in mixed.read_bytes().splitlines()] == [FRESH]
    assert read_ledger(data).dropped == {"expired": 3}


def test_what_is_too_old_goes_even_while_the_destination_wants_to_be_left_alone(data: Path) -> None:
    file = waits_for(data, ARCHIVE, OLD, FRESH)
    change_ledger(data, lambda _: Ledger(not_before=int(time.time()) + 3600, failing=ARCHIVE))
    Sender(data, Archive(data), max_days=30).run()
    assert len(file.read_bytes().splitlines()) == 1
    assert read_ledger(data).delivered == 0


def test_a_destination_that_wants_to_be_left_alone_holds_up_no_other(data: Path) -> None:
    waits_for(data, ARCHIVE, FRESH)
    asked = Ledger(
        not_before=int(time.time()) + 3600, failing="deadbeef", failure="the server answered 429"
    )
    change_ledger(data, lambda _: asked)
    Sender(data, Archive(data), max_days=30).run()
    ledger = read_ledger(data)
    assert ledger.delivered == 1
    assert (ledger.not_before, ledger.failure) == (asked.not_before, asked.failure)


def test_an_opt_out_takes_what_waits_for_every_destination(data: Path) -> None:
    for destination in (ARCHIVE, "deadbeef"):
        waits_for(data, destination, FRESH)
    assert Backlog(data).count() == 2
    ConsentStore(data).opt_out()
    assert list((data / "spool").iterdir()) == []
