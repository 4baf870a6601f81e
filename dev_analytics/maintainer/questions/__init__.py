"""The maintainers' questions: one HogQL file each, beginning with title, reason and drawing.

PostHog runs exactly the text of a file. ``{filters}`` in it stands for the dates of a dashboard,
which PostHog fills in; elsewhere `Question.between` does. Records are counted by their uuid, as
they may be stored twice. Times are in the PostHog project's time zone, which should be UTC.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

FOLDER: Final = Path(__file__).parent
FILTERS: Final = "{filters}"
_HEADER: Final = re.compile(
    r"-- title: (?P<title>.+)\n-- reason: (?P<reason>.+)\n-- draw: (?P<draw>.+)\n(?=SELECT\n)"
)
_DRAW: Final = re.compile(
    r"table|(?P<kind>bar|line) x=(?P<x>\w+) y=(?P<y>[\w,]+)(?: by=(?P<by>\w+))?"
)


class QuestionError(ValueError):
    """A file is not a valid question; the message says why."""


class Drawing(Struct, frozen=True):
    """How an answer is drawn: as a ``"table"``, or as a ``"bar"`` or ``"line"`` chart.

    `x` and `y` are the columns of the axes; a column `by` has a line for each of its values.
    """

    kind: str
    x: str = ""
    y: tuple[str, ...] = ()
    by: str = ""


class Question(Struct, frozen=True):
    """A question in words, why it is asked, and its query with `FILTERS` in it.

    Its name is that of its file.
    """

    name: str
    title: str
    reason: str
    drawing: Drawing
    hogql: str

    def between(self, begin: datetime | None = None, end: datetime | None = None) -> str:
        """Return the query for the time from `begin` to before `end`, each optional."""
        bounds = [
            f"timestamp {sign} toDateTime('{time:%Y-%m-%d %H:%M:%S}', 'UTC')"
            for sign, time in ((">=", begin), ("<", end))
            if time is not None
        ]
        return self.hogql.replace(FILTERS, " AND ".join(bounds) or "true")


def questions() -> list[Question]:
    """Return every question, by name."""
    return [read(file.stem, file.read_text("utf-8")) for file in sorted(FOLDER.glob("*.sql"))]


def read(name: str, text: str) -> Question:
    """Read a question from the text of its file.

    Raises
    ------
    QuestionError
        Its header is wrong, or it has no `FILTERS`.
    """
    header = _HEADER.match(text)
    if header is None:
        raise QuestionError(f"{name}: it does not begin with title, reason and draw, in this order")
    drawn = _DRAW.fullmatch(header["draw"])
    if drawn is None:
        raise QuestionError(f"{name}: {header['draw']!r} is not a way to draw")
    hogql = text[header.end() :].strip()
    if FILTERS not in hogql:
        raise QuestionError(f"{name}: it has no {FILTERS}, so a dashboard's dates do nothing")
    drawing = Drawing("table")
    if drawn["kind"]:
        drawing = Drawing(
            drawn["kind"], drawn["x"], tuple(drawn["y"].split(",")), drawn["by"] or ""
        )
    return Question(name, header["title"], header["reason"], drawing, hogql)
