"""The record: what one event becomes, and the one place where it becomes bytes.

Preview, event log, spool line and request body hold the bytes that `Form.fill` returns, so that
what a user sees is what is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

from dev_analytics.catalogue.events import LLMRequest, UndeclaredError, properties, required
from dev_analytics.catalogue.fields import UNSET, Event, fields
from dev_analytics.catalogue.values import Frames
from dev_analytics.process import plain_json
from dev_analytics.process.forks import in_child
from dev_analytics.process.native import Clock, as_uuid, urandom

encode: Final[Callable[[Mapping[str, object]], str]] = plain_json.encode
"""Returns a record, or its properties, as JSON on one line.

It is that of Python's own ``json.dumps``, so that what PostHog's SDK makes of a record for the body
of a request is the very line that the user read.
"""
_DRAWN_AT_ONCE: Final = 32
_RANDOM: Final = int.from_bytes(bytes.fromhex("ffffffffffff0fff3fffffffffffffff") * _DRAWN_AT_ONCE)
_FIXED: Final = int.from_bytes(bytes.fromhex("00000000000040008000000000000000") * _DRAWN_AT_ONCE)
"""Which bits of as many UUID4 are random, and version and variant, which are not."""
_Order: TypeAlias = "tuple[tuple[str, str], ...]"
MAX_ORDERS: Final = 64
"""How many sets of properties a form knows how to write."""
MAX_WRITTEN: Final = 256
"""How many different contents a form caches as text: looking one up is faster than encoding it.

Equal values are the same content, because each property has values of one type only.
"""


class Form:
    """The record of one event in one recording, with the places to fill in.

    What its records have in common is encoded once: encoding it for each of them would take longer
    than everything else that is done in memory.

    Parameters
    ----------
    event
        The event's class.
    distinct_id
        The user's UUID4, None without consent.
    session_id
        The recording.

    Attributes
    ----------
    filled
        How many records it has made.
    """

    def __init__(self, event: type[Event], *, distinct_id: str | None, session_id: str) -> None:
        self._event = event
        self.filled = 0
        self._required = required(event)
        self._prices: Callable[[Mapping[str, object]], Mapping[str, object]] | None = None
        given: dict[str, object] = {"session_id": session_id, "seq": 0}
        # Fields with a default are the same in every record; the others are left open.
        own = {
            each.name: each.wire
            for each in fields(event)
            if each.name not in given and (each.default is UNSET or each.required)
        }
        if issubclass(event, LLMRequest):
            from dev_analytics.catalogue.costs import prices

            self._prices, given["trace_id"] = prices, ""
        whole = encode(whole_record(event, distinct_id, "", "", given))
        # No value contains these markers, as quotation marks in values are escaped.
        self._head, whole = _cut(whole, '"uuid": "')
        self._time, whole = _cut(whole, '"timestamp": "')
        self._properties, whole = _cut(whole, '"properties": {')
        self._trace = ""
        if self._prices is not None:
            del own["trace_id"]
            self._trace, whole = _cut(whole, '"$ai_trace_id": "')
        self._seq, self._tail = _cut(whole, '"seq": ')
        self._tail = self._tail.removeprefix("0")
        self._wires = own
        # Properties that are complete, in order and not renamed are encoded as given.
        self._whole = tuple(own) if tuple(own) == tuple(self._wires.values()) else None
        self._orders: dict[tuple[str, ...], _Order] = {}
        # Words and rounded durations recur; token counts hardly ever do, and lists have no hash.
        lists = any(type(kind) is Frames for kind in properties(event).values())
        self._recurs = not (self._trace or lists)
        self._written: dict[tuple[object, ...], str] = {}

    def fill(
        self, accepted: Mapping[str, object], seq: int, seconds: int, uuid: str | None = None
    ) -> bytes:
        """Return a record: one JSON object on one line, without line end.

        Preview, event log, spool line and request body hold these very bytes.

        Parameters
        ----------
        accepted
            The event's properties, as `Acceptor.accept` returned them.
        seq
            Its number in the recording.
        seconds
            When, in whole seconds since the epoch.
        uuid
            The record's own identifier; None draws one.

        Raises
        ------
        UndeclaredError
            A property that the event must have is missing.
        """
        own = uuid4() if uuid is None else uuid
        if self._prices is not None and (prices := self._prices(accepted)):
            accepted = {**accepted, **prices}
        if self._recurs:
            content = (*accepted, *accepted.values())
            written = self._written.get(content) or self._keep(content, accepted)
        else:
            written = self._write(accepted, own)
        self.filled += 1
        return (f"{self._head}{own}{self._time}{iso(seconds)}{written}{seq}{self._tail}").encode()

    def _write(self, accepted: Mapping[str, object], uuid: str) -> str:
        """Return the text between the time and the number."""
        names = tuple(accepted)
        if names != self._whole:
            order = self._orders.get(names) or self._order(names)
            accepted = {wire: accepted[name] for wire, name in order}
        own = encode(accepted)[1:-1] + (", " if accepted else "")
        trace = f"{self._trace}{uuid}" if self._trace else ""
        return f"{self._properties}{own}{trace}{self._seq}"

    def _keep(self, content: tuple[object, ...], accepted: Mapping[str, object]) -> str:
        """Return the same text, and cache it."""
        written = self._write(accepted, "")
        if len(self._written) >= MAX_WRITTEN:
            self._written.clear()
        self._written[content] = written
        return written

    def _order(self, names: tuple[str, ...]) -> _Order:
        """Return the wire names and names of these properties, in the order of the event's class.

        It is cached: working it out takes as long as encoding, and a caller mostly passes the same.

        Raises
        ------
        UndeclaredError
            One is unknown, or one that the event must have is missing.
        """
        given = frozenset(names)
        if wrong := given - self._wires.keys() | self._required - given:
            raise UndeclaredError(f"{self._event.wire!r}: {', '.join(sorted(wrong))}")
        order = tuple((wire, name) for name, wire in self._wires.items() if name in given)
        if len(self._orders) >= MAX_ORDERS:
            self._orders.clear()
        self._orders[names] = order
        return order


def whole_record(
    event: type[Event],
    distinct_id: str | None,
    uuid: str,
    timestamp: str,
    given: Mapping[str, object],
) -> dict[str, object]:
    """Return a record as what its JSON says: `given`, with the defaults of `event` between.

    Parameters
    ----------
    event
        The event's class.
    distinct_id
        The user's random UUID4; None in a record made without consent.
    uuid
        The record's own random UUID4, the same however often it is sent.
    timestamp
        Whole seconds, UTC.
    given
        Properties by their names in Python, those of every event too.
    """
    properties = {
        each.wire: given.get(each.name, each.default)
        for each in fields(event)
        if each.name in given or not (each.required or each.default is UNSET)
    }
    return {
        "event": event.wire,
        "distinct_id": distinct_id,
        "uuid": uuid,
        "timestamp": timestamp,
        "properties": properties,
    }


@lru_cache(maxsize=4)
def iso(seconds: int) -> str:
    """Return a time in whole seconds since the epoch as RFC 3339 text, in UTC."""
    return Clock.strftime("%Y-%m-%dT%H:%M:%S+00:00", Clock.gmtime(seconds))


def uuid4() -> str:
    """Return a random UUID4 (RFC 9562) as text, several times faster than ``uuid`` does."""
    try:
        return _draw()
    except IndexError:
        return _Drawn.more()


def new_session_id(seconds: int) -> str:
    """Return a UUID7 (RFC 9562) whose time is `seconds`, no finer than the time of the records."""
    return as_uuid(f"{seconds * 1000:012x}{urandom(10).hex()}", 7)


class _Drawn:
    """Identifiers made in advance: making many at once is several times faster."""

    waiting: Final[list[str]] = []

    @classmethod
    def more(cls) -> str:
        """Make more, and return one of them."""
        drawn = int.from_bytes(urandom(16 * _DRAWN_AT_ONCE)) & _RANDOM | _FIXED
        # Groups of four digits, with three dashes too many in each: all are deleted at once.
        digits = bytearray(drawn.to_bytes(16 * _DRAWN_AT_ONCE).hex("-", 2).encode())
        del digits[34::40], digits[29::39], digits[4::38]
        # One split takes half the time of as many slices.
        digits[36::37] = b" " * (_DRAWN_AT_ONCE - 1)
        first, *rest = digits.decode().split(" ")
        cls.waiting.extend(rest)
        return first


_draw: Final = _Drawn.waiting.pop

# Parent and child must not use the same ones.
in_child(_Drawn.waiting.clear)


def _cut(text: str, after: str) -> tuple[str, str]:
    """Split `text` after the first `after`."""
    at = text.index(after) + len(after)
    return text[:at], text[at:]
