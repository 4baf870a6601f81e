"""What is published: whole weeks, in the JSON beside the page, which is also what is remembered.

A week that was counted once is not counted again; the JSON says from when until when all of them
were, so that one which had too few users stays as it is too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Final

from msgspec import DecodeError, Struct, ValidationError, convert, json

from dev_analytics.catalogue.events import ErrorRaised, FeatureUsed, LLMRequest
from dev_analytics.maintainer.anonymous import MIN_USERS, Cell
from dev_analytics.version import __version__
from dev_analytics.views.report.source import ReportError

MADE_BY: Final = '{"made_by":"dev-analytics publish"'
"""How the JSON of every page begins."""


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
    subjects: Mapping[str, Sequence[Cell]]


class Counted(Struct, frozen=True):
    """Which weeks were counted, those with too few users too: Mondays.

    Attributes
    ----------
    since
        The first.
    until
        The one after the last.
    """

    since: date
    until: date


class Published(Struct, frozen=True):
    """All that is published.

    Attributes
    ----------
    counted
        The weeks that were counted.
    weeks
        What may be told of them, the oldest first.
    """

    counted: Counted
    weeks: Sequence[PublishedWeek]

    def since(self, when: datetime | None) -> Sequence[PublishedWeek]:
        """Return the weeks that did not begin before a time."""
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
    """Return what was published before, or nothing if there is no page yet.

    Parameters
    ----------
    numbers, page
        The JSON and the HTML.

    Raises
    ------
    ReportError
        What was published before cannot be known.
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
            f"{numbers} does not say what was published before, and no week is counted twice: "
            "put back the one that belongs to the page, or name another folder"
        ) from None
    return Published(found.counted, weeks)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
