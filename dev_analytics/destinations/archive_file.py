"""The embedded archive: a SQLite file as a destination, which needs no account.

There is one row for each event, with its uuid as the primary key, so that a record that is sent
again makes no second row. Every property of the catalogue is a column, so that SQL, pandas and
DuckDB can read it directly. Only senders write to it, one at a time. A damaged archive is put
aside, and another one is begun.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from msgspec import Raw, json

from dev_analytics.catalogue.events import EVENTS, properties
from dev_analytics.catalogue.fields import Event, fields
from dev_analytics.destinations.damaged_archive import put_aside
from dev_analytics.destinations.transport import Unacceptable, Unreachable, no_question
from dev_analytics.process.descriptors import touch

NAME: Final = "archive.sqlite"
MAX_ROWS: Final = 1_000_000
"""How many of the newest events are kept."""

MAGIC: Final = b"SQLite format 3\0"
"""The first bytes of an archive."""

_DAMAGED_CODES: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_AT_ONCE: Final = 5_000
_READ: Final = """
SELECT rowid, event, timestamp, distinct_id, properties FROM events
WHERE rowid > ? ORDER BY rowid LIMIT ?"""
_IS_THERE: Final = "SELECT 1 FROM events WHERE uuid = ?"
_COMMON: Final = ("session_id", "seq", "lib_version")
_RECORD: Final = ("uuid", "timestamp", "event", "distinct_id", "properties", *_COMMON)


class Archive:
    """The archive in a data directory; it keeps the newest `max_rows` events."""

    batch_size = 5_000

    def __init__(self, data: Path, max_rows: int = MAX_ROWS) -> None:
        self.confirm = no_question
        self.file = data / NAME
        self._max_rows = max_rows

    def deliver(self, records: Sequence[bytes]) -> None:
        """Store all or none of `records`; one with a uuid that is already there is skipped.

        Raises
        ------
        Unreachable
            The file cannot be written, or something in it prevents a record.
        Unacceptable
            SQLite cannot hold a value.
        """
        rows = [_row(json.decode(record)) for record in records]
        try:
            try:
                self._store(rows)
            except sqlite3.DatabaseError as error:
                # The lowest byte of an extended code is the basic one.
                if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED_CODES:
                    raise
                put_aside(self.file)
                self._store(rows)
        except (sqlite3.InterfaceError, sqlite3.ProgrammingError, OverflowError):
            raise Unacceptable("the archive cannot hold it") from None
        except sqlite3.Error as error:
            # SQLite's messages contain no path and no value.
            raise Unreachable(f"the archive cannot be written: {error}") from None
        except OSError as error:
            raise Unreachable(f"the archive cannot be written: {error.strerror}") from None

    def _store(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write `rows` in one transaction.

        Raises
        ------
        Unreachable
            One of them is missing afterwards.
        """
        names = columns()
        quoted = ", ".join(f'"{name}"' for name in names)
        marks = ", ".join(f":{name}" for name in names)
        touch(self.file)
        with closing(sqlite3.connect(self.file)) as archive, archive:
            # One transaction: no reader sees a table that lacks some of its columns.
            archive.execute("BEGIN IMMEDIATE")
            _prepare(archive, names)
            archive.executemany(
                f"INSERT INTO events ({quoted}) VALUES ({marks})"  # noqa: S608
                " ON CONFLICT (uuid) DO NOTHING",
                [{**dict.fromkeys(names), **row} for row in rows],
            )
            # A trigger, or a constraint with its own conflict clause, skips a row silently.
            if not all(archive.execute(_IS_THERE, (row["uuid"],)).fetchone() for row in rows):
                raise Unreachable("the archive cannot be written: its table does not take a record")
            archive.execute(
                "DELETE FROM events WHERE rowid <= (SELECT max(rowid) FROM events) - ?",
                (self._max_rows,),
            )
            self.confirm()


def read(file: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield the records in an archive, the oldest first, without changing it.

    Each comes with the number of its row and that of the newest row. The archive is only locked for
    moments, so that a sender can go on writing. A row without a record yields a line that is no
    record either.

    Raises
    ------
    Unreachable
        It is damaged, or none.
    """
    last = -(2**63)
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as archive:
            archive.text_factory = bytes  # damaged text must not end the reading
            ((newest,),) = archive.execute("SELECT coalesce(max(rowid), 0) FROM events")
            while rows := archive.execute(_READ, (last, _AT_ONCE)).fetchall():
                for last, *values in rows:
                    yield last, newest, _line(values)
    except sqlite3.Error as error:
        raise Unreachable(f"the archive cannot be read: {error}") from None


def count_of(file: Path, user: str) -> int:
    """Return the number of an identifier's records in an archive.

    Raises
    ------
    Unreachable
        It is damaged, or none.
    """
    with _opened(file, "ro") as archive:
        ((number,),) = archive.execute("SELECT count(*) FROM events WHERE distinct_id = ?", (user,))
        return int(number)


def delete_of(file: Path, user: str) -> None:
    """Delete the records of an identifier, and overwrite their pages.

    Raises
    ------
    Unreachable
        It is damaged, none, or cannot be written.
    """
    with _opened(file, "rw") as archive:
        archive.execute("PRAGMA secure_delete = ON")
        with archive:
            archive.execute("DELETE FROM events WHERE distinct_id = ?", (user,))
        # While another process reads, the old pages may stay in a log beside the file.
        archive.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def _opened(file: Path, mode: str) -> Iterator[sqlite3.Connection]:
    try:
        address = f"{file.absolute().as_uri()}?mode={mode}"
        with closing(sqlite3.connect(address, uri=True)) as archive:
            yield archive
    except sqlite3.Error as error:
        raise Unreachable(f"the archive cannot be used: {error}") from None


def columns() -> list[str]:
    """Return the names of the columns: those of every record, then every property of the catalogue.

    ``properties`` has all of them as JSON, even those of a newer version of the package.
    """
    names = dict.fromkeys(name for event in EVENTS.values() for name in properties(event))
    return [*_RECORD, *names]


def _prepare(archive: sqlite3.Connection, names: Sequence[str]) -> None:
    """Create the table, or add the columns that an older version lacks."""
    archive.execute("CREATE TABLE IF NOT EXISTS events (uuid TEXT PRIMARY KEY)")
    known = {row[1] for row in archive.execute("PRAGMA table_info(events)")}
    for name in names:
        if name not in known:
            archive.execute(f'ALTER TABLE events ADD COLUMN "{name}"')


def _row(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record's columns by name; a list becomes JSON."""
    row = {name: record[name] for name in ("uuid", "timestamp", "event", "distinct_id")}
    row["properties"] = _text(record["properties"])
    event = _BY_WIRE.get(record["event"], Event)
    kept = {*_COMMON, *properties(event)}
    for name, wire in ((each.name, each.wire) for each in fields(event)):
        if name in kept and wire in record["properties"]:
            value = record["properties"][wire]
            row[name] = _text(value) if isinstance(value, list) else value
    return row


def _line(values: Sequence[Any]) -> bytes:
    *words, properties = (value if isinstance(value, bytes) else None for value in values)
    event, time, user = (word and word.decode("utf-8", "replace") for word in words)
    record = {"event": event, "timestamp": time, "distinct_id": user}
    return json.encode({**record, "properties": Raw(properties or b"null")})


def _text(value: Any) -> str:
    return json.encode(value).decode()


_BY_WIRE: Final = {event.wire: event for event in EVENTS.values()}
