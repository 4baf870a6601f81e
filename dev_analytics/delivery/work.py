"""A sender's work on one file of the spool: what became of its records, and what stays of it."""

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
        Where it is noted what became of the records.
    oldest
        The time before which a record is too old, as it stands in records.

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
        """Yield the records that may be sent, and sort the other lines."""
        yield from sendable(reader, allowed, self._oldest, self._others)

    def rest(self, reader: Reader, allowed: Allowed) -> Iterator[bytes]:
        """Yield all lines from there that do not go: what may be sent, and what stays."""
        yield from self.sendable(reader, allowed)
        self.sort()
        yield from self.stays

    def sort(self) -> None:
        """Quarantine what nobody declared; where there is no room for that, it stays."""
        others = self._others
        if others.undeclared:
            self.put_aside(others.undeclared, "not what the catalogue allows", Drop.UNDECLARED)
            others.undeclared = []
        self.stays += others.later
        others.later = []

    def put_aside(self, lines: list[bytes], why: str, drop: Drop) -> None:
        """Quarantine lines of the file; where there is no room for them, they stay."""
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
            self._others.dropped[drop.value] += number

    def settle(self, end: int) -> None:
        """Record what became of all records up to `end`."""
        if self._delivered or self._others.dropped:
            self._note(end=end)

    def keep(self, lines: Iterable[bytes]) -> None:
        """Replace the file's content by `lines`; where the disk is full, all of it stays."""
        new = replacement(self.file)
        try:
            times = self.file.stat()
            checksum = write_lines(new, lines)
            os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
        except OSError:
            # An opt-out took it; or the disk is full, and all since the last note is read again.
            new.unlink(missing_ok=True)
            self._forget()
            self._notes.forget(self.file)
            return
        if not self._note(checksum=checksum):
            # What is left of the file would be read from where the file was settled before.
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
