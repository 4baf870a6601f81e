"""The embedded archive: what SQL and pandas find in it, and what becomes of it on a bad disk."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dev_analytics.analytics import Analytics
from dev_analytics.catalogue.events import EVENTS, properties
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery.ledger import Ledger, read_ledger
from dev_analytics.delivery.sender import Sender
from dev_analytics.destinations.archive_file import Archive, columns, read
from dev_analytics.destinations.damaged_archive import damaged as put_aside_archives
from dev_analytics.destinations.transport import Unacceptable, Unreachable
from dev_analytics.views.status import status


def run(data: Path) -> Ledger:
    Sender(data, Archive(data), max_days=30, first_pause=0.001).run()
    return read_ledger(data)


def query(data: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(data / "archive.sqlite")) as archive:
        return archive.execute(sql).fetchall()


def record(**changes: Any) -> bytes:
    """Return a record as another version of the package may make it."""
    whole = {
        "event": "cell executed",
        "distinct_id": str(uuid.uuid4()),
        "uuid": str(uuid.uuid4()),
        "timestamp": "2026-11-22T10:00:00+00:00",
        "properties": {"outcome": "ok", "duration_ms": 120, "$session_id": "s", "seq": 1},
    }
    return json.dumps({**whole, **changes}).encode()


@pytest.fixture
def archive(data: Path) -> Archive:
    """An archive in an empty data directory."""
    data.mkdir()
    return Archive(data)


def test_without_a_project_key_a_sender_delivers_to_the_archive(
    data: Path, spool_events: Any, start_sender: Any, waiting: Any
) -> None:
    records = spool_events(300)
    assert start_sender().wait(240) == 0
    assert waiting() == []
    rows = query(data, "SELECT uuid, timestamp, event, distinct_id, seq FROM events ORDER BY seq")
    wanted = [json.loads(record) for record in records]
    assert rows == [
        (*(one[name] for name in ("uuid", "timestamp", "event", "distinct_id")), number)
        for number, one in enumerate(wanted, 1)
    ]
    assert read_ledger(data).delivered == 300
    assert (data / "archive.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_record_that_comes_again_is_no_second_row(data: Path, archive: Archive) -> None:
    records = [record() for _ in range(20)]
    archive.deliver(records)
    archive.deliver([*records[10:], record()])
    assert query(data, "SELECT count(*), count(DISTINCT uuid) FROM events") == [(21, 21)]


def test_every_property_of_the_catalogue_is_a_column_by_its_python_name(
    data: Path, archive: Archive
) -> None:
    archive.deliver([record()])
    found = [row[1] for row in query(data, "PRAGMA table_info(events)")]
    declared = {name for event in EVENTS.values() for name in properties(event)}
    assert declared | {"session_id", "seq", "lib_version"} <= set(found)
    assert {"input_tokens", "model", "exception", "duration_ms"} <= set(found)
    assert sorted(found) == sorted(columns())
    assert not any(name.startswith("$") for name in found)


def test_sql_and_pandas_answer_a_maintainer_s_questions(
    data: Path, archive: Archive, analytics: Analytics, aged: Callable[[Analytics], None]
) -> None:
    """Made by Analytics; the log holds the bytes that the spool would."""
    aged(analytics)
    for number in (100, 300, 200, 5000, 400):
        analytics.event("cell_executed", outcome="ok", duration_ms=number)
    for model, tokens in (("gpt-4o", 10), ("gpt-4o", 32), ("claude-3-5-sonnet-20241022", 7)):
        analytics.event("message_send", model=model, input_tokens=tokens, stream=True)
    for exception in ("ValueError", "KeyError", "ValueError"):
        analytics.event(
            "error_raised", exception=exception, exact=True, package="user code", phase="cell"
        )
    assert analytics.log
    archive.deliver(analytics.log.path.read_bytes().splitlines())

    sums = query(
        data,
        "SELECT model, sum(input_tokens) FROM events WHERE event = '$ai_generation'"
        " GROUP BY model ORDER BY 2 DESC",
    )
    assert [total for _, total in sums] == [42, 7]
    assert sums[0][0] == "gpt-4o"
    assert query(
        data,
        "SELECT exception, count(*) FROM events WHERE exception IS NOT NULL"
        " GROUP BY exception ORDER BY 2 DESC",
    ) == [("ValueError", 2), ("KeyError", 1)]
    assert query(
        data,
        "SELECT duration_ms FROM events WHERE event = 'cell executed' ORDER BY duration_ms"
        " LIMIT 1 OFFSET (SELECT count(*) / 2 FROM events WHERE event = 'cell executed')",
    ) == [(300,)]
    with closing(sqlite3.connect(data / "archive.sqlite")) as opened:
        import pandas

        frame = pandas.read_sql("SELECT * FROM events", opened, parse_dates=["timestamp"])
    assert frame.groupby("model").input_tokens.sum().to_dict()["gpt-4o"] == 42
    assert frame.duration_ms.median() == 300
    assert frame.stream.sum() == 3
    assert str(frame.timestamp.dtype).startswith("datetime64")
    assert list(frame.seq) == list(range(1, 12))


def test_a_table_is_made_whole_or_not_at_all(
    data: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [*columns(), 'refused" (']
    monkeypatch.setattr("dev_analytics.destinations.archive_file.columns", lambda: names)
    with pytest.raises(Unreachable):
        archive.deliver([record()])
    monkeypatch.undo()
    assert query(data, "SELECT name FROM sqlite_master") == []


def test_a_file_that_is_no_archive_cannot_be_read(data: Path) -> None:
    data.mkdir()
    (data / "archive.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(Unreachable, match="the archive cannot be read: file is not a database"):
        list(read(data / "archive.sqlite"))


def test_a_list_is_json_and_what_is_not_known_is_null(data: Path, archive: Archive) -> None:
    frames = ["dev_analytics.analytics:event:7"]
    archive.deliver([record(event="error raised", properties={"frames": frames})])
    ((text, model),) = query(data, "SELECT frames, model FROM events")
    assert json.loads(text) == frames
    assert model is None


def test_an_archive_of_an_older_version_gets_the_columns_that_it_lacks(
    data: Path, archive: Archive
) -> None:
    with closing(sqlite3.connect(archive.file)) as old, old:
        old.execute("CREATE TABLE events (uuid TEXT PRIMARY KEY, event, outcome)")
        old.execute("INSERT INTO events VALUES ('an old one', 'cell executed', 'ok')")
    archive.deliver([record()])
    rows = query(data, "SELECT uuid, outcome, duration_ms FROM events ORDER BY rowid")
    assert rows[0] == ("an old one", "ok", None)
    assert rows[1][1:] == ("ok", 120)


def test_an_archive_of_a_newer_version_is_written_all_the_same(
    data: Path, archive: Archive
) -> None:
    archive.deliver([record()])
    with closing(sqlite3.connect(archive.file)) as newer, newer:
        newer.execute("ALTER TABLE events ADD COLUMN mood")
    archive.deliver([record()])
    assert query(data, "SELECT outcome, mood FROM events") == [("ok", None)] * 2


def test_what_a_newer_version_records_is_kept_as_json(data: Path, archive: Archive) -> None:
    later = {"outcome": "ok", "mood": "good", "levels": {"a": [1]}}
    archive.deliver([record(event="cell dreamt", properties=later), record(properties=later)])
    rows = query(data, "SELECT event, outcome, properties FROM events")
    assert [row[:2] for row in rows] == [("cell dreamt", None), ("cell executed", "ok")]
    assert [json.loads(row[2]) for row in rows] == [later, later]
    mood = "SELECT json_extract(properties, '$.mood') FROM events"
    assert query(data, mood) == [("good",), ("good",)]


def test_it_keeps_so_many_rows_and_the_newest(data: Path, archive: Archive) -> None:
    archive = Archive(data, max_rows=50)
    identifiers = [str(uuid.uuid4()) for _ in range(175)]
    for first in range(0, 175, 25):
        archive.deliver([record(uuid=one) for one in identifiers[first : first + 25]])
        # A resend takes no place.
        archive.deliver([record(uuid=one) for one in identifiers[first : first + 25]])
    assert [row[0] for row in query(data, "SELECT uuid FROM events ORDER BY rowid")] == identifiers[
        -50:
    ]


def damaged(file: Path) -> None:
    file.write_bytes(b"no database " * 1000)


def cut_off(file: Path) -> None:
    Archive(file.parent).deliver([record() for _ in range(500)])
    os.truncate(file, file.stat().st_size // 2)
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xff" * 4096)


def a_folder(file: Path) -> None:
    file.mkdir()


@pytest.mark.parametrize("how", [damaged, cut_off])
def test_a_damaged_archive_is_put_aside_and_another_one_begun(
    data: Path, spool_events: Any, waiting: Any, how: Any
) -> None:
    """Records must not wait for ever; what can be saved of the damaged one is the user's to say."""
    spool_events(30)
    contents = []
    for number in (1, 2):
        how(data / "archive.sqlite")
        (data / "archive.sqlite-journal").write_bytes(b"of the damaged one")
        contents.append((data / "archive.sqlite").read_bytes())
        assert run(data).delivered == 30 * number
        assert query(data, "SELECT count(*) FROM events") == [(30,)]
        spool_events(30)
    assert len(waiting()) == 30
    put_aside = put_aside_archives(data)
    assert [file.read_bytes() for file in put_aside] == contents
    assert all(
        re.fullmatch(r"archive\.sqlite\.damaged-\d{4}-\d\d-\d\d(-2)?", file.name)
        for file in put_aside
    )
    shown = status(Analytics(data), Analytics(data).gate.now()[0])
    assert all(file.name in shown for file in put_aside)
    ConsentStore(data).opt_out()
    assert list(data.glob("archive*")) == []


def test_an_archive_that_is_no_file_keeps_the_records_and_says_so(
    data: Path, spool_events: Any, waiting: Any
) -> None:
    records = spool_events(30)
    (data / "archive.sqlite").mkdir()
    ledger = run(data)
    assert waiting() == sorted(records)
    assert ledger.delivered == 0
    assert ledger.failure.startswith("the archive cannot be written: ")
    assert str(data) not in ledger.failure
    assert "Error" not in ledger.failure


SCHEMAS = {
    "a trigger that skips a row": """
        CREATE TABLE events (uuid TEXT PRIMARY KEY);
        CREATE TRIGGER t BEFORE INSERT ON events BEGIN SELECT RAISE(IGNORE); END""",
    "a constraint that skips a row": """
        CREATE TABLE events (uuid TEXT PRIMARY KEY, event, seq UNIQUE ON CONFLICT IGNORE);
        INSERT INTO events VALUES ('an old one', 'launched', 3)""",
    "a constraint that replaces a row": """
        CREATE TABLE events (uuid TEXT PRIMARY KEY, event UNIQUE ON CONFLICT REPLACE)""",
    "a constraint": "CREATE TABLE events (uuid TEXT PRIMARY KEY, seq UNIQUE CHECK (seq < 3))",
    "a column that must be given": "CREATE TABLE events (uuid TEXT PRIMARY KEY, mood NOT NULL)",
    "no key": "CREATE TABLE events (uuid TEXT)",
    "another table": "CREATE TABLE events (name TEXT PRIMARY KEY)",
    "a view": "CREATE VIEW events AS SELECT 1 AS uuid",
}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_table_that_does_not_take_every_record_keeps_them_all(
    data: Path, spool_events: Any, waiting: Any, monkeypatch: pytest.MonkeyPatch, schema: str
) -> None:
    """A uuid that is there is passed over, and nothing else."""
    monkeypatch.setattr("dev_analytics.delivery.attempts.MAX_TRIES", 1)
    records = spool_events(10)
    with closing(sqlite3.connect(data / "archive.sqlite")) as opened, opened:
        opened.executescript(SCHEMAS[schema])
    ledger = run(data)
    assert ledger.failure.startswith("the archive cannot be written: ")
    assert (ledger.delivered, ledger.dropped) == (0, {})
    assert waiting() == sorted(records)


def test_an_archive_that_is_locked_by_a_reader_for_long_is_written_later(
    data: Path, spool_events: Any, waiting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool_events(10)
    Archive(data).deliver([record()])
    monkeypatch.setattr("dev_analytics.delivery.attempts.MAX_TRIES", 1)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda file: connect(file, timeout=0.1))
    with closing(connect(data / "archive.sqlite")) as reader:
        reader.execute("BEGIN EXCLUSIVE")
        assert run(data).failure == "the archive cannot be written: database is locked"
        assert len(waiting()) == 10
    assert run(data).delivered == 10


def test_a_full_disk_keeps_the_records_and_says_so(data: Path, archive: Archive) -> None:
    """The limit on the size of a file stands for the end of the disk."""
    archive.deliver([record() for _ in range(100)])
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (archive.file.stat().st_size, limits[1]))
    try:
        with pytest.raises(Unreachable, match=r"cannot be written: [a-z ]*(full|I/O)"):
            archive.deliver([record() for _ in range(1000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert query(data, "SELECT count(*) FROM events") == [(100,)]


def test_a_read_only_archive_keeps_the_records_and_says_so(
    data: Path, spool_events: Any, waiting: Any
) -> None:
    """A trigger refuses as a read-only file system does, whoever the user is."""
    records = spool_events(10)
    Archive(data).deliver([record()])
    with closing(sqlite3.connect(data / "archive.sqlite")) as opened, opened:
        refuse = "SELECT RAISE(ABORT, 'attempt to write a readonly database')"
        opened.execute(f"CREATE TRIGGER t BEFORE INSERT ON events BEGIN {refuse}; END")
    ledger = run(data)
    assert ledger.failure == ("the archive cannot be written: attempt to write a readonly database")
    assert waiting() == sorted(records)


@pytest.mark.parametrize("value", [2**70, {"a": 1}])
def test_a_value_that_sqlite_cannot_hold_is_put_aside_alone(
    data: Path, spool_events: Any, waiting: Any, value: object
) -> None:
    records = spool_events(10)
    bad = json.loads(records[1])
    bad["properties"]["duration_ms"] = value
    bad["uuid"] = str(uuid.uuid4())
    (data / "spool" / "bad.jsonl").write_text(json.dumps(bad) + "\n")
    ledger = run(data)
    assert (ledger.delivered, ledger.dropped) == (10, {"not what the catalogue allows": 1})
    assert waiting() == []
    with pytest.raises(Unacceptable):
        Archive(data).deliver([json.dumps(bad).encode()])
