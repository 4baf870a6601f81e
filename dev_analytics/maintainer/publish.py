"""Counts users week by week for the public page.

Each whole week is counted separately, and only once: what has been published stays as it is,
whatever arrives late or is deleted since. Otherwise a number that moved by a step would reveal the
one user whose records came, or went, between two pages.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, Final

from msgspec import Struct, field

from dev_analytics.catalogue.events import (
    EDIT_FORMATS,
    EXCEPTIONS,
    FEATURES,
    MODELS,
    FeatureUsed,
    properties,
)
from dev_analytics.catalogue.vocabulary import OTHER
from dev_analytics.maintainer.anonymous import MIN_USERS, cells, rounded_down
from dev_analytics.maintainer.published import SUBJECTS, Counted, Published, PublishedWeek
from dev_analytics.views.report.forgotten import Forgotten
from dev_analytics.views.report.records import (
    LIB,
    EmbeddingRecord,
    ErrorRecord,
    FeatureRecord,
    RequestRecord,
    decode_lines,
)
from dev_analytics.views.report.source import Lines

_FIRST_MONDAY: Final = date(1970, 1, 5)
_FIRST: Final = 4 * 86_400
_WEEK: Final = 7 * 86_400


class Week(Struct):
    """The identifiers of a week: all of them, and those for each word of each subject."""

    users: set[int] = field(default_factory=set)
    groups: dict[str, dict[str, set[int]]] = field(default_factory=dict)


class Weeks:
    """Counts identifiers in the whole weeks from `since` until `now`.

    Parameters
    ----------
    now, since
        Weeks that have not ended by then, and weeks that began before, are left out.
    forgotten
        The identifiers that are left out.
    earlier
        What was published before; its weeks are not counted again.
    """

    def __init__(
        self,
        now: datetime,
        since: datetime | None = None,
        forgotten: Forgotten | None = None,
        earlier: Published | None = None,
    ) -> None:
        # Only whole weeks are counted.
        until = _week_at(now)
        first = min(_first_whole_week(since), until)
        self._counted = range(first, until)
        self._settled = range(0)
        self._earlier = earlier
        if earlier:
            self._settled = range(_week_of(earlier.counted.since), _week_of(earlier.counted.until))
            # Without a gap: the JSON has one range, so later runs would take a gap for counted.
            self._counted = range(min(first, self._settled.start), max(until, self._settled.stop))
        self._forgotten = forgotten
        self._weeks: dict[int, Week] = {}
        self._newest = -1

    def add(self, block: bytes) -> int:
        """Count the users in a block of lines, and return the number of lines."""
        records = decode_lines(block)
        for record in records:
            if record is None:
                continue
            # Any record shows how far the source goes, even one that is not counted.
            self._newest = max(self._newest, _week_at(record.timestamp))
            # A website or an app may use the same project: its users did not agree to this page.
            if record.properties.lib == LIB:
                self._count(record)
        return len(records)

    def _count(self, record: Any) -> None:
        user = record.distinct_id
        if user is None or (self._forgotten and user in self._forgotten):
            return
        number = _week_at(record.timestamp)
        if number not in self._counted or number in self._settled:
            return
        week = self._weeks.setdefault(number, Week())
        # An export may have the same identifier in capitals.
        identifier = hash(user.lower())
        week.users.add(identifier)
        for subject, word in _words(record):
            group = week.groups.setdefault(subject, {})
            group.setdefault(word, set()).add(identifier)

    @property
    def unreached(self) -> date | None:
        """The first week that would be closed although no record of it or a later one was read."""
        first = max(self._newest + 1, self._settled.stop, self._counted.start)
        return _monday_of(first) if first in self._counted else None

    def published(self) -> Published:
        """Return what may be published; a week with too few users is left out."""
        weeks = [
            PublishedWeek(
                _monday_of(number),
                rounded_down(len(week.users)),
                {each.name: cells(week.groups.get(each.name, {})) for each in SUBJECTS},
            )
            for number, week in self._weeks.items()
            if len(week.users) >= MIN_USERS
        ]
        if self._earlier:
            weeks += self._earlier.weeks
        weeks.sort(key=lambda week: week.monday)
        counted = Counted(_monday_of(self._counted.start), _monday_of(self._counted.stop))
        return Published(counted, weeks)


def count(
    source: Lines,
    weeks: Weeks,
    progress: Callable[[float | None, int], None] = lambda done, records: None,
) -> Published:
    """Count the users in a source, and return what may be published.

    Raises
    ------
    ReportError
        The source cannot be read.
    """
    number = 0
    for block in source.blocks():
        number += weeks.add(block)
        progress(source.done, number)
    return weeks.published()


def _week_at(at: datetime) -> int:
    return (int(at.timestamp()) - _FIRST) // _WEEK


def _first_whole_week(since: datetime | None) -> int:
    """Return the number of the first whole week since a time."""
    return max(0, -((_FIRST - int(since.timestamp())) // _WEEK)) if since else 0


def _week_of(monday: date) -> int:
    return (monday - _FIRST_MONDAY).days // 7


def _monday_of(number: int) -> date:
    return _FIRST_MONDAY + timedelta(weeks=number)


def _words(record: Any) -> list[tuple[str, str]]:
    """Return the subjects of a record, each with a word of its vocabulary."""
    values = record.properties
    match record:
        case RequestRecord() | EmbeddingRecord():
            return [
                ("models", MODELS.member(values.model)),
                ("edit_formats", EDIT_FORMATS.member(values.edit_format)),
            ]
        case FeatureRecord():
            kind, word = FEATURES.member(values.kind), _FEATURE.accept(values.name)
            known = OTHER not in (kind, word)
            return [("features", f"{_PREFIX[kind]}{word}" if known else OTHER)]
        case ErrorRecord():
            return [("errors", EXCEPTIONS.member(values.exception))]
    return []


_FEATURE: Final = properties(FeatureUsed)["name"]
_PREFIX: Final = {
    "line magic": "%",
    "cell magic": "%%",
    "shell command": "!",
    "help": "help: ",
    "debugger": "debugger: ",
}
