"""Decides what may leave: only records that the catalogue or an agreed tool declares.

The sender is the last gate before the network and the archive. Whatever wrote a line into the
spool, the line leaves only if it is the one way to write a record of a declared event: with these
fields and no others, every value one of its kind, every constant as declared. That is checked by
decoding the line into the event's own class and encoding it again: an extra field, a repeated key
or another spelling of the same text would result in different bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final, Literal

from msgspec import NODEFAULT, UNSET, Struct, UnsetType, defstruct, json
from msgspec.structs import FieldInfo, fields

from dev_analytics.catalogue import common
from dev_analytics.catalogue.costs import OWN
from dev_analytics.catalogue.events import EVENTS, Event, LLMRequest, properties
from dev_analytics.catalogue.kind import Kind
from dev_analytics.catalogue.source import functions
from dev_analytics.catalogue.values import (
    MAX_FRAMES,
    MAX_INTEGER,
    Flag,
    Frames,
    RefusedValueError,
    Version,
    Word,
)
from dev_analytics.catalogue.vocabulary import OTHER
from dev_analytics.consent.decision import Consent
from dev_analytics.tools.declaration import event_name, tool_of
from dev_analytics.version import RELEASES, __version__

_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-%d[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_UUID4: Final = re.compile(_UUID % 4)
_UUID7: Final = re.compile(_UUID % 7)
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\+00:00")
_NUMBERS: Final = re.compile(r"(0|[1-9][0-9]{0,3})(\.(0|[1-9][0-9]{0,3})){0,2}")
_RELEASE: Final = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,4}){0,3})(?:[a-z]{1,4}[0-9]{1,4})?")
_BEFORE_NAME: Final = len(b'{"event": "')
_AFTER_NAME: Final = b'", "distinct_id": "'

_encode: Final = json.Encoder().encode


class Verdict(Enum):
    """What may become of a line of the spool."""

    ALLOWED = auto()
    FOREIGN = auto()
    """It has another identifier, or is from a tool that the user did not agree to."""
    UNKNOWN = auto()
    """A newer version of the package, or a tool that is not installed here, may know it."""
    UNDECLARED = auto()
    """It is a record with something that nobody declared."""
    RUBBISH = auto()
    """It is not a record."""


class Line(Struct, frozen=True):
    """A line of the spool: what may become of it, and the time in its record."""

    verdict: Verdict
    timestamp: str = ""


class _Any(Struct):
    """A record as any version of the package writes it."""

    event: str
    distinct_id: str | None
    uuid: str
    timestamp: str
    properties: dict[str, Any]


_any: Final = json.Decoder(_Any)


class Allowed:
    """Decides which lines may leave, under one consent.

    Parameters
    ----------
    consent
        The user's consent. What is newer than the notices that it covers may not leave.
    """

    def __init__(self, consent: Consent) -> None:
        self._consent = consent
        self._forms: dict[bytes, _Form] = {}

    def check(self, line: bytes) -> Line:
        """Return what may become of `line`."""
        name = line[_BEFORE_NAME : line.find(_AFTER_NAME, _BEFORE_NAME)]
        form = self._forms.get(name)
        if form is None and (form := self._form(name)) is not None:
            self._forms[name] = form
        if form is not None:
            timestamp = form.timestamp(line, self._consent.user_id)
            if timestamp:
                return Line(Verdict.ALLOWED, timestamp)
        return self._other(line, known=form is not None)

    def _form(self, name: bytes) -> _Form | None:
        """Return the form of the event called `name`."""
        try:
            wire = name.decode("ascii")
        except UnicodeDecodeError:
            return None
        event = _CORE.get(wire)
        if event is not None:
            return _form(event, self._consent.notice)
        if not tool_of(wire):
            return None
        from dev_analytics.tools.installed import find

        found = find(event_name(wire))
        if found is None or found.event.wire != wire or not self._consent.covers(found.tool):
            return None
        return _form(found.event, found.agreed(self._consent))

    def _other(self, line: bytes, *, known: bool) -> Line:
        """Return what may become of a line that is no declared record of this user."""
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
        # An invalid time would never be too old.
        if may_be_known and _is_time(record.timestamp):
            return Line(Verdict.UNKNOWN, record.timestamp)
        return Line(Verdict.UNDECLARED)


class _Form:
    """The one way to write the records of an event.

    Parameters
    ----------
    event
        The event.
    notice
        The notice that was agreed to; the records have nothing newer.
    """

    def __init__(self, event: type[Event], notice: int) -> None:
        declared = properties(event)
        agreed = [
            field
            for field in fields(event)
            if field.name not in declared or declared[field.name].since <= notice
        ]
        self._wire = event.wire
        self._is_agreed = event.since <= notice
        self._checks = [
            (field.name, _check(declared[field.name]))
            for field in agreed
            if field.name in declared and not isinstance(declared[field.name], Word | Flag)
        ]
        self._constants = [
            (field.name, _constants(field))
            for field in agreed
            if field.name not in declared and field.name not in _VARIABLE
        ]
        self._is_request = issubclass(event, LLMRequest)
        self._sessions: set[str] = set()
        self._decoder = _decoder(event, agreed, declared)

    def timestamp(self, line: bytes, user_id: str | None) -> str:
        """Return the time of the record in `line`, or an empty text if it is not allowed."""
        try:
            record = self._decoder.decode(line)
        except (ValueError, RecursionError):
            return ""
        values = record.properties
        allowed = (
            self._is_agreed
            and record.event == self._wire
            and record.distinct_id == user_id
            and _UUID4.fullmatch(record.uuid)
            and _is_time(record.timestamp)
            and 0 < values.seq <= MAX_INTEGER
            and self._is_session(values.session_id)
            and values.lib_version in RELEASES
            and (not self._is_request or _is_request(values, record.uuid))
            and self._holds(values)
            and json.format(_encode(record), indent=0) == line
        )
        return record.timestamp if allowed else ""

    def _holds(self, values: Any) -> bool:
        """Return whether the constants are right, and each property has a value of its kind."""
        for name, constants in self._constants:
            if getattr(values, name) not in constants:
                return False
        for name, check in self._checks:
            value = getattr(values, name)
            if value is not UNSET and not check(value):
                return False
        return True

    def _is_session(self, session_id: str) -> bool:
        """Return whether it is one of ours; the records of a session follow each other."""
        if session_id in self._sessions:
            return True
        if not _is_session(session_id):
            return False
        if len(self._sessions) > 100:
            self._sessions.clear()
        self._sessions.add(session_id)
        return True


_VARIABLE: Final = frozenset({"session_id", "seq", "lib_version", "trace_id"})
"""The properties without a kind that differ from record to record."""

_CORE: Final = {event.wire: event for event in EVENTS.values()}
_forms: Final[dict[tuple[type[Event], int], _Form]] = {}
_times: Final[set[str]] = set()


def _form(event: type[Event], notice: int) -> _Form:
    """Return the form of an event; it is made only once, as making its decoder takes a while."""
    form = _forms.get((event, notice))
    if form is None:
        form = _forms[event, notice] = _Form(event, notice)
    return form


def _decoder(
    event: type[Event], agreed: Sequence[FieldInfo], declared: Mapping[str, Kind]
) -> json.Decoder[Any]:
    """Return a decoder for the `agreed` fields, which takes only the words of each vocabulary."""
    named = {field.name: field.encode_name for field in agreed}
    values = defstruct(
        event.__name__,
        [_field(field, declared.get(field.name)) for field in agreed],
        kw_only=True,
        rename=named,
        forbid_unknown_fields=True,
    )
    top: list[tuple[str, Any]] = [
        *((name, str) for name in ("event", "distinct_id", "uuid", "timestamp")),
        ("properties", values),
    ]
    return json.Decoder(defstruct("Record", top, forbid_unknown_fields=True))


def _field(field: FieldInfo, kind: Kind | None) -> tuple[str, Any] | tuple[str, Any, Any]:
    """Return the declaration of a field of the event for its decoder."""
    declared = field.type
    if isinstance(kind, Word):
        words = {OTHER}.union(*(each.members for each in kind.vocabularies))
        declared = Literal[tuple(sorted(words))] | UnsetType
    return (
        (field.name, declared)
        if field.default is NODEFAULT
        else (field.name, declared, field.default)
    )


def _is_request(values: Any, uuid: str) -> bool:
    """Return whether the derived properties of a request to a model follow from its own ones.

    There are prices only where the user's own machine serves the model, and then both of them.
    """
    priced = values.input_token_price is not UNSET
    return (
        values.trace_id == uuid
        and priced == (values.output_token_price is not UNSET)
        and (not priced or values.provider in OWN)
    )


def _constants(field: FieldInfo) -> tuple[object, object]:
    """Return the values of a field without a kind: the declared one, and none if it is optional."""
    declared = common.PROPERTIES[field.encode_name].schema
    return field.default, declared.get("const", field.default)


def _check(kind: Kind) -> Callable[[Any], bool]:
    """Return a function that checks whether a value of the right type is a result of `kind`."""
    match kind:
        case Version():
            return lambda value: value == OTHER or _NUMBERS.fullmatch(value) is not None
        case Frames():
            return lambda value: len(value) <= MAX_FRAMES and all(map(_is_place, value))
    return lambda value: _gives(kind, value)


def _gives(kind: Kind, value: object) -> bool:
    """Return whether `kind` leaves `value` as it is: within its bounds, and already rounded.

    Minus zero is equal to zero, but is written differently.
    """
    try:
        return kind.accept(value) == value and (value != 0 or str(value)[0] != "-")
    except RefusedValueError:
        return False


def _is_place(place: str) -> bool:
    """Return whether ``module:function:line`` is in the shipped source."""
    parts = place.split(":")
    if len(parts) != 3 or not re.fullmatch("[1-9][0-9]{0,5}", parts[2]):
        return False
    known = functions(parts[0]).get(parts[1])
    return known is not None and known[1] <= int(parts[2]) <= known[2]


def _is_session(session_id: str) -> bool:
    """Return whether it is a UUID7 whose time has whole seconds, as those of recordings."""
    if _UUID7.fullmatch(session_id) is None:
        return False
    return int(session_id[:13].replace("-", ""), 16) % 1000 == 0


def _is_time(timestamp: str) -> bool:
    """Return whether it is a time as records have it; many records in a row have the same."""
    if timestamp in _times:
        return True
    if _TIME.fullmatch(timestamp) is None:
        return False
    try:
        datetime.fromisoformat(timestamp)
    except ValueError:
        return False
    if len(_times) > 1000:
        _times.clear()
    _times.add(timestamp)
    return True


def _is_newer(version: object) -> bool:
    """Return whether it is a version of the package that is newer than this one."""
    return _numbers(version) > _numbers(__version__)


def _numbers(version: object) -> tuple[int, ...]:
    found = _RELEASE.fullmatch(version) if isinstance(version, str) else None
    return tuple(map(int, found[1].split("."))) if found else ()
