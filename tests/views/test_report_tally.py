"""What a report counts, of a log and of an archive, and what it does not hide."""

from __future__ import annotations

import os
import sqlite3
import threading
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json, structs

from dev_analytics.analytics import Analytics
from dev_analytics.catalogue.events import EVENTS
from dev_analytics.catalogue.examples import example
from dev_analytics.consent.store import ConsentStore
from dev_analytics.destinations.archive_file import NAME, Archive
from dev_analytics.views.report import source as reading
from dev_analytics.views.report import tally as counting
from dev_analytics.views.report.overview import fields
from dev_analytics.views.report.source import MAX_LINE, ReportError, Source, source_of
from dev_analytics.views.report.tables import tables
from dev_analytics.views.report.tally import FURTHER, Tally, tally

Count = Callable[..., Tally]
Record = Callable[..., bytes]


@pytest.fixture
def events(analytics: Analytics, data: Path, aged: Callable[[Analytics], None]) -> Analytics:
    """A session with some of everything."""
    ConsentStore(data).agree(1, date.today())
    aged(analytics)
    for milliseconds in (1, 2, 40):
        analytics.event("cell_executed", outcome="ok", duration_ms=milliseconds)
    analytics.event("feature_used", kind="line magic", name="time")
    analytics.event("command_run", command="status")
    analytics.event(
        "error_raised", exception="KeyError", exact=True, package="pandas", phase="cell"
    )
    for tokens in (10, 20):
        analytics.event(
            "message_send",
            provider="openai",
            model="gpt-4o",
            input_tokens=tokens,
            output_tokens=3,
            cache_read_input_tokens=4,
            reasoning_output_tokens=1,
            is_error=tokens == 20,
            edit_format="diff",
        )
    analytics.event("kernel_action", action="start", status="success")
    analytics.event("file_action", action="save", kind="notebook")
    return analytics


EXPECTED: dict[str, Any] = {
    "records": 10,
    "broken_lines": 0,
    "older_records": 0,
    "sessions": 1,
    "sessions_with_gaps": 0,
    "missing_records": 0,
    "users": 1,
    "records_without_user": 0,
    "events": [
        {"name": "cell executed", "count": 3},
        {"name": "$ai_generation", "count": 2},
        {"name": "command run", "count": 1},
        {"name": "error raised", "count": 1},
        {"name": "feature used", "count": 1},
        {"name": "file action", "count": 1},
        {"name": "kernel action", "count": 1},
    ],
    "features": [{"kind": "line magic", "name": "time", "count": 1}],
    "commands": [{"command": "status", "count": 1}],
    "errors": [{"exception": "KeyError", "package": "pandas", "count": 1}],
    "models": [
        {
            "provider": "openai",
            "model": "gpt-4o",
            "requests": 2,
            "failed": 1,
            "input_tokens": 30,
            "output_tokens": 6,
            "cached_tokens": 8,
            "reasoning_tokens": 2,
        }
    ],
    "edit_formats": [{"edit_format": "diff", "count": 2}],
    "outcomes": [{"outcome": "ok", "cells": 3, "p50_ms": 2, "p90_ms": 40}],
    "durations": [
        {"duration": "under 10 ms", "cells": 2, "not_ok": 0},
        {"duration": "10 ms to 30 ms", "cells": 0, "not_ok": 0},
        {"duration": "30 ms to 100 ms", "cells": 1, "not_ok": 0},
    ],
    "kernel_actions": [{"action": "start", "status": "success", "count": 1}],
    "file_actions": [{"action": "save", "kind": "notebook", "count": 1}],
}


def report(source: Source) -> dict[str, Any]:
    found = tally(source)
    made = fields(found, tables(found, {}))
    return {name: made[name] for name in EXPECTED}


def test_a_log_and_an_archive_give_the_same_report(
    events: Analytics, log: Any, data: Path, kept: Any
) -> None:
    assert report(Source(log.path, data)) == EXPECTED
    Archive(data).deliver(kept.records)
    assert report(Source(None, data)) == EXPECTED
    assert report(Source(data / NAME, data)) == EXPECTED


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_of_the_catalogue_is_read_as_what_it_is(name: str, counted: Count) -> None:
    found = counted(example(EVENTS[name]))
    assert (found.records, found.broken, len(found.sessions)) == (1, 0, 1)
    assert found.events == {(EVENTS[name].wire,): 1}


def test_what_a_newer_version_or_another_tool_says_is_counted_by_its_name(
    counted: Count, record: Record
) -> None:
    found = counted(
        record("dreamt", vivid=True, seq=1),
        record("cell executed", outcome="ok", duration_ms=1, seq=2, mood="good"),
        record("clicked", user=7, session=["odd"], seq="odd"),
        b'{"event": "bare", "timestamp": "2026-11-22T10:00:00Z"}\n',
    )
    assert (found.records, found.broken, len(found.sessions)) == (4, 0, 1)
    assert {name for (name,) in found.events} == {"dreamt", "cell executed", "clicked", "bare"}
    assert len(found.users) == 1


def test_a_missing_word_is_shown_as_not_given(counted: Count, record: Record) -> None:
    found = counted(record("$ai_generation"), record("cell executed", outcome="ok"))
    assert list(found.models) == [("not given", "not given")]
    assert found.outcomes == {("ok",): 1}
    assert found.durations == {}


BROKEN = {
    "torn": b'{"event": "cell executed", "timest',
    "not JSON": b"event: cell executed",
    "no record": b"[]",
    "a number": b"7",
    "not UTF-8": b'{"event": "\xff", "timestamp": "2026-11-22T10:00:00Z", "properties": {}}',
    "deep": b"[" * 100_000,
    "huge": b'{"event": "' + b"x" * (2 * MAX_LINE) + b'"}',
    "no time": b'{"event": "launched", "properties": {}}',
    "a time without its zone": b'{"event": "x", "timestamp": "2026-11-22T10:00:00"}',
    "a time before all computers": b'{"event": "x", "timestamp": "0001-01-01T00:00:00+14:00"}',
    "a word for a number": (
        b'{"event": "cell executed", "timestamp": "2026-11-22T10:00:00Z", '
        b'"properties": {"duration_ms": "long"}}'
    ),
    "a number below none": (
        b'{"event": "$ai_generation", "timestamp": "2026-11-22T10:00:00Z", '
        b'"properties": {"$ai_input_tokens": -5}}'
    ),
    "a name as long as a book": (
        b'{"event": "' + b"x" * 1000 + b'", "timestamp": "2026-11-22T10:00:00Z"}'
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_line_is_counted_and_hides_no_other(
    kind: str, counted: Count, record: Record
) -> None:
    found = counted(record("launched"), BROKEN[kind] + b"\n", b" \r\n", record("exited"))
    assert (found.records, found.broken) == (2, 1)


@given(
    st.lists(
        st.binary(max_size=40) | st.sampled_from([*map(example, EVENTS.values())]), max_size=12
    )
)
def test_any_bytes_can_be_read_and_each_line_counts_once(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.jsonl"
    file.write_bytes(b"not compressed\n" + b"\n".join(lines))
    found = tally(Source(file, file.parent))
    there = [line for line in file.read_bytes().split(b"\n") if line.strip()]
    assert found.records + found.broken == len(there)
    fields(found, tables(found, {}))


WORDS = st.sampled_from(["ok", "error", "a", "b", "="])
SAID = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("outcome", "kind", "name", "exception", "package", "command"), WORDS),
        **dict.fromkeys(("$ai_provider", "$ai_model", "edit_format", "action"), WORDS),
        **{name: st.integers(-1, 10**6) for name in ("duration_ms", "$ai_input_tokens")},
        "seq": st.integers(0, 5),
        "$session_id": st.sampled_from("xyz"),
    },
)
LINES = st.lists(
    st.fixed_dictionaries(
        {
            "event": st.sampled_from([*(each.wire for each in EVENTS.values()), "unknown"]),
            "timestamp": st.datetimes(
                datetime(2025, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)
            ),
            "distinct_id": st.sampled_from(["one", "two", None]),
            "properties": SAID,
        }
    ),
    max_size=30,
)


@given(LINES)
def test_the_sum_of_the_parts_is_the_total(lines: list[dict[str, Any]]) -> None:
    found = Tally(Path("log"))
    for line in lines:
        found.add(json.encode(line))
    assert found.records + found.broken == len(lines)
    assert sum(found.events.values()) == found.records
    assert sum(moment.records for moment in found.activity.days().values()) == found.records
    of = {each: found.events.get((event.wire,), 0) for each, event in EVENTS.items()}
    for name, counts in (
        *(("launched", found.launches), ("cell_executed", found.outcomes)),
        *(("feature_used", found.features), ("command_run", found.commands)),
        ("error_raised", found.errors),
        *(("kernel_action", found.kernel_actions), ("file_action", found.file_actions)),
    ):
        assert sum(counts.values()) == of[name]
    requests = of["message_send"] + of["embedding"]
    assert sum(found.edit_formats.values()) == requests
    assert sum(asked.requests for asked in found.models.values()) == requests
    assert sum(found.durations.values()) <= of["cell_executed"]
    made = {part.name: part for part in tables(found, {})}
    assert "activity" not in made or sum(made["activity"].column("records")) == found.records
    assert sum(made["durations"].column("cells") if "durations" in made else ()) == sum(
        found.durations.values()
    )


@given(st.lists(st.integers(0, 20), unique=True, min_size=1), st.randoms())
def test_a_gap_is_a_number_missing_between_others(numbers: list[int], random: Any) -> None:
    found = Tally(Path("log"))
    random.shuffle(numbers)
    for seq in numbers:
        said = {"$session_id": "one", "seq": seq}
        fields = {"event": "x", "timestamp": "2026-11-22T10:00:00Z", "properties": said}
        found.add(json.encode(fields))
    missing = set(range(min(numbers), max(numbers) + 1)) - set(numbers)
    assert found.sessions.gaps() == (bool(missing), len(missing))


def test_records_of_another_library_are_left_out_and_counted(
    counted: Count, record: Record
) -> None:
    """A project of PostHog's may hold those of a website, or of other ways to ask models."""
    lines = [
        record(event, **{"$lib": lib, "$ai_model": "gpt-4o"})
        for event in ("$ai_generation", "$pageview")
        for lib in ("dev-analytics", "web", "posthog-python")
    ]
    found = counted(*lines, record("$ai_generation"))
    assert (found.records, found.of_others, found.broken) == (3, 4, 0)
    assert found.models["not given", "gpt-4o"].requests == 1
    assert fields(found, [])["records_of_others"] == 4


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n"])
def test_the_records_are_the_same_however_a_program_writes_them(
    mark: bytes, end: bytes, counted: Count, record: Record
) -> None:
    lines = [record("x", seq=number).rstrip() for number in range(3)]
    found = counted(mark + end.join(lines))
    assert (found.records, found.broken, found.sessions.gaps()) == (3, 0, (0, 0))


@pytest.mark.parametrize("size", [1, 7, 100, 333])
def test_the_result_does_not_depend_on_where_blocks_end(
    size: int, counted: Count, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records, broken lines, one on two lines, two on one, one too long: each line once."""
    monkeypatch.setattr(reading, "_PIECE", size)
    monkeypatch.setattr(reading, "MAX_LINE", 1_000)
    one = record("x", seq=1)
    lines = [one, b"{\n", one, one.rstrip() + one, one.replace(b":", b":\n", 1)]
    lines += [b'{"a": "' + b"x" * 5_000 + b'"}\n', b"\n", one, b"x" * 5_000]
    found = counted(*lines)
    assert (found.records, found.broken) == (3, 6)


def test_gaps_are_counted_in_each_session(counted: Count, record: Record) -> None:
    lines = [
        record("x", session=session, seq=seq)
        for session, numbers in {"a": (1, 2, 5), "b": (7, 8), "c": (1, 3), "d": ()}.items()
        for seq in numbers
    ]
    found = counted(*lines, record("x", session="d"))
    assert len(found.sessions) == 4
    assert found.sessions.gaps() == (2, 3)


def test_older_records_are_left_out_and_counted(counted: Count, record: Record) -> None:
    found = counted(
        record("x", "2026-10-31T23:59:59Z"),
        record("x", "2026-11-01T00:00:00Z"),
        record("x", "2026-11-01T01:30:00+02:00"),
        since=datetime(2026, 11, 1, tzinfo=UTC),
    )
    assert (found.records, found.earlier) == (1, 2)


def test_names_beyond_the_limit_are_counted_as_one(
    counted: Count, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MAX_NAMES", 3)
    found = counted(*(record(f"event {number}") for number in range(10)), record("event 0"))
    assert found.events == {("event 0",): 2, ("event 1",): 1, ("event 2",): 1, (FURTHER,): 7}


NAMED = (
    *("frontend", "version", "outcome", "kind", "name", "command", "exception", "package"),
    *("$ai_provider", "$ai_model", "edit_format", "action", "status"),
)


@pytest.mark.parametrize("event", EVENTS)
def test_a_foreign_log_cannot_fill_memory_with_names(
    event: str, counted: Count, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a record names, of any kind: nothing that is counted by name grows without end."""
    monkeypatch.setattr(counting, "MAX_NAMES", 3)

    def said(number: int) -> bytes:
        words = dict.fromkeys(NAMED, f"word {number}")
        return record(EVENTS[event].wire, **words, duration_ms=1)

    found = counted(*map(said, range(50)))
    assert found.records == 50
    for counts in structs.asdict(found).values():
        assert not isinstance(counts, dict) or len(counts) <= 5


def test_it_reads_a_stream_however_long(tmp_path: Path, data: Path) -> None:
    lines = b"".join(example(EVENTS[name]) + b"\n" for name in EVENTS)

    def peak(times: int) -> int:
        file = tmp_path / "long.jsonl"
        file.write_bytes(lines * times)
        tracemalloc.start()
        assert tally(Source(file, data)).records == times * len(EVENTS)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(2000) < 1.5 * peak(200)


def test_another_session_takes_little_memory(tmp_path: Path, data: Path, record: Record) -> None:
    file = tmp_path / "sessions.jsonl"
    number = 20_000
    names = (f"01a20509-47c0-7c6c-84e7-{each:012x}" for each in range(number))
    file.write_bytes(b"".join(record("x", session=name, seq=1) for name in names))
    tracemalloc.start()
    assert len(tally(Source(file, data)).sessions) == number
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken / number < 200


def test_progress_goes_from_0_to_1(tmp_path: Path, data: Path, record: Record, kept: Any) -> None:
    file = tmp_path / "long.jsonl"
    file.write_bytes(record("x") * 20_000)
    told: list[tuple[float | None, int]] = []
    tally(Source(file, data), None, lambda *each: told.append(each))
    assert len(told) > 5
    assert told == sorted(told)
    assert told[-1] == (1, 20_000)
    for done, records in told:
        assert done is not None
        assert done == pytest.approx(records / 20_000, abs=0.1)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("missing", "there is no such file"),
        ("folder", "Is a directory"),
        ("no archive", "there is no archive yet"),
        ("damaged archive", "the archive cannot be read"),
        ("other database", "no such table: events"),
        ("gzip", "is cut off or damaged"),
        ("zstd", "file"),
    ],
)
def test_an_unreadable_source_is_one_clear_line(
    tmp_path: Path, data: Path, what: str, says: str
) -> None:
    file = tmp_path / "file"
    content = {
        "damaged archive": b"SQLite format 3\0 and nothing more",
        "gzip": b"\x1f\x8b\x08 and so on",
        "zstd": b"\x28\xb5\x2f\xfd and so on",
    }
    if what in content:
        file.write_bytes(content[what])
    elif what == "folder":
        file.mkdir()
    elif what == "other database":
        with closing(sqlite3.connect(file)) as opened, opened:
            opened.execute("CREATE TABLE other (name)")
    with pytest.raises(ReportError, match=r"^[^\n]+$") as refused:
        tally(Source(None if what == "no archive" else file, data))
    assert says in str(refused.value)


def test_one_missing_file_of_several_is_one_clear_line(
    tmp_path: Path, data: Path, record: Record
) -> None:
    (tmp_path / "there").write_bytes(record("launched"))
    with pytest.raises(ReportError, match="missing: there is no such file"):
        tally(source_of([tmp_path / "there", tmp_path / "missing"], data))


def test_a_pipe_is_read_as_a_stream(tmp_path: Path, data: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(example(EVENTS["launched"]) + b"\n",))
    writer.start()
    source = Source(pipe, data)
    assert tally(source).records == 1
    assert source.done is None
    writer.join()


def test_the_archive_is_not_changed_by_reading(events: Analytics, data: Path, kept: Any) -> None:
    Archive(data).deliver(kept.records)
    before = (data / NAME).read_bytes()
    tally(Source(None, data))
    assert (data / NAME).read_bytes() == before
    assert sorted(path.name for path in data.iterdir() if path.name.startswith(NAME)) == [NAME]


def test_a_sender_writes_the_archive_while_it_is_read(
    events: Analytics, data: Path, kept: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(data)
    archive.deliver(kept.records)
    monkeypatch.setattr(reading, "_AT_ONCE", 1)
    lines = Source(None, data).blocks()
    next(lines)
    more = [record.replace(b'"uuid": "', b'"uuid": "2') for record in kept.records]
    archive.deliver(more)
    assert len(list(lines)) == 2 * len(kept.records) - 1


def test_a_foreign_archive_is_read_to_its_end(events: Analytics, data: Path, kept: Any) -> None:
    Archive(data).deliver(kept.records)
    with closing(sqlite3.connect(data / NAME)) as archive, archive:
        rows = [
            ("a", None, None, None, None),
            ("b", 7, 7, 7, 7),
            ("c", "launched", "2026-11-22T10:00:00Z", None, "{torn"),
            ("d", b"\xff", b"\xff", None, "{}"),
        ]
        archive.executemany(
            "INSERT INTO events (uuid, event, timestamp, distinct_id, properties) "
            "VALUES (?, ?, ?, ?, ?)",
            rows,
        )
        archive.execute(
            "INSERT INTO events (uuid, event, timestamp, properties) "
            "VALUES ('e', CAST(X'FF' AS TEXT), '2026-11-22T10:00:00Z', '{}')"
        )
    found = tally(Source(None, data))
    assert (found.records, found.broken) == (EXPECTED["records"] + 1, 4)
