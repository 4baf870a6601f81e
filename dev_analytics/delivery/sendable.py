"""Separates the records of a file that may be sent, being allowed and not too old, from others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct, json

from dev_analytics.catalogue.record import iso
from dev_analytics.delivery.allowed import Allowed, Verdict
from dev_analytics.delivery.progress import Reader, lines
from dev_analytics.drops import Drop
from dev_analytics.process.native import seconds


class Others:
    """The lines of a file that may not be sent.

    Attributes
    ----------
    later
        Lines that stay for a sender that knows them: of a newer version, or of a tool that is not
        installed here.
    undeclared
        Records with something that nobody declared, to be put aside.
    dropped
        The number of all others, by reason.
    """

    def __init__(self) -> None:
        self.later: list[bytes] = []
        self.undeclared: list[bytes] = []
        self.dropped: Counter[str] = Counter()

    def take(self, line: bytes, verdict: Verdict, *, is_old: bool) -> None:
        """Take a line that may not be sent, or no longer."""
        if verdict in _REASONS:
            self.dropped[_REASONS[verdict]] += 1
        elif verdict is Verdict.UNDECLARED:
            self.undeclared.append(line)
        elif is_old:
            self.dropped["expired"] += 1
        else:
            self.later.append(line)


def sendable(reader: Reader, allowed: Allowed, oldest: str, others: Others) -> Iterator[bytes]:
    """Yield the records of a file that may be sent.

    Parameters
    ----------
    reader
        Reads a file of the spool, which is held.
    allowed
        Decides what may leave.
    oldest
        The time before which a record is too old, written as in records.
    others
        Takes the other lines.
    """
    check = allowed.check
    for line in reader:
        found = check(line)
        is_old = found.timestamp < oldest
        if found.verdict is Verdict.ALLOWED and not is_old:
            yield line
        else:
            others.take(line, found.verdict, is_old=is_old)
    if reader.torn:
        reader.torn = False
        others.dropped["invalid"] += 1


_REASONS: Final[dict[Verdict, Drop]] = {
    Verdict.FOREIGN: "consent withdrawn",
    Verdict.RUBBISH: "invalid",
}


class _Timed(Struct):
    timestamp: str


def oldest(max_days: float) -> str:
    """Return the time before which a record is too old now, written as in records."""
    return iso(int(max(0, seconds() - max_days * 86_400)))


def begins_before(file: Path, start: int, oldest: str) -> bool:
    """Return whether the first record of `file` from `start`, its oldest, is too old."""
    for line in lines(file, start):
        try:
            return json.decode(line, type=_Timed).timestamp < oldest
        except (ValueError, RecursionError):
            continue
    return False
