"""The published numbers as JSON, beside the page; the next run reads them back.

A week is counted only once. The JSON has the range of all weeks that were counted, so those with
too few users are not counted again either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Final

from msgspec import DecodeError, Struct, ValidationError, convert, json

from dev_analytics import __version__
from dev_analytics.catalogue.events import ErrorRaised, FeatureUsed, LLMRequest
from dev_analytics.maintainer.anonymous import MIN_USERS, Cell
from dev_analytics.views.report.source import ReportError

MADE_BY: Final = '{"made_by":"dev-analytics publish"'
"""The beginning of every such JSON file."""


class Subject(Struct, frozen=True):
    """A subject of the page: its field in the JSON, its heading, and what it is collected for."""

    name: str
    title: str
    why: str


SUBJECTS: Final = (
    Subject("models", "Models", LLMRequest.why.properties["model"]),
    Subject("edit_formats", "Edit formats", LLMRequest.why.properties["edit_format"]),
    Subject("features", "Features", FeatureUsed.why.event),
    Subject("errors", "Errors", ErrorRaised.why.event),
)


class PublishedWeek(Struct, frozen=True):
    """The published numbers of the week from `monday` on: of all users, and of each subject."""

    monday: date
    users: int
    subjects: Mapping[str, Sequence[Cell]]


class Counted(Struct, frozen=True):
    """The weeks that were counted, including those with too few users: two Mondays.

    `until` is the Monday after the last week.
    """

    since: date
    until: date


class Published(Struct, frozen=True):
    """Everything that is published: the weeks that were counted, and their numbers.

    The oldest week comes first.
    """

    counted: Counted
    weeks: Sequence[PublishedWeek]

    def since(self, when: datetime | None) -> Sequence[PublishedWeek]:
        """Return the weeks that began at or after a time; all of them without one."""
        return [week for week in self.weeks if when is None or _midnight(week.monday) >= when]


def as_json(published: Published, note: str = "") -> str:
    """Return the numbers as JSON."""
    fields: dict[str, Any] = {
        "made_by": "dev-analytics publish",
        "version": __version__,
        "note": note,
        "at_least": MIN_USERS,
        "counted": published.counted,
        "weeks": [
            {"week": week.monday, "users": week.users, **week.subjects} for week in published.weeks
        ],
    }
    return json.encode(fields).decode() + "\n"


class _File(Struct):
    at_least: int
    counted: Counted
    weeks: list[dict[str, Any]]


def read(numbers: Path, page: Path) -> Published | None:
    """Return what was published before, from the JSON file; None if there is no page yet.

    Raises
    ------
    ReportError
        The JSON file is missing, although there is a page, or cannot be read.
    """
    try:
        content = numbers.read_bytes() if numbers.exists() else b""
        if not content and not (page.exists() and page.stat().st_size):
            return None
    except OSError as error:
        raise ReportError(f"{numbers}: {error.strerror}") from None
    try:
        found = json.decode(content, type=_File)
        if found.at_least != MIN_USERS:
            raise ValidationError("other rules")
        weeks = [
            PublishedWeek(
                convert(week["week"], date),
                convert(week["users"], int),
                {each.name: convert(week[each.name], list[Cell]) for each in SUBJECTS},
            )
            for week in found.weeks
        ]
    except (DecodeError, KeyError):
        raise ReportError(
            f"{numbers} is needed to see which weeks were published before, and cannot be read: "
            "restore the file that belongs to the page, or give another folder"
        ) from None
    return Published(found.counted, weeks)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
