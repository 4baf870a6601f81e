"""The record: what one event becomes, and the one place where it becomes bytes.

Preview, event log, spool line and request body hold the bytes that `encode` gives, so that what a
user sees is what is sent.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from msgspec import Struct, json

from dev_analytics.catalogue.events import Event, UndeclaredError
from dev_analytics.clock import Clock
from dev_analytics.native import as_uuid, urandom


class Record(Struct, frozen=True):
    """One event as it stands in the log and is delivered.

    Attributes
    ----------
    event
        The event's name.
    distinct_id
        The user's random UUID4; None in a record made without consent.
    uuid
        The record's own random UUID4, the same however often it is sent.
    timestamp
        Whole seconds, UTC.
    properties
        The event itself.
    """

    event: str
    distinct_id: str | None
    uuid: str
    timestamp: str
    properties: Event


_ENCODER: Final = json.Encoder()
_DRAWN_AT_ONCE: Final = 32


def make_record(
    event: type[Event],
    accepted: Mapping[str, object],
    *,
    distinct_id: str | None,
    session_id: str,
    seq: int,
    seconds: int,
) -> Record:
    """Make the record of an event.

    Parameters
    ----------
    event
        The event's class.
    accepted
        Its properties, as `events.accept` gave them.
    distinct_id
        The user's UUID4, None without consent.
    session_id, seq
        The session and the record's number in it.
    seconds
        When, in whole seconds since the epoch.

    Raises
    ------
    UndeclaredError
        A property that `event` must have is missing.
    """
    own = uuid4()
    if event.is_request:
        from dev_analytics.catalogue.costs import prices

        accepted = {**accepted, **prices(accepted), "trace_id": own}
    try:
        properties = event(session_id=session_id, seq=seq, **accepted)  # type: ignore[arg-type]
    except TypeError as error:
        raise UndeclaredError(f"{event.wire!r}: {error}") from None
    return Record(event.wire, distinct_id, own, iso(seconds), properties)


def encode(record: Record) -> bytes:
    """Give the bytes of `record`: one JSON object on one line, no line end.

    They are those of Python's own ``json.dumps``, so that what PostHog's SDK makes of a record for
    the body of a request is the very line that the user read.
    """
    return json.format(_ENCODER.encode(record), indent=0)


@lru_cache(maxsize=4)
def iso(seconds: int) -> str:
    """Write a time in whole seconds since the epoch as RFC 3339, in UTC."""
    return Clock.strftime("%Y-%m-%dT%H:%M:%S+00:00", Clock.gmtime(seconds))


def uuid4() -> str:
    """Make a random UUID4 (RFC 9562) as text, in a fraction of the time that ``uuid`` takes."""
    try:
        return _draw()
    except IndexError:
        return _Drawn.more()


def new_session_id(seconds: int) -> str:
    """Make a UUID7 (RFC 9562) whose time is `seconds`, no finer than the time of the records."""
    return as_uuid(f"{seconds * 1000:012x}{urandom(10).hex()}", 7)


class _Drawn:
    """Identifiers that wait to be used: many at once are drawn and written much faster."""

    waiting: Final[list[str]] = []

    @classmethod
    def more(cls) -> str:
        """Draw more, and give one of them."""
        digits = urandom(16 * _DRAWN_AT_ONCE).hex()
        first, *rest = (as_uuid(digits[at : at + 32], 4) for at in range(0, len(digits), 32))
        cls.waiting.extend(rest)
        return first


_draw: Final = _Drawn.waiting.pop

if hasattr(os, "register_at_fork"):
    # Parent and child must not use the same ones.
    os.register_at_fork(after_in_child=_Drawn.waiting.clear)
