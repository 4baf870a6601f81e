"""A sender's work on one file of the spool: the outcome of its records, and what stays."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from dev_analytics.delivery.allowed import Allowed
from dev_analytics.delivery.notes import Notes
from dev_analytics.delivery.progress import Reader, replacement, write_lines
from dev_analytics.delivery.sendable import Others, sendable
from dev_analytics.drops import Drop
from dev_analytics.process.systems import take_place


class Work:
    """The work on a file that the caller holds.

    Parameters
    ----------
    file
        The file.
    notes
        Where the outcome of the records is noted.
    oldest
        The time before which a record is too old, written as in records.

    Attributes
    ----------
    stays
        Lines that were read and stay in the file, for a sender that knows them.
    """

    def __init__(self, file: Path, notes: Notes, oldest: str = "") -> None:
        self.file = file
        self.stays: list[bytes] = []
        self._notes = notes
        self._oldest = oldest
        self._others = Others()
        self._delivered = 0

    def sendable(self, reader: Reader, allowed: Allowed) -> Iterator[bytes]:
        """Yield the records that may be sent, and collect the other lines."""
        yield from sendable(reader, allowed, self._oldest, self._others)

    def rest(self, reader: Reader, allowed: Allowed) -> Iterator[bytes]:
        """Yield all further lines that stay in the file: those that may be sent, and others."""
        yield from self.sendable(reader, allowed)
        self.sort()
        yield from self.stays

    def sort(self) -> None:
        """Quarantine what nobody declared, or keep it if there is no room for that."""
        others = self._others
        if others.undeclared:
            self.put_aside(
                others.undeclared, "not what the catalogue allows", "not what the catalogue allows"
            )
            others.undeclared = []
        self.stays += others.later
        others.later = []

    def put_aside(self, lines: list[bytes], why: str, drop: Drop) -> None:
        """Quarantine lines of the file, or keep them if there is no room for that."""
        if self._notes.put_aside(lines, why):
            self.drop(drop, len(lines))
        else:
            self.stays += lines

    def deliver(self, number: int) -> None:
        """Count records that were acknowledged."""
        self._notes.acknowledged(number)
        self._delivered += number

    def drop(self, drop: Drop, number: int) -> None:
        """Count records that go undelivered."""
        if number:
            self._others.dropped[drop] += number

    def settle(self, end: int) -> None:
        """Record the outcome of all records up to `end`."""
        if self._delivered or self._others.dropped:
            self._note(end=end)

    def keep(self, lines: Iterable[bytes]) -> None:
        """Replace the file's content with `lines`; if the disk is full, all of it stays."""
        new = replacement(self.file)
        try:
            times = self.file.stat()
            checksum = write_lines(new, lines)
            os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
        except OSError:
            # An opt-out deleted it; or the disk is full, and all since the last note is read again.
            new.unlink(missing_ok=True)
            self._forget()
            self._notes.forget(self.file)
            return
        if not self._note(checksum=checksum):
            # Otherwise the rest would be read from the former offset.
            new.unlink(missing_ok=True)
            self._notes.forget(self.file)
            return
        with contextlib.suppress(OSError):
            take_place(new, self.file)
            if not self.file.stat().st_size:
                self.file.unlink()

    def _note(self, *, end: int = 0, checksum: int | None = None) -> bool:
        noted = self._notes.settled(
            self.file,
            delivered=self._delivered,
            dropped=self._others.dropped,
            end=end,
            checksum=checksum,
        )
        self._forget()
        return noted

    def _forget(self) -> None:
        self._delivered = 0
        self._others.dropped.clear()
