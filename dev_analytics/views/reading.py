"""Records that are read back from their bytes, for the views that show them in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, json

from dev_analytics.catalogue.events import EVENTS
from dev_analytics.catalogue.fields import Event
from dev_analytics.catalogue.meanings import declared
from dev_analytics.tools.installed import find_wire

_EVENTS: Final[Mapping[str, type[Event]]] = {event.wire: event for event in EVENTS.values()}


class Reading(Struct, frozen=True):
    """What the views show of a record.

    Attributes
    ----------
    record
        Its exact bytes.
    event, time, seq
        The event's name, its time as in the record, and its number in the session.
    own
        The event's own properties by name, as text, without those that every record has.
    """

    record: bytes
    event: str
    time: str
    seq: int
    own: dict[str, str]


class _Record(Struct):
    event: str
    timestamp: str
    properties: dict[str, Any]


def read(record: bytes) -> Reading:
    """Read the bytes of a record of this session."""
    found = json.decode(record, type=_Record)
    given = found.properties
    event = _EVENTS.get(found.event) or find_wire(found.event) or Event
    own = {name: _text(given[name]) for name in declared(event) if name in given}
    return Reading(record, found.event, found.timestamp, given["seq"], own)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
