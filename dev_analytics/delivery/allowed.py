"""Decides what may leave: only records that the catalogue or an agreed tool declares.

The sender is the last gate before the network and the archive. Whatever wrote a line into the
spool, the line leaves only if it is a record of a declared event, written exactly as its form says:
these fields and no others, every value of its kind, every constant as declared.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Any, Final

from msgspec import Struct, json

from dev_analytics import __version__
from dev_analytics.catalogue.events import EVENTS
from dev_analytics.consent.decision import Consent
from dev_analytics.delivery.form import Form, form_of, is_time
from dev_analytics.tools.declaration import event_name, tool_of

_RELEASE: Final = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,4}){0,3})(?:[a-z]{1,4}[0-9]{1,4})?")
_CORE: Final = {event.wire: event for event in EVENTS.values()}
_BEFORE_NAME: Final = len(b'{"event": "')
_AFTER_NAME: Final = b'", "distinct_id": "'


class Verdict(Enum):
    """What a line of the spool is, which decides what to do with it."""

    ALLOWED = auto()
    FOREIGN = auto()
    """A record with another identifier, or from a tool that the user did not agree to."""
    UNKNOWN = auto()
    """A record that a newer version of the package may know, or a tool not installed here."""
    UNDECLARED = auto()
    """A record with something that is not declared."""
    RUBBISH = auto()
    """Not a record."""


class Line(Struct, frozen=True):
    """A line of the spool, checked: the verdict, and the time in its record."""

    verdict: Verdict
    timestamp: str = ""


class _Any(Struct):
    """A record as every version of the package writes it."""

    event: str
    distinct_id: str | None
    uuid: str
    timestamp: str
    properties: dict[str, Any]


_any: Final = json.Decoder(_Any)


class Allowed:
    """Decides which lines may leave: nothing newer than the notices that `consent` covers."""

    def __init__(self, consent: Consent) -> None:
        self._consent = consent
        self._forms: dict[bytes, Form] = {}

    def check(self, line: bytes) -> Line:
        """Check a line, and return the verdict."""
        name = line[_BEFORE_NAME : line.find(_AFTER_NAME, _BEFORE_NAME)]
        form = self._forms.get(name)
        if form is None and (form := self._form(name)) is not None:
            self._forms[name] = form
        if form is not None:
            timestamp = form.timestamp(line, self._consent.user_id)
            if timestamp:
                return Line(Verdict.ALLOWED, timestamp)
        return self._other(line, known=form is not None)

    def _form(self, name: bytes) -> Form | None:
        """Return the form of the event called `name`."""
        try:
            wire = name.decode("ascii")
        except UnicodeDecodeError:
            return None
        event = _CORE.get(wire)
        if event is not None:
            return form_of(event, self._consent.notice)
        if not tool_of(wire):
            return None
        from dev_analytics.tools.installed import find

        found = find(event_name(wire))
        if found is None or found.event.wire != wire or not self._consent.covers(found.tool):
            return None
        return form_of(found.event, found.agreed(self._consent))

    def _other(self, line: bytes, *, known: bool) -> Line:
        """Return the verdict on a line that is not a declared record of this user."""
        try:
            record = _any.decode(line)
        except (ValueError, RecursionError):
            return Line(Verdict.RUBBISH)
        if record.distinct_id != self._consent.user_id:
            return Line(Verdict.FOREIGN)
        tool = tool_of(record.event)
        if tool and not self._consent.covers(tool):
            return Line(Verdict.FOREIGN)
        may_be_known = _is_newer(record.properties.get("$lib_version")) or (tool and not known)
        # A record with an invalid time would never expire.
        if may_be_known and is_time(record.timestamp):
            return Line(Verdict.UNKNOWN, record.timestamp)
        return Line(Verdict.UNDECLARED)


def _is_newer(version: object) -> bool:
    """Return whether it is a version of this package newer than the installed one."""
    return _numbers(version) > _numbers(__version__)


def _numbers(version: object) -> tuple[int, ...]:
    found = _RELEASE.fullmatch(version) if isinstance(version, str) else None
    return tuple(map(int, found[1].split("."))) if found else ()
