"""Which records of a file of the spool may be sent: whole, this user's, agreed to, not too old."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct, json

from dev_analytics.catalogue.record import iso
from dev_analytics.delivery.progress import Reader, lines
from dev_analytics.drops import Drop


class _Record(Struct):
    """A record as a sender reads it: whole, or it is none."""

    event: str
    distinct_id: str | None
    uuid: str
    timestamp: str
    properties: dict[str, Any]


def sendable(
    reader: Reader,
    *,
    user_id: str,
    covers: Callable[[str], bool],
    oldest: str,
    dropped: Counter[str],
) -> Iterator[bytes]:
    """Give the records of a file that may be sent.

    Parameters
    ----------
    reader
        Reads a file of the spool, which is held.
    user_id
        Whose records may be.
    covers
        Tells whether consent, as it is then, covers an event by its name.
    oldest
        The time before which a record is too old, as it stands in records.
    dropped
        Counts the others, by the reason.
    """
    for line in reader:
        try:
            record = json.decode(line, type=_Record)
        except (ValueError, RecursionError):
            dropped[Drop.INVALID.value] += 1
            continue
        if record.distinct_id != user_id or not covers(record.event):
            dropped[Drop.REVOKED.value] += 1
        elif record.timestamp < oldest:
            dropped[Drop.EXPIRED.value] += 1
        else:
            yield line
    if reader.torn:
        reader.torn = False
        dropped[Drop.INVALID.value] += 1


def event_of(line: bytes) -> str:
    """Give the name of the event of a record that may be sent."""
    return json.decode(line, type=_Record).event


def oldest(most_days: float) -> str:
    """Give the time before which a record is too old now, as it stands in records."""
    return iso(int(max(0, time.time() - most_days * 86_400)))


def begins_before(file: Path, start: int, oldest: str) -> bool:
    """Tell whether the first record of `file` from `start`, its oldest, is too old."""
    for line in lines(file, start):
        try:
            return json.decode(line, type=_Record).timestamp < oldest
        except (ValueError, RecursionError):
            continue
    return False
