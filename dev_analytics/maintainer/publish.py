"""The public page: what users share, week by week, in numbers in which nobody can be found.

Each whole week is counted by itself and never added to others: what a later page tells of a week
that an earlier one had told cannot be subtracted to get the days or the users between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from msgspec import Struct, field, json

from dev_analytics.catalogue.events import (
    EDIT_FORMATS,
    EXCEPTIONS,
    FEATURES,
    MODELS,
    ErrorRaised,
    FeatureUsed,
    LLMRequest,
    properties,
)
from dev_analytics.catalogue.vocabulary import OTHER
from dev_analytics.maintainer.anonymous import MIN_USERS, Cell, cells, rounded_down
from dev_analytics.version import __version__
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

MADE_BY: Final = '{"made_by":"dev-analytics publish"'
"""How the JSON of every page begins."""
_FIRST_MONDAY: Final = date(1970, 1, 5)
_FIRST: Final = 4 * 86_400
_WEEK: Final = 7 * 86_400


class Subject(Struct, frozen=True):
    """Something that the page tells of.

    Attributes
    ----------
    name
        Its field in the JSON.
    title
        What is above it.
    why
        What it is collected for.
    """

    name: str
    title: str
    why: str


SUBJECTS: Final = (
    Subject("models", "Models", LLMRequest.why.properties["model"]),
    Subject("edit_formats", "Edit formats", LLMRequest.why.properties["edit_format"]),
    Subject("features", "Features", FeatureUsed.why.event),
    Subject("errors", "Errors", ErrorRaised.why.event),
)


class Week(Struct):
    """The identifiers of a week: all of them, and those of each word of each subject."""

    users: set[int] = field(default_factory=set)
    groups: dict[str, dict[str, set[int]]] = field(default_factory=dict)


class PublishedWeek(Struct, frozen=True):
    """What may be told of a week.

    Attributes
    ----------
    monday
        Its first day.
    users
        How many identifiers there were, at least.
    subjects
        The numbers of each subject.
    """

    monday: date
    users: int
    subjects: Mapping[str, list[Cell]]


class Weeks:
    """Counts identifiers by week.

    Parameters
    ----------
    now
        Weeks that have not ended by then are left out.
    since
        Weeks that began before are left out.
    forgotten
        Whose records are left out.
    """

    def __init__(
        self, now: datetime, since: datetime | None = None, forgotten: Forgotten | None = None
    ) -> None:
        self._ended = _number(int(now.timestamp()))
        # A week of which a part is too old is no whole one.
        first = int(since.timestamp()) if since else 0
        self._first = max(0, _number(first + _WEEK - 1))
        self._forgotten = forgotten
        self._weeks: dict[int, Week] = {}

    def add(self, block: bytes) -> int:
        """Count the lines of a block, and give how many there were."""
        records = decode_lines(block)
        for record in records:
            # What a website or an app keeps in the same project is nobody's who said yes to dev.
            if record is not None and record.properties.lib == LIB:
                self._count(record)
        return len(records)

    def _count(self, record: Any) -> None:
        user = record.distinct_id
        if user is None or (self._forgotten and user in self._forgotten):
            return
        number = _number(int(record.timestamp.timestamp()))
        if not self._first <= number < self._ended:
            return
        week = self._weeks.setdefault(number, Week())
        identifier = hash(user)
        week.users.add(identifier)
        for subject, word in _words(record):
            group = week.groups.setdefault(subject, {})
            group.setdefault(word, set()).add(identifier)

    def published(self) -> list[PublishedWeek]:
        """Return what may be told, the oldest week first; weeks with too few users are none."""
        return [
            PublishedWeek(
                _FIRST_MONDAY + timedelta(weeks=number),
                rounded_down(len(week.users)),
                {each.name: cells(week.groups.get(each.name, {})) for each in SUBJECTS},
            )
            for number, week in sorted(self._weeks.items())
            if len(week.users) >= MIN_USERS
        ]


def count(
    source: Lines,
    weeks: Weeks,
    progress: Callable[[float | None, int], None] = lambda done, records: None,
) -> list[PublishedWeek]:
    """Count what a source holds, and give what may be told of it.

    Raises
    ------
    ReportError
        It cannot be read.
    """
    number = 0
    for block in source.blocks():
        number += weeks.add(block)
        progress(source.done, number)
    return weeks.published()


def as_json(published: list[PublishedWeek], note: str = "") -> str:
    """Return the numbers as JSON."""
    fields: dict[str, Any] = {
        "made_by": "dev-analytics publish",
        "version": __version__,
        "note": note,
        "at_least": MIN_USERS,
        "weeks": [
            {
                "week": week.monday.isoformat(),
                "users": week.users,
                **{
                    subject: [{"name": cell.name, "users": cell.users} for cell in numbers]
                    for subject, numbers in week.subjects.items()
                },
            }
            for week in published
        ],
    }
    return json.encode(fields).decode() + "\n"


def _number(seconds: int) -> int:
    return (seconds - _FIRST) // _WEEK


def _words(record: Any) -> list[tuple[str, str]]:
    """Return what a record tells of, in words of the vocabularies and no others."""
    said = record.properties
    match record:
        case RequestRecord() | EmbeddingRecord():
            return [
                ("models", MODELS.member(said.model)),
                ("edit_formats", EDIT_FORMATS.member(said.edit_format)),
            ]
        case FeatureRecord():
            kind, word = FEATURES.member(said.kind), _FEATURE.accept(said.name)
            known = OTHER not in (kind, word)
            return [("features", f"{_SIGN[kind]}{word}" if known else OTHER)]
        case ErrorRecord():
            return [("errors", EXCEPTIONS.member(said.exception))]
    return []


_FEATURE: Final = properties(FeatureUsed)["name"]
_SIGN: Final = {
    "line magic": "%",
    "cell magic": "%%",
    "shell command": "!",
    "help": "help: ",
    "debugger": "debugger: ",
}
