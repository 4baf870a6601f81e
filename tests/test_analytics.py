"""`Analytics`: what passes the gate, where it goes, and that it is the same bytes everywhere."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections import Counter
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

import dev_analytics
from dev_analytics import NOTICE, Analytics, get_analytics
from dev_analytics.catalogue import events
from dev_analytics.catalogue.events import EVENTS, CellExecuted, UndeclaredError, properties, spans
from dev_analytics.catalogue.fields import Event, fields
from dev_analytics.catalogue.values import Flag, RefusedValueError
from dev_analytics.consent.decision import Switch
from dev_analytics.pipeline import MAX_PREVIEWED
from dev_analytics.process.native import Clock

TODAY = date(2026, 11, 22)
OFF = Switch(False, "a test")


def cell(analytics: Analytics) -> None:
    analytics.event("cell_executed", outcome="ok", duration_ms=1)


def agree(analytics: Analytics) -> str:
    user_id = analytics.gate.store.agree(NOTICE, TODAY).user_id
    assert user_id is not None
    return user_id


def test_nothing_is_on_disk_before_a_yes(data: Path, kept: Any) -> None:
    analytics = Analytics(data, sink=kept, strict=True)
    cell(analytics)
    assert kept.records == []
    assert not data.exists()
    assert [json.loads(each.record)["distinct_id"] for each in analytics.pipeline.preview] == [None]


def test_after_a_yes_log_preview_and_sink_have_the_same_bytes(
    analytics: Analytics, kept: Any, log: Any
) -> None:
    user_id = agree(analytics)
    cell(analytics)
    (record,) = kept.records
    assert [each.record for each in analytics.pipeline.preview] == [record]
    assert log.path.read_bytes() == record + b"\n"
    assert json.loads(record)["distinct_id"] == user_id


def test_the_log_is_written_without_consent_and_names_nobody(
    analytics: Analytics, kept: Any, log: Any
) -> None:
    cell(analytics)
    agree(analytics)
    analytics.gate.store.opt_out()
    cell(analytics)
    assert [record["distinct_id"] for record in log.records] == [None, None]
    assert kept.records == []


def test_an_opt_out_clears_the_memory_at_the_next_event(analytics: Analytics) -> None:
    cell(analytics)
    assert len(analytics.pipeline.preview) == 1
    analytics.gate.store.opt_out()
    cell(analytics)
    assert len(analytics.pipeline.preview) == 0


@pytest.mark.parametrize("why", ["switch", "do not track", "opt-out", "damage"])
def test_a_no_keeps_nothing_even_in_memory(
    data: Path, kept: Any, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    analytics = Analytics(data, sink=kept, strict=True)
    agree(analytics)
    if why == "switch":
        analytics.gate.switch = OFF
    elif why == "do not track":
        monkeypatch.setenv("DO_NOT_TRACK", "1")
    elif why == "opt-out":
        analytics.gate.store.opt_out()
    else:
        analytics.gate.store.file.write_text("{")
    cell(analytics)
    assert (kept.records, list(analytics.pipeline.preview)) == ([], [])
    assert not analytics.recording.recorded


SPANNING: dict[str, dict[str, object]] = {
    "cell_executed": {"outcome": "ok", "duration_ms": 10**9},
    "message_send": {"latency_s": 10**6, "time_to_first_chunk_s": 10.0**6},
    "embedding": {"latency_s": 10.0**6},
    "exited": {"reason": "unloaded", "cells": 1000, "duration": 10**6},
}


@pytest.mark.parametrize("knows_when", [True, False])
@pytest.mark.parametrize("name", SPANNING)
def test_no_time_span_and_no_number_of_cells_is_larger_than_its_recording(
    analytics: Analytics, kept: Any, name: str, knows_when: bool
) -> None:
    """Also where a caller says that it saw it begin."""
    assert SPANNING.keys() == {each for each in EVENTS if spans(EVENTS[each])}
    agree(analytics)
    began = Clock.monotonic()
    analytics.event(name, analytics.gate.now() if knows_when else None, **SPANNING[name])
    said = json.loads(kept.records[-1])["properties"]
    longest = 1.1 * (Clock.monotonic() - began) + 0.01
    for each, units in spans(EVENTS[name]).items():
        (wire,) = (field.wire for field in fields(EVENTS[name]) if field.name == each)
        if each in SPANNING[name]:
            assert said[wire] <= longest * units
    assert said.get("cells", 0) == 0, "it has none"


class Hostile(str):
    """A name that says when it is looked up."""

    touched: ClassVar[list[str]] = []

    def __eq__(self, other: object) -> bool:
        self.touched.append(str.__str__(self))
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        self.touched.append(str.__str__(self))
        return str.__hash__(self)


def called_with(event: str, /, **given: object) -> None:
    """Do what Python does for any call."""


@pytest.mark.parametrize(
    ("event", "name"),
    [(event, name) for event, cls in EVENTS.items() for name in properties(cls)],
)
def test_a_name_of_the_user_s_own_class_runs_none_of_its_code(
    analytics: Analytics, event: str, name: str
) -> None:
    analytics.strict = False
    agree(analytics)
    given = {Hostile(name): 1}
    Hostile.touched.clear()
    called_with(event, **given)
    expected = [*Hostile.touched]
    Hostile.touched.clear()
    analytics.event(event, **given)
    assert Hostile.touched == expected
    assert analytics.drops.counts == {"invalid": 1}


def test_records_are_numbered_in_their_session(analytics: Analytics, log: Any) -> None:
    for _ in range(3):
        cell(analytics)
    assert [record["properties"]["seq"] for record in log.records] == [1, 2, 3]
    assert len({record["properties"]["$session_id"] for record in log.records}) == 1


def test_the_memory_keeps_the_newest(analytics: Analytics) -> None:
    analytics.stop_log()
    for _ in range(MAX_PREVIEWED + 5):
        cell(analytics)
    assert len(analytics.pipeline.preview) == MAX_PREVIEWED
    assert (
        json.loads(analytics.pipeline.preview[-1].record)["properties"]["seq"] == MAX_PREVIEWED + 5
    )


@pytest.mark.parametrize(
    ("name", "properties", "refusal"),
    [
        ("cell executed", {}, UndeclaredError),
        ("cell_run", {}, UndeclaredError),
        ("cell_executed", {"outcome": "ok"}, UndeclaredError),
        ("cell_executed", {"outcome": "ok", "duration_ms": 1, "code": "x"}, UndeclaredError),
        ("cell_executed", {"outcome": "ok", "duration_ms": "1"}, RefusedValueError),
        ("cell_executed", {"outcome": "ok", "duration_ms": -1}, RefusedValueError),
        ("exited", {"reason": "unloaded", "cells": True, "duration": 1}, RefusedValueError),
    ],
)
def test_what_the_catalogue_does_not_have_raises_for_developers_and_is_counted_for_users(
    analytics: Analytics, log: Any, name: str, properties: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        analytics.event(name, **properties)
    analytics.strict = False
    analytics.event(name, **properties)
    assert analytics.drops.counts == {"invalid": 2}
    assert log.records == []


def test_strict_holds_while_analytics_are_off(analytics: Analytics) -> None:
    analytics.gate.switch = OFF
    analytics.stop_log()
    with pytest.raises(UndeclaredError):
        analytics.event("cell_executed", secret=1)


def test_a_failure_inside_is_counted_and_not_raised(
    analytics: Analytics, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of order")

    agree(analytics)
    monkeypatch.setattr(analytics.pipeline.sink, "accept", fail)
    with pytest.raises(RuntimeError):
        cell(analytics)
    analytics.strict = False
    cell(analytics)
    assert analytics.drops.counts == {"failure inside": 2}


def test_a_newer_event_is_withheld_until_it_is_agreed_to(
    analytics: Analytics, kept: Any, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    agree(analytics)
    monkeypatch.setattr(type(Event), "__setattr__", type.__setattr__)
    monkeypatch.setattr(type(Event), "__delattr__", type.__delattr__)
    monkeypatch.setattr(CellExecuted, "since", NOTICE + 1)
    cell(analytics)
    assert kept.records == []
    assert analytics.drops.counts == {"withheld by notice": 1}
    assert [record["distinct_id"] for record in log.records] == [None], "the log still shows it"
    analytics.gate.store.agree(NOTICE + 1, TODAY)
    cell(analytics)
    assert len(kept.records) == 1


def test_a_newer_property_is_withheld_alone(
    analytics: Analytics, kept: Any, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = events.EVENTS["message_send"]
    newer = {**events.properties(request), "stream": Flag("Newer.", since=NOTICE + 1)}
    monkeypatch.setattr(events, "properties", lambda event: newer)
    # Nothing that was kept of the real declaration.
    monkeypatch.setattr("dev_analytics.pipeline.acceptor", events.acceptor.__wrapped__)
    agree(analytics)
    analytics.event("message_send", input_tokens=3, stream=True)
    analytics.gate.store.agree(NOTICE + 1, TODAY)
    analytics.event("message_send", input_tokens=3, stream=True)
    old, new = (json.loads(record)["properties"] for record in kept.records)
    assert "stream" not in old
    assert new["stream"] is True
    assert old["$ai_input_tokens"] == new["$ai_input_tokens"] == 3
    assert log.path.read_bytes().splitlines() == kept.records


def test_a_request_has_the_edit_format_of_its_block(analytics: Analytics, log: Any) -> None:
    analytics.event("message_send", model="gpt-4o")
    with analytics.edit_format("diff"):
        analytics.event("message_send", model="gpt-4o")
        with analytics.edit_format("my secret format"):
            analytics.event("message_send", model="gpt-4o")
        analytics.event("message_send", model="gpt-4o", edit_format="whole")
        analytics.event("message_send", model="gpt-4o")
    analytics.event("message_send", model="gpt-4o")
    formats = [properties.get("edit_format") for properties in log.of("$ai_generation")]
    assert formats == [None, "diff", "other", "whole", "diff", None]


def test_an_edit_format_holds_in_async_code_and_for_nobody_else(
    analytics: Analytics, log: Any
) -> None:
    async def ask(edit_format: str) -> None:
        with analytics.edit_format(edit_format):
            await asyncio.sleep(0)
            analytics.event("message_send", model="gpt-4o")

    async def both() -> None:
        await asyncio.gather(ask("diff"), ask("whole"))

    asyncio.run(both())
    assert sorted(each["edit_format"] for each in log.of("$ai_generation")) == ["diff", "whole"]


def test_a_log_that_cannot_be_written_leaves_the_old_one(
    analytics: Analytics, log: Any, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="Is a directory"):
        analytics.log_to(tmp_path)
    cell(analytics)
    assert len(log.records) == 1


def test_a_log_is_changed_and_ended(analytics: Analytics, log: Any, tmp_path: Path) -> None:
    cell(analytics)
    analytics.log_to(tmp_path / "second")
    cell(analytics)
    analytics.stop_log()
    analytics.stop_log()
    cell(analytics)
    assert len(log.records) == 1
    assert len((tmp_path / "second").read_bytes().splitlines()) == 1


def test_a_log_stays_where_it_was_when_the_user_goes_elsewhere(
    analytics: Analytics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    analytics.log_to(Path("here"))
    monkeypatch.chdir("/")
    cell(analytics)
    assert analytics.log is not None
    assert analytics.log.path == tmp_path / "here"


def test_a_forked_child_is_a_session_of_its_own(analytics: Analytics, log: Any) -> None:
    cell(analytics)
    child = os.fork()
    if child == 0:
        cell(analytics)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    cell(analytics)
    first, second, third = (record["properties"] for record in log.records)
    assert first["$session_id"] == third["$session_id"] != second["$session_id"]
    assert [first["seq"], second["seq"], third["seq"]] == [1, 1, 2]


def test_a_fork_while_a_thread_logs_leaves_no_child_waiting(analytics: Analytics, log: Any) -> None:
    end = threading.Event()

    def work() -> None:
        while not end.is_set():
            cell(analytics)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(30):
            child = os.fork()
            if child == 0:
                cell(analytics)
                os._exit(0)
            patience = threading.Timer(20, os.kill, (child, signal.SIGKILL))
            patience.start()
            assert os.waitpid(child, 0)[1] == 0
            patience.cancel()
    finally:
        end.set()
        thread.join()
    sessions = Counter(record["properties"]["$session_id"] for record in log.records)
    assert len(sessions) == 31
    assert list(sessions.values()).count(1) >= 30


def open_with(analytics: Analytics, package: str) -> None:
    analytics.open_with(
        lambda: analytics.event(
            "error_raised", exception="OSError", exact=True, package=package, phase="cell"
        )
    )


def test_an_opener_comes_once_and_before_any_event_of_the_recording(
    analytics: Analytics, log: Any
) -> None:
    open_with(analytics, "numpy")
    open_with(analytics, "pandas")
    assert log.events == []
    cell(analytics)
    cell(analytics)
    assert [one["package"] for one in log.of("error raised")] == ["numpy", "pandas"]
    assert log.events == ["error raised"] * 2 + ["cell executed"] * 2
    open_with(analytics, "scipy")
    assert len(log.events) == 5, "what has begun does not wait"


def test_every_recording_has_its_openers_a_forked_child_too(analytics: Analytics, log: Any) -> None:
    open_with(analytics, "numpy")
    child = os.fork()
    if child == 0:
        cell(analytics)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    cell(analytics)
    agree(analytics)
    cell(analytics)
    assert log.events == ["error raised", "cell executed"] * 3
    seqs = [record["properties"]["seq"] for record in log.records]
    assert seqs == [1, 2] * 3
    assert len({record["properties"]["$session_id"] for record in log.records}) == 3


def test_recording_that_cannot_begin_is_counted_and_not_raised(
    analytics: Analytics, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    analytics.strict = False
    with monkeypatch.context() as missing:
        missing.setitem(sys.modules, "dev_analytics.pipeline", None)
        cell(analytics)
    assert analytics.drops.counts == {"failure inside": 1}
    cell(analytics)
    assert log.events == ["cell executed"]


def test_threads_that_come_first_together_make_one_session(
    data: Path, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(partial(sys.setswitchinterval, sys.getswitchinterval()))
    sys.setswitchinterval(1e-6)
    for _ in range(50):
        begin, analytics = threading.Barrier(8), Analytics(data, delivery=None, strict=True)
        recordings: list[object] = []

        def work(begin: threading.Barrier = begin, analytics: Analytics = analytics) -> None:
            begin.wait()
            recordings.append(analytics.recording)  # noqa: B023, joined below

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(recordings) == 8
        assert len(set(map(id, recordings))) == 1


def test_there_is_one_analytics_for_the_process() -> None:
    assert get_analytics() is get_analytics()
    assert dev_analytics.get_analytics is get_analytics
    assert isinstance(get_analytics(), Analytics)


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'secret'"):
        _ = dev_analytics.secret


def test_every_place_that_collects_is_found_by_one_search() -> None:
    """No event goes in but by ``.event(``: nothing else calls what is behind it."""
    package = Path(dev_analytics.__file__).parent
    behind = {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if any(
            call in file.read_text("utf-8")
            for call in ("pipeline.event(", "recording.record(", ".fill(")
        )
    }
    assert behind == {"analytics.py", "pipeline.py", "recording.py", "catalogue/examples.py"}


@pytest.mark.parametrize("where", ["sink", "log"])
def test_what_a_signal_handler_raises_while_a_record_is_written_reaches_its_caller(
    analytics: Analytics, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """A time limit of the user's is an OSError, as a full disk is."""

    class Interrupted:
        def accept(self, *given: object) -> None:
            signal.raise_signal(signal.SIGUSR1)

        def has(self, record: bytes) -> bool:
            return False

        append = accept

    def limit(*given: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGUSR1, limit)
    agree(analytics)
    analytics.strict = False
    part = analytics.pipeline if where == "sink" else analytics
    monkeypatch.setattr(part, where, Interrupted())
    try:
        with pytest.raises(TimeoutError):
            cell(analytics)
    finally:
        signal.signal(signal.SIGUSR1, before)
        monkeypatch.undo()
    assert "disk error" not in analytics.drops.counts


def test_a_log_that_a_forked_child_cannot_open_is_counted(
    analytics: Analytics, tmp_path: Path
) -> None:
    log = analytics.log
    assert log is not None
    log.path.unlink()
    log.path.mkdir()
    analytics.after_fork()
    assert analytics.log is None
    assert analytics.drops.counts == {"disk error": 1}


def test_a_record_that_fails_at_the_end_of_a_worker_is_counted(analytics: Analytics) -> None:
    def fail() -> None:
        raise ValueError

    analytics.pipeline.later(fail)
    analytics.pipeline._finish()
    assert analytics.drops.counts == {"failure inside": 1}
