"""The bounds of the spool, in size and age. Every writer keeps them; the oldest goes first."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dev_analytics.catalogue.record import iso
from dev_analytics.delivery import Delivery
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.locks import holding
from dev_analytics.delivery.progress import lines
from dev_analytics.process.descriptors import open_above
from dev_analytics.process.handlers import Refusals
from dev_analytics.process.native import open_file, seconds
from dev_analytics.process.plain_json import decode
from dev_analytics.reasons import Drop


def bound(backlog: Backlog, delivery: Delivery) -> Counter[Drop]:
    """Delete what is too old or too much, and return how many records were lost, by reason.

    Room is left for the file that is being written, which is never larger than an eighth of the
    whole.
    """
    dropped: Counter[Drop] = Counter()
    if number := _expire(backlog, delivery.max_days):
        dropped["expired"] += number
    if number := backlog.trim(delivery.max_mib * 2**20 * 7 / 8):
        dropped["spool full"] += number
    return dropped


def _expire(backlog: Backlog, max_days: float) -> int:
    """Delete the files in which every record is too old; senders see to the other files."""
    expired, before = 0, seconds() - max_days * 86_400
    for file in backlog.files():
        with Refusals():
            if file.stat().st_mtime >= before:
                continue
            with holding(file) as held:
                if held and _is_old(file, oldest(max_days)):
                    number = backlog.counts([file])[file]
                    file.unlink()
                    expired += number
    return expired


def oldest(max_days: float) -> str:
    """Return the time before which a record is too old now, written as in records."""
    return iso(int(max(0, seconds() - max_days * 86_400)))


def begins_before(file: Path, start: int, oldest: str) -> bool:
    """Return whether the first record of `file` from `start`, its oldest, is too old."""
    for line in lines(file, start):
        try:
            timestamp = decode(line.decode())["timestamp"]
        except (ValueError, LookupError, TypeError):
            continue
        if type(timestamp) is str:
            return timestamp < oldest
    return False


def _is_old(file: Path, oldest: str) -> bool:
    """Return whether the last record of `file` is too old, by the time in it."""
    start = end = 0
    with open_file(file, "rb", opener=open_above) as opened:
        for line in opened:
            start, end = end, end + len(line)
    return begins_before(file, start, oldest)
