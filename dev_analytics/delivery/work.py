"""A sender's work on one file of the spool: the outcome of its records, and what stays."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from dev_analytics.delivery.allowed import Allowed, Verdict
from dev_analytics.delivery.notes import Notes
from dev_analytics.delivery.progress import Reader, write_lines
from dev_analytics.process.descriptors import replacement
from dev_analytics.process.systems import take_place
from dev_analytics.reasons import Drop

_REASONS: Final[dict[Verdict, Drop]] = {
    Verdict.FOREIGN: "consent withdrawn",
    Verdict.RUBBISH: "invalid",
}


class Work:
    """The work on a file that the caller holds; what is older than `oldest` is not sent.

    Attributes
    ----------
    stays
        Lines that were read and stay in the file, for a sender that knows them: of a newer version,
        or of a tool that is not installed here.
    """

    def __init__(self, file: Path, notes: Notes, oldest: str = "") -> None:
        self.file = file
        self.stays: list[bytes] = []
        self._notes = notes
        self._oldest = oldest
        self._undeclared: list[bytes] = []
        self._dropped: Counter[str] = Counter()
        self._delivered = 0

    def sendable(self, reader: Reader, allowed: Allowed) -> Iterator[bytes]:
        """Yield the records that may be sent, and sort the other lines."""
        check = allowed.check
        for line in reader:
            found = check(line)
            verdict, is_old = found.verdict, found.timestamp < self._oldest
            if verdict is Verdict.ALLOWED and not is_old:
                yield line
            elif verdict in _REASONS:
                self._dropped[_REASONS[verdict]] += 1
            elif verdict is Verdict.UNDECLARED:
                self._undeclared.append(line)
            elif is_old:
                self._dropped["expired"] += 1
            else:
                self.stays.append(line)
        if reader.torn:
            reader.torn = False
            self._dropped["invalid"] += 1

    def rest(self, reader: Reader, allowed: Allowed) -> Iterator[bytes]:
        """Yield all further lines that stay in the file: those that may be sent, and others."""
        yield from self.sendable(reader, allowed)
        self.quarantine()
        yield from self.stays

    def quarantine(self) -> None:
        """Put aside what nobody declared, or keep it if there is no room for that."""
        if self._undeclared:
            drop: Drop = "not what the catalogue allows"
            self.put_aside(self._undeclared, drop, drop)
            self._undeclared = []

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
            self._dropped[drop] += number

    def settle(self, end: int) -> bool:
        """Record the outcome of all records up to `end`; return False if the ledger has no room."""
        if self._delivered or self._dropped or self._notes.lacks(self.file):
            return self._note(end=end)
        return True

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
            dropped=self._dropped,
            end=end,
            checksum=checksum,
        )
        self._forget()
        return noted

    def _forget(self) -> None:
        self._delivered = 0
        self._dropped.clear()
