"""The spool where a signal handler of the user records an event at any line of ours."""

from __future__ import annotations

import gc
import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from functools import partial
from pathlib import Path
from shutil import copytree
from typing import Any
from unittest.mock import Mock

import pytest
from interruptions import apart, raise_at

from dev_analytics import NOTICE
from dev_analytics.analytics import Analytics
from dev_analytics.callbacks import quiet
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import Delivery, destination_of
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.launcher import Launcher
from dev_analytics.delivery.ledger import read_ledger
from dev_analytics.delivery.spool import Spool
from dev_analytics.destinations import ARCHIVE
from dev_analytics.drops import DropLedger
from dev_analytics.views.status import status_rows

TODAY = date(2026, 11, 22)
POSTHOG = f"posthog https://eu.i.posthog.com phc_{'a' * 43}"


def spool_of(analytics: Analytics) -> Spool:
    spool = analytics.pipeline.sink
    assert type(spool) is Spool
    return spool


def records(data: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return the destination and the content of every record."""
    backlog = Backlog(data)
    return [
        (destination_of(file), json.loads(line))
        for file in backlog.files()
        for line in file.read_bytes().splitlines()
    ]


def event(analytics: Analytics, action: str) -> None:
    analytics.event("kernel_action", action=action, status="success")


def in_handler(meanwhile: Callable[[Analytics], object], analytics: Analytics, at: str) -> None:
    meanwhile(analytics)


def everywhere(
    data: Path,
    delivery: Delivery | None,
    begin: Callable[[Analytics], object],
    meanwhile: Callable[[Analytics], object],
) -> Iterator[tuple[Analytics, list[str]]]:
    """Record an event, with `meanwhile` at the first line of ours, at the second, and so on.

    With each comes the line, if the event has one more, and whether `meanwhile` has raised.
    """
    agreed = data / "agreed"
    ConsentStore(agreed).agree(NOTICE, TODAY)
    line, reached = 0, [""]
    while reached:
        line += 1
        # To agree anew would wait for the disk each time.
        store = ConsentStore(copytree(agreed, data / str(line)))
        # What was changed just now is read again at every event.
        os.utime(store.folder, (0, 0))
        analytics = Analytics(store.data, delivery=delivery)
        event(analytics, "start")
        begin(analytics)
        act = partial(in_handler, meanwhile, analytics)
        # Python ignores what is raised in a finalizer, such as one of an earlier round.
        gc.disable()
        try:
            with raise_at(line, act) as reached:
                next(apart(partial(event, analytics, "interrupt")))
        except (KeyboardInterrupt, TimeoutError):
            reached.append("and raised")
        finally:
            gc.enable()
        event(analytics, "shutdown")
        yield analytics, reached
        spool_of(analytics).purge()
    assert line > 50


def test_a_handler_s_event_is_kept_while_a_file_is_begun(data: Path) -> None:
    def rest(analytics: Analytics) -> None:
        spool_of(analytics).rest()

    for analytics, reached in everywhere(data, None, rest, lambda now: event(now, "restart")):
        found = [record["properties"] for _, record in records(analytics.data)]
        expected = ["start", "interrupt", "shutdown"] + ["restart"] * bool(reached)
        assert Counter(each["action"] for each in found) == Counter(expected), reached
        assert {each["seq"] for each in found} == {*range(1, len(expected) + 1)}, reached


def test_a_later_user_s_file_has_no_record_of_a_former_one(data: Path) -> None:
    def another_user(analytics: Analytics) -> None:
        store = ConsentStore(analytics.data)
        store.reset()
        store.agree(NOTICE, TODAY)
        event(analytics, "restart")

    for analytics, reached in everywhere(data, None, lambda _: None, another_user):
        found = [record for _, record in records(analytics.data)]
        user = analytics.gate.store.read().user_id
        assert {record["distinct_id"] for record in found} == {user}, reached
        assert not reached or len(found) in (2, 3), reached


def test_a_new_recipient_gets_nothing_of_the_recording_before(data: Path) -> None:
    def agree(analytics: Analytics) -> None:
        ConsentStore(analytics.data).agree(NOTICE, TODAY, recipients=[POSTHOG])
        event(analytics, "restart")

    delivery = Delivery(flush_seconds=1e6, recipient=POSTHOG)
    for analytics, reached in everywhere(data, delivery, lambda _: None, agree):
        places: dict[str, set[str]] = {}
        for destination, record in records(analytics.data):
            places.setdefault(record["properties"]["$session_id"], set()).add(destination)
        assert all(len(each) == 1 for each in places.values()), reached
        assert not reached or delivery.destination in set.union(*places.values()), reached


def test_the_preview_shows_every_record_while_a_recording_begins(data: Path) -> None:
    def end(analytics: Analytics) -> None:
        analytics.pipeline._recording = None

    for analytics, reached in everywhere(data, None, end, lambda now: event(now, "restart")):
        shown = [json.loads(each.record)["uuid"] for each in analytics.pipeline.preview]
        assert sorted(shown) == sorted(each["uuid"] for _, each in records(analytics.data)), reached
        assert not analytics.drops.counts, reached


@pytest.mark.parametrize("recipient", [ARCHIVE, POSTHOG])
def test_a_record_that_was_overtaken_is_counted(data: Path, recipient: str) -> None:
    store = ConsentStore(data)
    user = store.agree(NOTICE, TODAY, recipients=[POSTHOG]).user_id
    assert user is not None
    analytics = Analytics(data, delivery=Delivery(flush_seconds=1e6, recipient=POSTHOG))
    analytics.pipeline.sink.accept(b"{}", user, recipient)
    assert len(records(data)) == (recipient == POSTHOG)
    assert analytics.drops.counts["consent withdrawn"] == (recipient == ARCHIVE)
    spool_of(analytics).purge()


def test_a_sender_starts_after_an_interrupt_at_any_line(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr(
        "dev_analytics.delivery.launcher.start_thread", lambda run, given: started.append(run)
    )
    line, reached = 0, [""]
    while reached:
        line += 1
        started.clear()
        launcher = Launcher(data, DropLedger(), Delivery)
        with suppress(KeyboardInterrupt), raise_at(line, KeyboardInterrupt) as reached:
            next(apart(launcher.start))
        launcher.start()
        assert started, reached
    assert line > 5


def nothing(analytics: Analytics) -> None:
    """Leave everything as it is."""


def rest(analytics: Analytics) -> None:
    spool_of(analytics).rest()


def due(analytics: Analytics) -> None:
    spool_of(analytics)._due = 0.0


def logged(analytics: Analytics) -> None:
    analytics.log_to(analytics.data / "log.jsonl")


def read_anew(analytics: Analytics) -> None:
    os.utime(analytics.gate.store.folder)


def policy_anew(analytics: Analytics) -> None:
    analytics.gate._policy_look = 0.0


@pytest.mark.parametrize(
    ("begin", "error"),
    [
        *((begin, KeyboardInterrupt) for begin in (nothing, rest, logged)),
        *((begin, TimeoutError) for begin in (nothing, read_anew, policy_anew, rest, due)),
    ],
)
def test_an_interrupt_reaches_the_user_s_code_and_what_it_loses_is_counted(
    data: Path,
    begin: Callable[[Analytics], object],
    error: type[BaseException],
    request: pytest.FixtureRequest,
) -> None:
    """A time limit of the user's is an OSError, as a full disk is."""

    def interrupt(*given: object) -> None:
        raise error

    # Nothing but what a signal handler raises goes on to the user's code.
    before = signal.signal(signal.SIGUSR1, interrupt)
    request.addfinalizer(lambda: signal.signal(signal.SIGUSR1, before))
    lost = 0
    for number, (analytics, reached) in enumerate(everywhere(data, None, begin, interrupt)):
        assert not reached or reached[1:], reached
        numbers = [record["properties"]["seq"] for _, record in records(analytics.data)]
        counted = analytics.drops.counts.total()
        # At the first line the event has not begun.
        assert len(numbers) + counted == 3 - (number == 0), (reached, numbers, counted)
        assert len(numbers) == len(set(numbers))
        if analytics.log is not None:
            in_log = len(analytics.log.path.read_bytes().splitlines())
            # What was recorded before there was a log is not missing there.
            assert in_log + analytics.pipeline.unlogged >= len(numbers) - 1, reached
        lost += counted
    assert lost > 10


def test_a_time_limit_at_any_line_leaves_the_ledger_whole(
    data: Path, request: pytest.FixtureRequest
) -> None:
    def limit(*given: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGUSR1, limit)
    request.addfinalizer(lambda: signal.signal(signal.SIGUSR1, before))
    line, reached = 0, [""]
    while reached:
        line += 1
        folder = data / str(line)
        ConsentStore(folder).agree(NOTICE, TODAY)
        analytics = Analytics(folder, delivery=None)
        event(analytics, "start")
        for number in (5, 2):
            analytics.drops.count("disk error", number)
            if number == 5:
                analytics.pipeline.store_drops()
        with suppress(TimeoutError), raise_at(line, limit) as reached:
            next(apart(analytics.pipeline.store_drops))
            assert not reached, reached
        analytics.pipeline.store_drops()
        # What ends it once the ledger is written has it counted again; nothing is ever lost.
        assert read_ledger(folder).dropped in ({"disk error": 7}, {"disk error": 9}), reached
    assert line > 50


def test_what_somebody_deleted_is_counted_after_an_interrupt(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ConsentStore(data).agree(NOTICE, TODAY)
    analytics = Analytics(data, delivery=None)
    event(analytics, "start")
    file = spool_of(analytics)._file
    assert file is not None
    file.path.unlink()
    file._look = 0.0
    with monkeypatch.context() as once:
        once.setattr(file, "tail", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            event(analytics, "interrupt")
    event(analytics, "shutdown")
    assert len(records(data)) == 1
    assert analytics.drops.counts == {
        "deleted from the spool by somebody": 1,
        "failure inside": 1,
    }


def test_a_record_that_only_the_log_lacks_is_no_drop(data: Path) -> None:
    ConsentStore(data).agree(NOTICE, TODAY)
    analytics = Analytics(data, delivery=None)
    logged(analytics)
    assert analytics.log is not None
    analytics.log.close()
    event(analytics, "start")
    assert len(records(data)) == 1
    assert not analytics.drops.counts
    shown = status_rows(analytics, analytics.gate.decision(can_answer=False))
    assert shown["event log"].endswith("; records that may be missing in it: 1")


def test_what_waits_behind_an_interrupted_call_is_recorded(data: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    ConsentStore(data).agree(NOTICE, TODAY)
    analytics = Analytics(data, delivery=None)
    analytics.pipeline.later(interrupt)
    for action in ("start", "interrupt"):
        analytics.pipeline.later(partial(event, analytics, action))
    with pytest.raises(KeyboardInterrupt):
        event(analytics, "shutdown")
    event(analytics, "restart")
    actions = [record["properties"]["action"] for _, record in records(data)]
    assert actions == ["start", "interrupt", "restart"]
    assert analytics.drops.counts.total() == 1


def test_an_interrupt_that_a_callback_keeps_to_itself_is_counted_once(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*given: object) -> None:
        raise KeyboardInterrupt

    ConsentStore(data).agree(NOTICE, TODAY)
    analytics = Analytics(data, delivery=None)
    event(analytics, "start")
    monkeypatch.setattr(analytics.pipeline.sink, "accept", interrupt)
    quiet(lambda observer: event(analytics, "interrupt"))(analytics)
    assert analytics.drops.counts.total() == 1


def test_an_error_of_the_user_s_is_asked_for_nothing(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class OddError(Exception):
        @property  # type: ignore[misc]  # a type checker knows no error with such a property
        def __class__(self) -> type:
            asked.append("its class")
            return type(self)

    ConsentStore(data).agree(NOTICE, TODAY)
    analytics = Analytics(data, delivery=None)
    event(analytics, "start")
    monkeypatch.setattr(spool_of(analytics), "accept", Mock(side_effect=OddError))
    event(analytics, "shutdown")
    monkeypatch.undo()
    assert not asked
    assert analytics.drops.counts == {"failure inside": 1}
