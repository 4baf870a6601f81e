"""PostHog as a destination: every answer and every misbehaviour of a server, over real HTTP.

These tests also run with the lowest allowed version of posthog, see test_posthog_versions.py.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_posthog import (
    KEY,
    Answer,
    FakePostHog,
    dropping,
    each,
    endless,
    hang,
    ok,
    ok_as_before,
    redirect,
    refusing,
    says,
    status,
    store_and_drop,
    store_and_hang,
    trickle,
)

from dev_analytics.delivery.ledger import Ledger, read_ledger
from dev_analytics.delivery.sender import Sender
from dev_analytics.destinations.posthog_requests import PostHog, _Adapter
from dev_analytics.destinations.transport import Refused, Unacceptable, Unreachable

DEADLINE = 0.5


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name in ("CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def records(spool_events: Callable[[int], list[bytes]]) -> list[bytes]:
    """Forty records of a user who agreed; they wait in the spool."""
    return spool_events(40)


def run(data: Path, host: str, deadline: float = 20) -> Ledger:
    """Be a sender until it ends, and give the ledger."""
    Sender(data, PostHog(KEY, host, deadline), max_days=30, first_pause=0.003).run()
    return read_ledger(data)


def uuids(records: list[bytes]) -> set[str]:
    return {json.loads(record)["uuid"] for record in records}


def test_the_expected_version_of_posthog_is_tested() -> None:
    import posthog

    expected = os.environ.get("EXPECTED_POSTHOG")
    version = getattr(posthog, "__version__", None) or vars(posthog)["VERSION"]
    assert expected in (None, version)


@pytest.mark.parametrize("answer", [ok, ok_as_before])
def test_what_is_acknowledged_is_delivered_and_removed(
    posthog: FakePostHog, data: Path, records: list[bytes], waiting: Any, answer: Answer
) -> None:
    posthog.answer(then=answer)
    ledger = run(data, posthog.url)
    assert set(posthog.stored) == uuids(records)
    assert waiting() == []
    assert (ledger.delivered, ledger.dropped, ledger.failure) == (40, {}, "")


def test_the_body_holds_the_very_bytes_of_the_spool(
    posthog: FakePostHog, data: Path, records: list[bytes], waiting: Any
) -> None:
    assert waiting() == sorted(records)
    run(data, posthog.url)
    (request,) = posthog.requests
    assert b", ".join(records) in request.body


def test_a_record_that_is_there_twice_goes_out_once(
    posthog: FakePostHog, records: list[bytes]
) -> None:
    PostHog(KEY, posthog.url).deliver([*records, *records])
    assert [len(events) for events in posthog.stored.values()] == [1] * 40


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(
    posthog: FakePostHog, data: Path, records: list[bytes], waiting: Any, code: int
) -> None:
    posthog.answer(then=redirect(code))
    ledger = run(data, posthog.url)
    assert {request.path for request in posthog.requests} == {"/batch/"}
    assert waiting() == sorted(records)
    assert ledger.failure == f"the server answered {code}"


@pytest.mark.parametrize(
    "body",
    [
        *(b"<html>Please log in</html>", b"", b"[]", b"null", b'"Ok"', b"{}", b'{"status": 0}'),
        *(b'{"status": "error"}', b"\xff", b"[" * 100_000),
    ],
    ids=lambda body: body[:20].decode("ascii", "replace") or "nothing",
)
def test_a_200_that_is_not_posthog_s_acknowledges_nothing(
    posthog: FakePostHog, data: Path, records: list[bytes], waiting: Any, body: bytes
) -> None:
    posthog.answer(then=says(body))
    ledger = run(data, posthog.url)
    assert waiting() == sorted(records)
    assert ledger.failure == "something else than PostHog answered"
    assert ledger.delivered == 0


def test_a_project_over_its_quota_keeps_the_records(
    posthog: FakePostHog, data: Path, records: list[bytes], waiting: Any
) -> None:
    posthog.answer(then=says(b'{"status": 1, "quota_limited": ["events"]}'))
    ledger = run(data, posthog.url)
    assert len(posthog.requests) == 1
    assert waiting() == sorted(records)
    assert ledger.failure == "the project's quota of events is used up"


@pytest.mark.parametrize("limited", [b'["recordings"]', b"true", b"null", b"[]"])
def test_a_quota_of_something_else_does_not_matter(
    posthog: FakePostHog, records: list[bytes], limited: bytes
) -> None:
    posthog.answer(says(b'{"status": 1, "quota_limited": ' + limited + b"}"))
    PostHog(KEY, posthog.url).deliver(records)


@pytest.mark.parametrize("code", [401, 402, 403, 404, 405, 415])
def test_a_refusal_stops_and_keeps_the_records(
    posthog: FakePostHog, data: Path, records: list[bytes], waiting: Any, code: int
) -> None:
    posthog.answer(then=status(code))
    ledger = run(data, posthog.url)
    assert len(posthog.requests) == 1
    assert waiting() == sorted(records)
    assert ledger.failure == f"the server answered {code}"
    assert ledger.failed_at


@pytest.mark.parametrize("code", [400, 413])
def test_of_a_batch_that_is_not_taken_only_the_one_bad_record_stays_behind(
    posthog: FakePostHog, data: Path, records: list[bytes], waiting: Any, code: int
) -> None:
    bad = uuids(records[17:18])
    posthog.answer(then=refusing(code, bad))
    ledger = run(data, posthog.url)
    assert set(posthog.stored) == uuids(records) - bad
    assert all(len(events) == 1 for events in posthog.stored.values())
    assert waiting() == []
    assert (ledger.delivered, ledger.dropped) == (39, {"quarantined": 1})
    assert (data / "quarantine").read_bytes() == records[17] + b"\n"
    assert (data / "quarantine").stat().st_mode & 0o777 == 0o600
    assert len(posthog.requests) < 15


@pytest.mark.parametrize("number", [1, 9, 40])
@pytest.mark.parametrize("code", [400, 413])
def test_a_server_that_takes_no_record_at_all_costs_none(
    posthog: FakePostHog, data: Path, spool_events: Any, waiting: Any, code: int, number: int
) -> None:
    """As a proxy may refuse; however many senders try, and few records wait."""
    records = spool_events(number)
    posthog.answer(then=status(code))
    for _ in range(3):
        ledger = run(data, posthog.url)
        assert ledger.dropped == {}
        assert waiting() == sorted(records)
        assert not (data / "quarantine").exists()
    if number > 10:
        assert ledger.failure == f"the server answered {code}, to everything"
    posthog.answer(then=ok)
    assert run(data, posthog.url).delivered == number
    assert waiting() == []


def test_what_was_refused_is_put_aside_once_a_later_file_s_record_is_taken(
    posthog: FakePostHog, data: Path, spool_events: Any, waiting: Any
) -> None:
    """Until then nobody knows who is wrong; the file of the refused ones waits no longer then."""
    bad = spool_events(3)
    posthog.answer(then=refusing(400, uuids(bad)))
    assert run(data, posthog.url).dropped == {}
    assert waiting() == sorted(bad)
    good = spool_events(3)
    ledger = run(data, posthog.url)
    assert set(posthog.stored) == uuids(good)
    assert (ledger.delivered, ledger.dropped) == (3, {"quarantined": 3})
    assert waiting() == []
    assert sorted((data / "quarantine").read_bytes().splitlines()) == sorted(bad)


def test_what_cannot_be_put_aside_stays(
    posthog: FakePostHog, data: Path, records: list[bytes], waiting: Any
) -> None:
    """Here a folder stands where it should go; a full disk is among the tests of faults."""
    (data / "quarantine").mkdir()
    bad = uuids(records[17:18])
    posthog.answer(then=refusing(400, bad))
    ledger = run(data, posthog.url)
    assert set(posthog.stored) == uuids(records) - bad
    assert waiting() == records[17:18]
    assert (ledger.delivered, ledger.dropped) == (39, {})
    (data / "quarantine").rmdir()
    posthog.answer(then=ok)
    assert run(data, posthog.url).delivered == 40


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_repeated_until_it_has_passed(
    posthog: FakePostHog, data: Path, records: list[bytes], waiting: Any, code: int
) -> None:
    posthog.answer(*[status(code)] * 3)
    ledger = run(data, posthog.url)
    assert len(posthog.requests) == 4
    assert len({b", ".join(records) in request.body for request in posthog.requests}) == 1
    assert waiting() == []
    assert (ledger.delivered, ledger.failure) == (40, "")


def test_a_failure_that_does_not_pass_ends_the_sender_after_six_tries(
    posthog: FakePostHog, data: Path, records: list[bytes], waiting: Any
) -> None:
    posthog.answer(then=status(503))
    ledger = run(data, posthog.url)
    assert len(posthog.requests) == 6
    assert waiting() == sorted(records)
    assert ledger.failure == "the server answered 503"
    assert run(data, posthog.url).delivered == 0
    posthog.answer(then=ok)
    assert run(data, posthog.url).delivered == 40


def test_pauses_grow_with_jitter(posthog: FakePostHog, data: Path, records: list[bytes]) -> None:
    posthog.answer(then=status(500))
    random.seed(3)
    Sender(data, PostHog(KEY, posthog.url), max_days=30, first_pause=0.04).run()
    pauses = [after.at - before.at for before, after in pairwise(posthog.requests)]
    chance = random.Random(3)
    wanted = [0.04 * 2**number * chance.uniform(0.5, 1.5) for number in range(5)]
    assert len(pauses) == 5
    assert all(pause >= least for pause, least in zip(pauses, wanted, strict=True))
    assert sum(pauses) < sum(wanted) + 10


@pytest.mark.parametrize("body", [b"[]", b"null", b'"no"', b"7", b"{}", b"<html>", b"\xff"])
def test_what_a_failure_says_beside_its_status_does_not_matter(
    posthog: FakePostHog, data: Path, records: list[bytes], body: bytes
) -> None:
    posthog.answer(says(body, 503))
    assert run(data, posthog.url).delivered == 40


def in_seconds(seconds: int) -> str:
    return str(seconds)


def as_a_date(seconds: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("written", "code"), [(in_seconds, 429), (in_seconds, 503), (as_a_date, 429)]
)
def test_a_short_retry_after_is_waited_for(
    posthog: FakePostHog,
    data: Path,
    records: list[bytes],
    written: Callable[[int], str],
    code: int,
) -> None:
    begin = time.monotonic()
    posthog.answer(status(code, Retry_After=written(2 if written is as_a_date else 1)))
    assert run(data, posthog.url).delivered == 40
    first, second = posthog.requests
    # A date has whole seconds: from 2 there stay more than 1, and some go by before the request.
    assert 0.95 < second.at - (begin if written is as_a_date else first.at) < 10


@pytest.mark.parametrize("written", [in_seconds, as_a_date])
def test_a_long_retry_after_ends_the_sender_and_keeps_the_next_one_quiet(
    posthog: FakePostHog,
    data: Path,
    records: list[bytes],
    waiting: Any,
    written: Callable[[int], str],
) -> None:
    posthog.answer(status(429, Retry_After=written(3600)))
    ledger = run(data, posthog.url)
    assert 3590 < ledger.not_before - time.time() < 3605
    assert run(data, posthog.url).delivered == 0
    assert len(posthog.requests) == 1
    assert waiting() == sorted(records)


@pytest.mark.parametrize("value", ["soon", "-5", "nan", "Thu, 99 Foo 2026 00:00:00 GMT", ""])
def test_a_retry_after_that_says_nothing_is_none(
    posthog: FakePostHog, data: Path, records: list[bytes], value: str
) -> None:
    posthog.answer(status(429, Retry_After=value))
    assert run(data, posthog.url).delivered == 40


def test_a_retry_after_for_ever_is_a_day(
    posthog: FakePostHog, data: Path, records: list[bytes]
) -> None:
    posthog.answer(status(429, Retry_After="inf"))
    begin = time.time()
    a_day_later = run(data, posthog.url).not_before - 86_400
    assert begin <= a_day_later <= time.time() + 1


def test_a_server_that_refuses_the_connection_gets_it_later(
    data: Path, records: list[bytes], waiting: Any
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        ledger = run(data, f"http://127.0.0.1:{unused.getsockname()[1]}")
    assert ledger.failure == "the server could not be reached (ConnectionError)"
    assert waiting() == sorted(records)


def test_a_host_that_does_not_exist_or_is_no_host_keeps_the_records(
    data: Path, records: list[bytes], waiting: Any
) -> None:
    for host in ("http://posthog.invalid", "http://[", "no address", "ftp://127.0.0.1", "http://"):
        assert run(data, host).failure.startswith("the server could not be reached")
        assert waiting() == sorted(records)


def test_a_server_that_never_accepts_is_given_up_at_the_deadline(records: list[bytes]) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        destination = PostHog(KEY, f"http://127.0.0.1:{listening.getsockname()[1]}", DEADLINE)
        with pytest.raises(Unreachable, match="too long"):
            destination.deliver(records)


@pytest.mark.parametrize("answer", [hang, store_and_hang, trickle])
def test_a_server_that_is_slow_for_ever_is_given_up_at_the_deadline(
    posthog: FakePostHog, records: list[bytes], answer: Answer
) -> None:
    posthog.answer(then=answer)
    begin = time.monotonic()
    with pytest.raises(Unreachable, match="too long"):
        PostHog(KEY, posthog.url, DEADLINE).deliver(records)
    assert DEADLINE <= time.monotonic() - begin < DEADLINE + 10


def test_no_more_of_an_answer_is_read_than_an_acknowledgement_can_be(
    posthog: FakePostHog, records: list[bytes]
) -> None:
    """Whatever the server has in store: a page without an end, a small one that unpacks to it."""
    most_in_flight = 32 * 2**20
    destination = PostHog(KEY, posthog.url, 60)
    for answer in (endless(), endless("gzip"), endless(status=503), endless(status=404)):
        posthog.answer(then=answer)
        tracemalloc.start()
        with pytest.raises((Unreachable, Refused)) as raised:
            destination.deliver(records)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert "too long" not in str(raised.value), "it was not read until the deadline"
        assert peak < 2**20
    assert posthog.sent < most_in_flight


@pytest.mark.parametrize("packed", ["gzip", "deflate"])
def test_an_acknowledgement_that_a_proxy_packed_is_one(
    posthog: FakePostHog, records: list[bytes], packed: str
) -> None:
    pack = gzip.compress if packed == "gzip" else zlib.compress

    def answer(handler: Any, request: Any) -> None:
        handler.reply(200, pack(b'{"status": "Ok"}'), Content_Encoding=packed)

    posthog.answer(then=answer)
    assert PostHog(KEY, posthog.url).deliver(records) is None


def test_the_deadline_is_not_lost_in_a_finalizer(
    posthog: FakePostHog, records: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it raises there is printed and forgotten by Python, so it rings again."""
    posthog.answer(then=hang)
    lost: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)

    class Slow:
        def __del__(self) -> None:
            # The deadline is soon over now, however long the request took to come this far.
            again = signal.getitimer(signal.ITIMER_REAL)[1]
            signal.setitimer(signal.ITIMER_REAL, 0.1, again)
            time.sleep(10)

    destination = PostHog(KEY, posthog.url, 240)
    # Any auth is called within the request: here one that lets an object go.
    destination._session.auth = lambda request: (Slow(), request)[1]
    with pytest.raises(Unreachable, match="too long"):
        destination.deliver(records)
    assert lost


@pytest.mark.parametrize("answer", [store_and_drop, store_and_hang, trickle])
def test_what_was_stored_without_an_answer_comes_again_as_it_was(
    posthog: FakePostHog, data: Path, records: list[bytes], waiting: Any, answer: Answer
) -> None:
    posthog.answer(answer)
    assert run(data, posthog.url, 4 * DEADLINE).delivered == 40
    assert waiting() == []
    first, *again = posthog.requests
    assert again
    assert all(one.events == first.events for one in again)
    names = ("uuid", "timestamp", "event", "distinct_id")
    for events in posthog.stored.values():
        assert len({tuple(event[name] for name in names) for event in events}) == 1


def test_no_login_of_the_user_goes_along(
    posthog: FakePostHog, data: Path, records: list[bytes], tmp_path: Path
) -> None:
    """The server counts an Authorization header as a broken rule."""
    netrc = tmp_path / "home" / ".netrc"
    netrc.write_text("default login alice password secret\n")
    netrc.chmod(0o600)
    import requests

    assert requests.utils.get_netrc_auth(posthog.url) == ("alice", "secret")
    assert run(data, posthog.url).delivered == 40
    assert "Authorization" not in posthog.requests[0].headers


def test_no_cookie_is_kept(posthog: FakePostHog, records: list[bytes]) -> None:
    posthog.answer(then=ok_as_before)
    destination = PostHog(KEY, posthog.url)
    destination.deliver(records)
    destination.deliver(records)
    assert [request.headers.get("Cookie") for request in posthog.requests] == [None, None]


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "all_proxy"])
def test_plain_http_to_this_machine_is_read_by_no_proxy(
    posthog: FakePostHog,
    data: Path,
    records: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    proxy = FakePostHog()
    monkeypatch.setenv(name, proxy.url)
    assert run(data, posthog.url).delivered == 40
    assert (proxy.requests, proxy.tunnels) == ([], [])
    proxy.close()


@pytest.mark.parametrize(
    "host", ["https://app.posthog.com", "https://eu.i.posthog.com/", "https://analytics.example"]
)
def test_requests_go_to_the_address_that_was_agreed_to_also_through_a_proxy(
    posthog: FakePostHog, records: list[bytes], monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """The SDK knows other addresses for some; a question has not named those."""
    monkeypatch.setenv("HTTPS_PROXY", posthog.url)
    with pytest.raises(Unreachable):
        PostHog(KEY, host).deliver(records)
    assert set(posthog.tunnels) == {f"{host.removeprefix('https://').rstrip('/')}:443"}


OK, WARNING = {"result": "ok"}, {"result": "warning", "details": "person_processing_disabled"}
RETRY = {"result": "retry", "details": "not_persisted"}


def test_consent_is_asked_for_once_at_each_request_however_often_a_proxy_is_used() -> None:
    adapter = _Adapter(lambda: None)
    pools = adapter.proxy_manager_for("http://127.0.0.1:9").pool_classes_by_scheme
    assert adapter.proxy_manager_for("http://127.0.0.1:9").pool_classes_by_scheme is pools


def test_the_newer_endpoint_gets_the_very_bytes_of_the_spool_too(
    posthog: FakePostHog, data: Path, records: list[bytes], waiting: Any
) -> None:
    posthog.have_newer(each())
    ledger = run(data, posthog.url)
    (request,) = posthog.requests
    assert request.is_newer
    assert b", ".join(records) in request.body
    assert set(posthog.stored) == uuids(records)
    assert (ledger.delivered, ledger.dropped, waiting()) == (40, {}, [])


def test_each_record_has_the_fate_that_the_server_gives_it(
    posthog: FakePostHog, data: Path, records: list[bytes], waiting: Any
) -> None:
    """Ok and warning are delivered; a drop is counted with its reason; the rest comes again."""
    fates = [
        *(OK, WARNING, RETRY, None, {"result": "queued"}, {}, {"result": "drop"}),
        {"result": "drop", "details": "llm_events_over_quota"},
        {"result": "drop", "details": "event_restriction_drop"},
        {"result": "drop", "details": "invalid_event_timestamp"},
    ]
    posthog.have_newer(each(*fates))
    ledger = run(data, posthog.url)
    dropped = uuids(records[6:10])
    _, second = posthog.requests
    assert [event["uuid"] for event in second.events] == [
        json.loads(record)["uuid"] for record in records[2:6]
    ]
    assert set(posthog.stored) == uuids(records) - dropped
    assert all(len(events) == 1 for events in posthog.stored.values())
    assert ledger.delivered == 36
    assert ledger.dropped == {
        "refused by PostHog: over the project's quota": 1,
        "refused by PostHog: the project's rules": 1,
        "refused by PostHog: not valid": 1,
        "refused by PostHog: no reason that is known here": 1,
    }
    assert waiting() == []


@pytest.mark.parametrize("fate", [None, RETRY, {"result": "queued"}])
def test_what_the_server_never_answers_for_stays(
    posthog: FakePostHog,
    data: Path,
    records: list[bytes],
    waiting: Any,
    monkeypatch: pytest.MonkeyPatch,
    fate: Any,
) -> None:
    silent = uuids(records[5:7])

    def answer(handler: Any, request: Any) -> None:
        each(*(fate if one["uuid"] in silent else OK for one in request.events))(handler, request)

    monkeypatch.setattr("dev_analytics.delivery.attempts.MAX_TRIES", 2)
    posthog.have_newer(answer)
    ledger = run(data, posthog.url)
    assert (ledger.delivered, ledger.dropped) == (38, {})
    assert waiting() == sorted(records[5:7])
    assert ledger.failure == "the server did not say what became of some records"


def test_a_server_without_the_newer_endpoint_is_asked_for_it_once(
    posthog: FakePostHog, data: Path, spool_events: Any
) -> None:
    spool_events(1200)
    assert run(data, posthog.url).delivered == 1200
    assert [len(request.events) for request in posthog.refused] == [500]
    assert [request.path for request in posthog.requests] == ["/batch/"] * 3


@pytest.mark.parametrize(
    "answer",
    [
        *(status(code) for code in (301, 400, 401, 403, 404, 405, 415, 500, 502, 503)),
        *(says(b"<html>Please log in</html>"), says(b'{"status": "Ok"}'), says(b"")),
    ],
)
def test_where_the_newer_endpoint_is_not_there_the_older_one_gets_the_records(
    posthog: FakePostHog, data: Path, records: list[bytes], answer: Answer
) -> None:
    """It may be a proxy that refuses the path or takes out a header, or a server not set up."""
    posthog.have_newer(answer)
    ledger = run(data, posthog.url)
    assert [request.is_newer for request in posthog.requests] == [True, False]
    assert (ledger.delivered, ledger.failure) == (40, "")


def test_a_newer_endpoint_that_was_out_of_order_is_asked_again(
    posthog: FakePostHog, data: Path, spool_events: Any
) -> None:
    spool_events(1200)
    answers = [status(503), each(), each()]
    posthog.have_newer(lambda handler, request: answers.pop(0)(handler, request))
    assert run(data, posthog.url).delivered == 1200
    assert [request.is_newer for request in posthog.requests] == [True, False, True, True]


def test_a_project_over_its_quota_keeps_what_the_newer_endpoint_refuses_as_a_whole(
    posthog: FakePostHog, data: Path, records: list[bytes], waiting: Any
) -> None:
    posthog.have_newer(status(402))
    ledger = run(data, posthog.url)
    assert len(posthog.requests) == 1
    assert waiting() == sorted(records)
    assert ledger.failure == "the project's quota of events is used up"


def test_a_record_that_is_there_twice_has_one_fate(
    posthog: FakePostHog, records: list[bytes]
) -> None:
    dropped = uuids(records[:1])
    posthog.have_newer(dropping("over_quota", dropped))
    receipt = PostHog(KEY, posthog.url).deliver([records[0], records[1], records[0]])
    assert receipt is not None
    assert set(receipt.dropped) == {0, 2}
    assert receipt.unanswered == frozenset()


class RevokedError(Exception):
    """Consent ended."""


def revoke() -> None:
    raise RevokedError


@pytest.mark.parametrize("when", ["connecting", "asking a proxy", "kept alive"])
def test_consent_is_asked_for_once_more_when_the_connection_stands(
    records: list[bytes], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Nothing of a record goes out, not even the head of a request, after an answer that is no."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        host = f"http://{address}"
        if when == "asking a proxy":
            monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
            host = "https://ingest.example"
        got: list[bytes] = []

        def serve() -> None:
            """Read all that comes; answer one request where a connection is to be kept."""
            connection, _ = server.accept()
            with connection:
                while piece := connection.recv(65536):
                    got.append(piece)
                    if when == "kept alive":
                        got.clear()
                        connection.sendall(answer)

        uuid = json.loads(records[0])["uuid"]
        body = json.dumps({"results": {uuid: {"result": "ok"}}}).encode()
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        serving = threading.Thread(target=serve)
        serving.start()
        destination = PostHog(KEY, host, 10)
        if when == "kept alive":
            assert destination.deliver(records[:1]) is None
        destination.confirm = revoke
        with pytest.raises(RevokedError):
            destination.deliver(records)
        destination._session.close()
    serving.join()
    assert not [piece for piece in got if b"HTTP/1.1" in piece or b"\x1f\x8b" in piece]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A private authority, and a certificate of it for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("authority")
    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout"
    address = "-addext subjectAltName=IP:127.0.0.1"
    # From Python 3.13 on an authority must say what it is for, and whoever it vouches for, by whom.
    signs = "-addext keyUsage=critical,keyCertSign"
    by_whom = "-extfile by-whom"
    (folder / "by-whom").write_text("authorityKeyIdentifier=keyid\n")
    for command in (
        f"req -x509 {key} ca.key -out ca.pem -subj /CN=authority -days 2 {signs}",
        f"req {key} own.key -out own.csr -subj /CN=posthog {address}",
        "x509 -req -in own.csr -CA ca.pem -CAkey ca.key -days 2 -out own.pem"
        f" -copy_extensions copy {by_whom}",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    return SimpleNamespace(ca=folder / "ca.pem", own=folder / "own.pem", key=folder / "own.key")


@pytest.fixture
def https(authority: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePostHog]:
    """A PostHog that speaks HTTPS with a certificate of a private authority.

    Trusted are the usual authorities, and not the one that other tests make do with.
    """
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.own, authority.key)
    server = FakePostHog(context)
    yield server
    server.close()
    assert not server.broken


def test_consent_is_asked_for_once_more_after_the_handshake(
    https: FakePostHog,
    authority: SimpleNamespace,
    records: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    destination = PostHog(KEY, https.url)
    destination.confirm = revoke
    with pytest.raises(RevokedError):
        destination.deliver(records)
    destination.confirm = lambda: None
    destination.deliver(records)
    assert len(https.requests) == 1


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_private_authority_is_trusted_if_the_environment_names_it(
    https: FakePostHog,
    authority: SimpleNamespace,
    records: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    monkeypatch.setenv(variable, str(authority.ca))
    PostHog(KEY, https.url).deliver(records)
    assert set(https.stored) == uuids(records)


def test_an_authority_that_nobody_named_is_not_trusted(
    https: FakePostHog, data: Path, records: list[bytes], waiting: Any
) -> None:
    assert run(data, https.url).failure == "the server could not be reached (SSLError)"
    assert waiting() == sorted(records)


def test_certificates_that_do_not_exist_keep_the_records(
    https: FakePostHog,
    data: Path,
    records: list[bytes],
    waiting: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    assert run(data, https.url).failure.startswith("the server could not be reached")
    assert waiting() == sorted(records)


@pytest.mark.parametrize(
    ("code", "kind"),
    [(400, Unacceptable), (413, Unacceptable), (401, Refused), (429, Unreachable)],
)
def test_a_failure_names_nothing_of_the_event(
    posthog: FakePostHog, records: list[bytes], code: int, kind: type[Exception]
) -> None:
    body = json.dumps({"detail": records[0].decode()}).encode()
    posthog.answer(says(body, code))
    with pytest.raises(kind) as raised:
        PostHog(KEY, posthog.url).deliver(records)
    assert str(raised.value) == f"the server answered {code}"
