"""The sender: killed, switched off, given rubbish, it loses nothing and sends nothing private."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fake_posthog import (
    KEY,
    Answer,
    FakePostHog,
    hang,
    ok,
    sometimes,
    status,
    store_and_hang,
    to_posthog,
)

from dev_analytics import NOTICE
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import Delivery
from dev_analytics.delivery.attempts import MAX_TRIES
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.bounds import begins_before
from dev_analytics.delivery.ledger import Ledger, change_ledger, read_ledger
from dev_analytics.delivery.locks import holding
from dev_analytics.delivery.notes import LOG_BYTES, QUARANTINE_BYTES, Notes
from dev_analytics.delivery.permission import Changed, Permission
from dev_analytics.delivery.sender import Sender
from dev_analytics.delivery.turns import turn
from dev_analytics.destinations import ARCHIVE
from dev_analytics.destinations.archive_file import Archive
from dev_analytics.destinations.posthog_requests import PostHog
from dev_analytics.destinations.transport import Unacceptable, Unreachable
from dev_analytics.process.descriptors import open_above

IDENTITY = ("uuid", "timestamp", "event", "distinct_id")


class Counting:
    """A destination in memory, for what does not depend on the network."""

    batch_size = 10

    def __init__(self, *failures: Exception, before: Callable[[int], object] | None = None) -> None:
        self.batches: list[list[bytes]] = []
        self._failures = list(failures)
        self._before = before

    @property
    def records(self) -> list[bytes]:
        """All that it acknowledged."""
        return [record for batch in self.batches for record in batch]

    @property
    def failures(self) -> int:
        """How many failures are still to come."""
        return len(self._failures)

    def deliver(self, records: Any) -> None:
        if self._before:
            self._before(len(self.batches))
        if self._failures:
            raise self._failures.pop(0)
        self.batches.append(list(records))


def run(data: Path, destination: Any, max_days: float = 30) -> Ledger:
    Sender(data, destination, max_days=max_days, first_pause=0.001).run()
    return read_ledger(data)


def spool(data: Path, name: str, content: bytes) -> Path:
    file = data / "spool" / f"{name}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def other(record: bytes, **changes: Any) -> bytes:
    """Return a record like `record`, with changes."""
    whole = {**json.loads(record), "uuid": str(uuid.uuid4()), **changes}
    if "$ai_trace_id" in (whole["properties"] or {}):
        whole["properties"]["$ai_trace_id"] = whole["uuid"]
    return json.dumps(whole).encode()


def test_killed_at_many_moments_it_loses_nothing_and_repeats_itself_exactly(
    posthog: FakePostHog,
    spool_events: Any,
    start_sender: Any,
    until: Any,
    waiting: Any,
    data: Path,
) -> None:
    """A request of 3,000 events takes six batches: each is killed again and again on its way.

    The moments are spread over what the sender does: before its first request, while the server
    has one, and after an answer. At the last one the server has stored a batch and not said so.
    """
    chance, most = random.Random(1), int(os.environ.get("MAX_KILLS", "6"))
    records = [record for _ in range(6) for record in spool_events(500, posthog.url)]
    assert len(waiting()) == 3000
    failing = sometimes(0.15, 503, 1)

    def a_moment_later(handler: Any, request: Any) -> None:
        time.sleep(0.02)
        failing(handler, request)

    posthog.answer(then=a_moment_later)
    kills = 0
    while kills < most:
        if not waiting():
            records += [record for _ in range(2) for record in spool_events(500, posthog.url)]
        seen = len(posthog.requests)
        process = start_sender(posthog.url, first_pause=0.02)
        wanted = seen + chance.randint(0, 3)

        def reached(process: Any = process, wanted: int = wanted) -> bool:
            return len(posthog.requests) >= wanted or process.poll() is not None

        until(reached)
        time.sleep(chance.uniform(0, 0.06 if wanted > seen else 0.6))
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    records += spool_events(500, posthog.url)
    stored = sum(map(len, posthog.stored.values()))
    posthog.answer(then=store_and_hang)
    process = start_sender(posthog.url)
    until(lambda: sum(map(len, posthog.stored.values())) > stored)
    process.kill()
    process.wait()
    posthog.released.set()
    posthog.answer(then=ok)
    assert start_sender(posthog.url).wait() == 0

    assert waiting() == []
    assert set(posthog.stored) == {json.loads(record)["uuid"] for record in records}
    sent: dict[str, set[tuple[str, ...]]] = {}
    for request in posthog.requests:
        for event in request.events:
            sent.setdefault(event["uuid"], set()).add(tuple(event[name] for name in IDENTITY))
    assert {len(versions) for versions in sent.values()} == {1}
    assert sum(map(len, posthog.stored.values())) > len(records), "nothing was ever sent again"
    assert read_ledger(data).dropped == {}


def test_an_opt_out_while_a_request_hangs_is_the_last_that_anybody_hears(
    posthog: FakePostHog,
    data: Path,
    spool_events: Any,
    start_sender: Any,
    everything: Callable[[Path], bytes],
    tmp_path: Path,
) -> None:
    records = [record for _ in range(2) for record in spool_events(500, posthog.url)]
    identifier = json.loads(records[0])["distinct_id"]
    posthog.answer(then=hang)
    sender = start_sender(posthog.url)
    assert posthog.arrived.wait(240)
    assert identifier.encode() in everything(tmp_path)
    ConsentStore(data).opt_out()
    posthog.released.set()
    assert sender.wait(240) == 0
    assert len(posthog.requests) == 1
    assert list((data / "spool").iterdir()) == []
    assert identifier.encode() not in everything(tmp_path)
    assert not any(json.loads(record)["uuid"].encode() in everything(data) for record in records)


@pytest.mark.parametrize("answer", [ok, status(503), status(401), status(400)])
def test_an_opt_out_during_a_request_leaves_nothing_however_it_ends(
    posthog: FakePostHog,
    data: Path,
    spool_events: Any,
    everything: Callable[[Path], bytes],
    answer: Answer,
) -> None:
    records = spool_events(800)

    def opt_out(handler: Any, request: Any) -> None:
        ConsentStore(data).opt_out()
        answer(handler, request)

    posthog.answer(then=opt_out)
    run(data, PostHog(KEY, posthog.url))
    assert len(posthog.requests) == 1
    assert list((data / "spool").iterdir()) == []
    assert json.loads(records[0])["distinct_id"].encode() not in everything(data)


def test_an_opt_out_while_what_is_left_is_written_leaves_nothing(
    data: Path, spool_events: Any, waiting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes, and has deleted the spool, just before the sender makes the new file."""
    spool_events(50)

    def opt_out(path: str, flags: int) -> int:
        if path.endswith(".jsonl.new"):
            ConsentStore(data).opt_out()
        return open_above(path, flags)

    monkeypatch.setattr("dev_analytics.delivery.progress.open_above", opt_out)
    run(data, Counting(Unreachable("gone", 90)))
    assert (data / "consent" / "opted-out").exists()
    assert waiting() == []


def test_consent_is_asked_for_before_every_request(data: Path, spool_events: Any) -> None:
    spool_events(100)
    destination = Counting(before=lambda sent: ConsentStore(data).opt_out() if sent == 3 else None)
    run(data, destination)
    assert len(destination.batches) == 4


def test_an_opt_out_while_a_connection_is_made_is_the_last_that_anybody_hears(
    data: Path, spool_events: Any, start_sender: Any, waiting: Any
) -> None:
    """The server takes the connection, and shakes hands only after the opt-out has returned."""
    import socket
    import ssl
    import threading

    got = b""
    connected, opted_out = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        folder = data.parent / "authority"
        folder.mkdir()
        command = (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
            " -keyout own.key -out own.pem -subj /CN=posthog -addext subjectAltName=IP:127.0.0.1"
        )
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "own.pem", folder / "own.key")

        def serve() -> None:
            nonlocal got
            plain, _ = server.accept()
            connected.set()
            assert opted_out.wait(240)
            with context.wrap_socket(plain, server_side=True) as connection:
                while piece := connection.recv(65536):
                    got += piece

        serving = threading.Thread(target=serve)
        serving.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        spool_events(300, url)
        sender = start_sender(url, SSL_CERT_FILE=str(folder / "own.pem"))
        assert connected.wait(240)
        ConsentStore(data).opt_out()
        opted_out.set()
        assert sender.wait(240) == 0
        serving.join()
    assert got == b""
    assert waiting() == []


def test_a_tool_that_is_switched_off_while_a_connection_is_made_sends_nothing_more(
    data: Path, spool_events: Any
) -> None:
    """Any change of the consent has the request made anew, under what holds then."""
    records = spool_events(30)

    class Connecting(Counting):
        confirm: Any = None

        def deliver(self, records: Any) -> None:
            if not self.batches:
                ConsentStore(data).switch_off("acme")
            self.confirm()
            super().deliver(records)

    destination = Connecting()
    ledger = run(data, destination)
    assert sorted(destination.records) == sorted(records)
    assert ledger.delivered == 30


def test_a_new_identity_in_the_middle_gets_none_of_the_old_one_s_records(
    data: Path, spool_events: Any, waiting: Any
) -> None:
    """Reset and a new yes: the old identifier is nobody's any more."""
    spool_events(100)

    def again(sent: int) -> None:
        if sent == 2:
            ConsentStore(data).reset()
            ConsentStore(data).agree(NOTICE, date.today())

    destination = Counting(before=again)
    run(data, destination)
    assert len(destination.batches) == 3
    assert waiting() == []


def test_without_a_yes_nothing_goes_out_and_nothing_is_left(
    data: Path, spool_events: Any, waiting: Any
) -> None:
    spool_events(10)
    (data / "consent" / "consent.json").unlink()
    destination = Counting()
    run(data, destination)
    assert destination.batches == []
    assert waiting() == []


def test_a_consent_that_cannot_be_read_stops_it_without_deleting(
    data: Path, spool_events: Any, waiting: Any
) -> None:
    records = spool_events(10)
    (data / "consent" / "consent.json").write_bytes(b"{")
    destination = Counting()
    run(data, destination)
    assert destination.batches == []
    assert waiting() == sorted(records)


def do_not_track(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DO_NOT_TRACK", "1")


def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "policy.json").write_text('{"analytics": "forbidden"}')
    monkeypatch.setenv("DEV_ANALYTICS_POLICY", str(tmp_path / "policy.json"))


@pytest.mark.parametrize("forbid", [do_not_track, policy])
def test_who_forbids_it_stops_it_and_deletes_nothing(
    data: Path,
    spool_events: Any,
    waiting: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    forbid: Any,
) -> None:
    records = spool_events(100)
    destination = Counting(before=lambda sent: forbid(tmp_path, monkeypatch) if sent == 4 else None)
    run(data, destination)
    assert len(destination.batches) == 5
    assert waiting() == sorted(set(records) - set(destination.records))
    run(data, destination)
    assert len(destination.batches) == 5


def test_do_not_track_in_the_environment_of_a_process_stops_it_from_the_start(
    posthog: FakePostHog, spool_events: Any, start_sender: Any, waiting: Any
) -> None:
    records = spool_events(10, posthog.url)
    assert start_sender(posthog.url, DO_NOT_TRACK="1").wait(240) == 0
    assert posthog.requests == []
    assert waiting() == sorted(records)


def test_what_is_too_old_is_dropped_and_counted(data: Path, spool_events: Any) -> None:
    records = spool_events(10)
    old = [other(records[0], timestamp="2020-02-02T02:02:02+00:00") for _ in range(7)]
    spool(data, "old", b"".join(record + b"\n" for record in old))
    destination = Counting()
    ledger = run(data, destination)
    assert sorted(destination.records) == sorted(records)
    assert (ledger.delivered, ledger.dropped) == (10, {"expired": 7})


def test_records_of_somebody_else_never_go_out(data: Path, spool_events: Any) -> None:
    records = spool_events(10)
    foreign = [
        other(records[0], distinct_id=str(uuid.uuid4())),
        other(records[0], distinct_id=None),
    ]
    spool(data, "foreign", b"".join(record + b"\n" for record in foreign))
    destination = Counting()
    ledger = run(data, destination)
    assert sorted(destination.records) == sorted(records)
    assert ledger.dropped == {"consent withdrawn": 2}


RUBBISH = {
    "no JSON": b"not JSON",
    "a torn line that somebody wrote behind": b'{"event": "cell ex',
    "no object": b"[1, 2]",
    "a field is missing": b'{"event": "launched"}',
    "zeros of a crashed file system": b"\0" * 100,
    "no UTF-8": b'{"event": "\xff\xfe"}',
    "no UTF-8 in a property": b"",
    "no character": b"",
    "deep": b"[" * 100_000,
    "no properties": b"",
    "an infinite number": b"",
}


@pytest.mark.parametrize("kind", RUBBISH)
def test_what_is_no_record_is_counted_and_nothing_else_is_lost(
    posthog: FakePostHog, data: Path, spool_events: Any, waiting: Any, kind: str
) -> None:
    records = spool_events(10)
    rubbish = {
        **RUBBISH,
        "no UTF-8 in a property": records[0].replace(b"{}", b"").replace(b"gpt-4o", b"\xff"),
        "no character": records[0].replace(b"gpt-4o", b"\\ud800"),
        "no properties": other(records[0], properties=None),
        "an infinite number": records[0].replace(b'"seq": 1,', b'"seq": 1e999,'),
    }[kind]
    assert rubbish not in records
    spool(data, "bad", records[0][:30] + b"\n" + rubbish + b"\n\n")
    ledger = run(data, PostHog(KEY, posthog.url))
    assert (ledger.delivered, ledger.dropped) == (10, {"invalid": 2})
    assert waiting() == []


def test_what_nobody_declared_is_counted_and_put_aside(
    posthog: FakePostHog, data: Path, spool_events: Any, waiting: Any, everything: Any
) -> None:
    """Whatever wrote it into the spool: no text of it leaves, nor stands in the archive."""
    records = spool_events(10)
    own = json.loads(records[1])["properties"]
    diary = [
        other(records[1], event="my diary"),
        other(records[1], properties={**own, "text": "Dear diary, hunter2"}),
        other(records[1], properties={**own, "$ip": "203.0.113.9"}),
        other(records[1], note="hunter2"),
    ]
    for place, run_there in (("posthog", PostHog(KEY, posthog.url)), ("archive", Archive(data))):
        spool(data, f"diary{place}", b"".join(line + b"\n" for line in diary))
        ledger = run(data, run_there)
        assert ledger.dropped == {"not what the catalogue allows": 4 if place == "posthog" else 8}
        assert waiting() == []
    assert ledger.delivered == 10
    assert (data / "quarantine").read_bytes().splitlines() == diary * 2
    assert b"hunter2" not in b"".join(request.body for request in posthog.requests)
    ConsentStore(data).opt_out()
    assert b"hunter2" not in everything(data)


def test_what_nobody_declared_stays_where_it_cannot_be_put_aside(
    data: Path, spool_events: Any, waiting: Any
) -> None:
    records = spool_events(25)
    undeclared = other(records[1], note="hunter2")
    spool(data, "undeclared", undeclared + b"\n" + other(records[1]) + b"\n")
    (data / "quarantine").mkdir()
    destination = Counting()
    assert run(data, destination).dropped == {}
    assert len(destination.records) == 26
    assert waiting() == [undeclared]


def test_what_a_newer_version_wrote_waits_for_its_sender_and_holds_up_nothing(
    data: Path, spool_events: Any, waiting: Any
) -> None:
    records = spool_events(35)
    own = {**json.loads(records[1])["properties"], "$lib_version": "99.0.0", "mood": "good"}
    newer = [other(records[1], properties=own) for _ in range(3)]
    old = other(records[1], properties=own, timestamp="2020-02-02T02:02:02+00:00")
    lines = [newer[0], *(other(records[1]) for _ in range(15)), *newer[1:], old]
    file = spool(data, "newer", b"".join(line + b"\n" for line in lines))
    os.utime(file, (1000, 1000))
    destination = Counting()
    for _ in range(2):
        ledger = run(data, destination)
        assert len(destination.records) == 50
        assert waiting() == sorted(newer)
        assert (ledger.delivered, ledger.dropped) == (50, {"expired": 1})
        assert file.stat().st_mtime == 1000


def test_a_torn_last_line_is_counted(data: Path, spool_events: Any) -> None:
    records = spool_events(10)
    whole = other(records[0])
    spool(data, "torn", whole + b"\n" + records[0][:50])
    destination = Counting()
    ledger = run(data, destination)
    assert sorted(destination.records) == sorted([*records, whole])
    assert ledger.dropped == {"invalid": 1}


@pytest.mark.parametrize("acknowledged", [0, 1, 4, 9])
def test_what_stays_after_a_stop_is_exactly_what_was_not_acknowledged(
    data: Path, spool_events: Any, waiting: Any, acknowledged: int
) -> None:
    records = spool_events(95)
    file = spool(data, "bad", b"rubbish\n")
    os.utime(file, (0, 0))
    (ready,) = set((data / "spool").iterdir()) - {file}
    os.utime(ready, (1000, 1000))

    def end(sent: int) -> None:
        if sent == acknowledged:
            raise Unreachable("gone", 3600)

    destination = Counting(before=end)
    ledger = run(data, destination)
    assert waiting() == sorted(records[acknowledged * 10 :])
    assert ready.stat().st_mtime == 1000, "the oldest is dropped first, so it keeps its age"
    assert ready.stat().st_mode & 0o777 == 0o600
    assert ledger.dropped == {"invalid": 1}
    assert ledger.delivered == acknowledged * 10


def test_drops_are_counted_once_however_often_a_file_is_read(data: Path, spool_events: Any) -> None:
    records = spool_events(10)
    spool(data, "bad", b"rubbish\n" * 3 + other(records[0]) + b"\n" + b"rubbish\n" * 4)
    assert run(data, Counting(Unreachable("gone", 90), Unreachable("gone", 90))).dropped == {}
    for _ in range(3):
        change_ledger(data, lambda ledger: Ledger(dropped=ledger.dropped))
        ledger = run(data, Counting())
    assert ledger.dropped == {"invalid": 7}


def test_a_clock_that_was_a_year_ahead_does_not_keep_it_quiet(
    data: Path, spool_events: Any
) -> None:
    spool_events(10)
    change_ledger(data, lambda _: Ledger(not_before=int(time.time()) + 365 * 86_400))
    assert run(data, Counting()).delivered == 10


def test_a_file_that_somebody_holds_is_left_to_the_next_one(
    data: Path, spool_events: Any, waiting: Any
) -> None:
    """And is not waited for."""
    records = spool_events(10)
    spool(data, "held", other(records[0]) + b"\n")
    destination = Counting()
    with holding(data / "spool" / "held.jsonl"):
        run(data, destination)
        assert sorted(destination.records) == sorted(records)
    run(data, destination)
    assert len(destination.records) == 11
    assert waiting() == []


def test_what_is_too_old_and_taken_by_somebody_is_left_to_them(
    data: Path, spool_events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come after it was read and before it is locked."""
    (record,) = spool_events(1)
    file = spool(data, "taken", other(record, timestamp="2020-01-01T00:00:00+00:00") + b"\n")
    with ExitStack() as stack:

        def take(*given: Any) -> bool:
            if given[0] == file:
                stack.enter_context(holding(file))
            return begins_before(*given)

        with monkeypatch.context() as patch:
            patch.setattr("dev_analytics.delivery.sender.begins_before", take)
            assert run(data, Counting()).dropped == {}
        assert file.exists()
    assert run(data, Counting()).dropped == {"expired": 1}


def test_a_refused_record_in_a_file_that_somebody_holds_stays_there(
    data: Path, spool_events: Any
) -> None:
    """It is put aside once another record is accepted, unless its file is no longer its own."""
    record, *rest = spool_events(3)
    for file in Backlog(data).ready():
        file.unlink()
    refused = spool(data, "refused", record + b"\n")
    os.utime(refused, (1, 1))
    spool(data, "accepted", b"".join(line + b"\n" for line in rest))
    with ExitStack() as stack:

        def hold(number: int) -> None:
            if destination.failures == 0:
                stack.enter_context(holding(refused))

        destination = Counting(Unacceptable("no"), before=hold)
        run(data, destination)
    assert destination.records == rest
    assert refused.read_bytes() == record + b"\n"


def test_one_that_another_works_for_does_nothing(data: Path, spool_events: Any) -> None:
    spool_events(3)
    destination = Counting()
    with turn(data, ARCHIVE):
        run(data, destination)
    assert destination.batches == []
    assert Backlog(data).count() == 3


def test_what_is_left_to_it_at_its_last_moment_is_delivered_too(
    data: Path, spool_events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another sender found its lock taken, and left the file to it."""
    _, late = spool_events(2)
    look_up = Permission.look_up

    def then(permission: Permission) -> str:
        if destination.batches and not late_ones:
            late_ones.append(spool(data, "late-archive", other(late) + b"\n"))
        return look_up(permission)

    late_ones: list[Path] = []
    destination = Counting()
    monkeypatch.setattr(Permission, "look_up", then)
    assert run(data, destination).delivered == 3
    assert len(destination.batches) == 2


def test_a_spool_from_which_nothing_can_be_removed_is_not_sent_again_and_again(
    data: Path, spool_events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root, as whom tests may run, can write to every folder."""
    spool_events(3)
    destination = Counting()
    monkeypatch.setattr(os, "access", lambda *given: False)
    ledger = run(data, destination)
    assert destination.batches == []
    assert ledger.failure == "the spool cannot be written"
    assert Backlog(data).count() == 3


def test_a_consent_that_changes_at_each_attempt_loses_no_record(
    data: Path, spool_events: Any
) -> None:
    records = spool_events(3)
    destination = Counting(*[Changed() for _ in range(MAX_TRIES + 1)])
    assert run(data, destination).delivered == 3
    assert destination.records == records


def test_two_at_once_are_one(posthog: FakePostHog, spool_events: Any, start_sender: Any) -> None:
    spool_events(10, posthog.url)
    posthog.answer(hang)
    first = start_sender(posthog.url)
    assert posthog.arrived.wait(240)
    assert start_sender(posthog.url).wait(240) == 0
    assert len(posthog.requests) == 1
    posthog.released.set()
    assert first.wait(240) == 0
    assert [len(events) for events in posthog.stored.values()] == [1] * 10


def test_the_log_holds_nothing_of_any_event(
    posthog: FakePostHog, data: Path, spool_events: Any
) -> None:
    records = spool_events(1200)
    posthog.answer(status(503), status(400), ok, status(429, Retry_After="0"), ok, status(401))
    run(data, PostHog(KEY, posthog.url))
    log = (data / "sender.log").read_text("ascii")
    line = re.compile(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00 "
        r"(\d+ delivered|the server answered \d{3}|1 put aside, the server answered \d{3})"
    )
    assert len(log.splitlines()) == 5
    assert all(line.fullmatch(one) for one in log.splitlines())
    assert json.loads(records[0])["distinct_id"] not in log
    assert (data / "sender.log").stat().st_mode & 0o777 == 0o600


def test_log_and_quarantine_stay_bounded(data: Path) -> None:
    data.mkdir()
    notes = Notes(data, "archive")
    for number in range(3000):
        assert notes.put_aside([b"x" * 1000], f"the server answered {number}")
        assert (data / "sender.log").stat().st_size <= LOG_BYTES
        assert (data / "quarantine").stat().st_size <= QUARANTINE_BYTES
    assert b"answered 2999" in (data / "sender.log").read_bytes()


def test_a_failure_inside_is_told(posthog: FakePostHog, data: Path, spool_events: Any) -> None:
    """Here the package is damaged: the sender cannot be what it should be."""
    spool_events(10, posthog.url)
    for code, failure in (
        ("raise ImportError", "posthog is not installed"),
        ("1 / 0", "the sender failed (ZeroDivisionError)"),
    ):
        program = (
            "import sys, types\n"
            "class Broken:\n"
            "    def find_spec(self, name, *_):\n"
            f"        if name == 'posthog': {code}\n"
            "sys.meta_path.insert(0, Broken())\n"
            "import json\n"
            "from dev_analytics.delivery.sender_process import run\n"
            "run(**json.loads(sys.argv[1]))"
        )
        options = {"data": str(data), "max_days": 30, "recipient": to_posthog(posthog.url)}
        subprocess.run([sys.executable, "-c", program, json.dumps(options)], check=True)
        assert read_ledger(data).failure == failure
    assert posthog.requests == []


MEMORY = """
import sys
import json
from dev_analytics.delivery.sender_process import run
run(**json.loads(sys.argv[1]))
with open("/proc/self/status") as status:
    print(*(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


def peak(data: Path, url: str) -> int:
    """Return the peak memory, in KiB, of a sender that delivers what waits."""
    options = {"data": str(data), "max_days": 30, "recipient": to_posthog(url)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", MEMORY, json.dumps(options)], capture_output=True, check=True
    )
    return int(done.stdout)


def fill(data: Path, record: bytes, number: int, server: str) -> None:
    """Put `number` records into the spool, in files as large as a process makes them."""
    name = Delivery(recipient=to_posthog(server, KEY)).destination
    head, tail = record.split(json.loads(record)["uuid"].encode(), 1)
    for first in range(0, number, 10_000):
        lines = (
            head + b"%08x-0000-4000-8000-%012x" % (first, count) + tail + b"\n"
            for count in range(min(10_000, number))
        )
        spool(data, f"{first:08}-{name}", b"".join(lines))


def test_memory_stays_flat_with_the_backlog(data: Path, spool_events: Any) -> None:
    from fake_posthog import Handler

    class Quick(Handler):
        """Takes all and looks at nothing."""

        def do_POST(self) -> None:  # noqa: N802
            self.rfile.read(int(self.headers["Content-Length"]))
            self.reply(200, b'{"status": 1}')

    server = FakePostHog()
    server.RequestHandlerClass = Quick
    record = spool_events(2)[1]
    found = {}
    for number in (10_000, int(os.environ.get("MAX_RECORDS", "50000"))):
        fill(data, record, number, server.url)
        found[number] = peak(data, server.url)
        assert read_ledger(data).delivered >= number
    server.close()
    small, large = found.values()
    print(f"peak memory in KiB: {found}")
    assert large / small < 1.1


def test_a_file_that_was_delivered_meanwhile_counts_as_empty(data: Path, spool_events: Any) -> None:
    spool_events(3)
    backlog = Backlog(data)
    seen = backlog.files()
    assert list(backlog.counts(seen).values()) == [3]
    run(data, Counting())
    assert list(backlog.counts(seen).values()) == [0]
