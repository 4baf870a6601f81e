"""When things happened: by day, or by hour in a log of at most two days."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from msgspec import Struct

from dev_analytics.views.report.records import (
    CellRecord,
    EmbeddingRecord,
    ErrorRecord,
    RequestRecord,
)

MAX_HOURS: Final = 48
"""How many hours a log may span to be shown by the hour."""
_MAX_SPAN: Final = timedelta(hours=MAX_HOURS)
_EPOCH: Final = date(1970, 1, 1).toordinal()


class Moment(Struct):
    """The counts of one hour or one day."""

    records: int = 0
    cells: int = 0
    requests: int = 0
    errors: int = 0


class Activity:
    """Counts records by their time, in UTC, and by their kind."""

    def __init__(self) -> None:
        self.first: datetime | None = None
        self.last: datetime | None = None
        self._days: defaultdict[type, Counter[int]] = defaultdict(Counter)
        self._hours: defaultdict[type, Counter[int]] = defaultdict(Counter)

    def span(self, times: Sequence[datetime]) -> None:
        """Extend the time span to include `times`, before their records are counted."""
        first, last = min(times), max(times)
        self.first = first if self.first is None else min(first, self.first)
        self.last = last if self.last is None else max(last, self.last)
        if not self._is_short():
            self._hours.clear()

    def add(self, kind: type, times: Sequence[datetime]) -> None:
        """Count records of a kind."""
        self._days[kind].update([each.toordinal() - _EPOCH for each in times])
        if self._is_short():
            self._hours[kind].update([int(each.timestamp()) // 3600 for each in times])

    def days(self) -> dict[int, Moment]:
        """Return the counts of each day, by its number since the epoch."""
        return _moments(self._days)

    def hours(self) -> dict[int, Moment]:
        """Return the counts of each hour, by its number since the epoch.

        There are none if the records span more than `MAX_HOURS`.
        """
        return _moments(self._hours)

    def _is_short(self) -> bool:
        return self.first is None or self.last is None or self.last - self.first < _MAX_SPAN


def day(number: int) -> str:
    """Return a day, given by its number since the epoch, as text."""
    return datetime.fromtimestamp(number * 86_400, UTC).strftime("%Y-%m-%d")


def hour(number: int) -> str:
    """Return an hour, given by its number since the epoch, as text."""
    return datetime.fromtimestamp(number * 3600, UTC).strftime("%Y-%m-%d %H:00")


def _moments(counted: Mapping[type, Mapping[int, int]]) -> dict[int, Moment]:
    moments: defaultdict[int, Moment] = defaultdict(Moment)
    for kind, numbers in counted.items():
        for at, number in numbers.items():
            moment = moments[at]
            moment.records += number
            if kind is CellRecord:
                moment.cells += number
            elif kind is ErrorRecord:
                moment.errors += number
            elif kind in (RequestRecord, EmbeddingRecord):
                moment.requests += number
    return dict(moments)
