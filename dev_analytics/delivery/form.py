"""The form of an event's records: the one way to write them, checked to the byte.

A line is decoded into a class made of the event's fields and encoded again. An extra field, a
repeated key or another spelling of the same text would result in different bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal, get_args, get_type_hints

import msgspec
from msgspec import defstruct, json

from dev_analytics import RELEASES
from dev_analytics.catalogue import common
from dev_analytics.catalogue.costs import OWN
from dev_analytics.catalogue.events import LLMRequest, properties
from dev_analytics.catalogue.fields import UNSET, Event, Field, UnsetType, fields
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

_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-%d[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_UUID4: Final = re.compile(_UUID % 4)
_UUID7: Final = re.compile(_UUID % 7)
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\+00:00")
_NUMBERS: Final = re.compile(r"(0|[1-9][0-9]{0,3})(\.(0|[1-9][0-9]{0,3})){0,2}")
_VARIABLE: Final = frozenset({"session_id", "seq", "lib_version", "trace_id"})
"""The properties without a kind that differ from record to record."""
_REMEMBERED: Final = 256
"""How many session identifiers and times are remembered, so as not to check them again."""

_encode: Final = json.Encoder().encode
_forms: Final[dict[tuple[type[Event], int], Form]] = {}


class Form:
    """The one way to write the records of an event, as far as `notice` covers them."""

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
        self._decoder = _decoder(event, agreed, declared)

    def timestamp(self, line: bytes, user_id: str | None) -> str:
        """Return the time of the record in `line`, or an empty string if it is not allowed."""
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
            and is_time(record.timestamp)
            and 0 < values.seq <= MAX_INTEGER
            and _is_session(values.session_id)
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
            if value is not msgspec.UNSET and not check(value):
                return False
        return True


def form_of(event: type[Event], notice: int) -> Form:
    """Return the form of an event, created only once: creating its decoder is slow."""
    form = _forms.get((event, notice))
    if form is None:
        form = _forms[event, notice] = Form(event, notice)
    return form


def _decoder(
    event: type[Event], agreed: Sequence[Field], declared: Mapping[str, Kind]
) -> json.Decoder[Any]:
    """Return a decoder for the `agreed` fields that accepts only words of their vocabularies."""
    named = {field.name: field.wire for field in agreed}
    hints = get_type_hints(event)
    values = defstruct(
        event.__name__,
        [_field(field, hints[field.name], declared.get(field.name)) for field in agreed],
        kw_only=True,
        rename=named,
        forbid_unknown_fields=True,
    )
    top: list[tuple[str, Any]] = [
        *((name, str) for name in ("event", "distinct_id", "uuid", "timestamp")),
        ("properties", values),
    ]
    return json.Decoder(defstruct("Record", top, forbid_unknown_fields=True))


def _field(field: Field, hint: Any, kind: Kind | None) -> tuple[str, Any] | tuple[str, Any, object]:
    """Return the declaration of a field of the event for its decoder."""
    if field.default is UNSET:
        (hint,) = {*get_args(hint)} - {UnsetType}
    if isinstance(kind, Word):
        words = {OTHER}.union(*(each.members for each in kind.vocabularies))
        hint = Literal[tuple(sorted(words))]
    if field.default is UNSET:
        hint |= msgspec.UnsetType
    return (field.name, hint) if field.required else (field.name, hint, _default(field))


def _default(field: Field) -> object:
    """Return the value of a field that a decoded record lacks."""
    return msgspec.UNSET if field.default is UNSET else field.default


def _is_request(values: Any, uuid: str) -> bool:
    """Return whether the derived properties of a request to a model follow from the others.

    It has both prices if the user's own machine serves the model, and otherwise none.
    """
    priced = values.input_token_price is not msgspec.UNSET
    return (
        values.trace_id == uuid
        and priced == (values.output_token_price is not msgspec.UNSET)
        and (not priced or values.provider in OWN)
    )


def _constants(field: Field) -> tuple[object, object]:
    """Return the allowed values of a field without a kind: its constant, and its default."""
    default = _default(field)
    return default, common.PROPERTIES[field.wire].schema.get("const", default)


def _check(kind: Kind) -> Callable[[Any], bool]:
    """Return a check of whether a value of the right type is a possible result of `kind`."""
    match kind:
        case Version():
            return lambda value: value == OTHER or _NUMBERS.fullmatch(value) is not None
        case Frames():
            return lambda value: len(value) <= MAX_FRAMES and all(map(_is_place, value))
    return lambda value: _keeps(kind, value)


def _keeps(kind: Kind, value: object) -> bool:
    """Return whether `kind` returns `value` unchanged: it is within bounds and already rounded.

    Minus zero equals zero, but is written differently.
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


@lru_cache(_REMEMBERED)
def _is_session(session_id: str) -> bool:
    """Return whether it is a UUID7 with a time in whole seconds, as recordings have."""
    if _UUID7.fullmatch(session_id) is None:
        return False
    return int(session_id[:13].replace("-", ""), 16) % 1000 == 0


@lru_cache(_REMEMBERED)
def is_time(timestamp: str) -> bool:
    """Return whether it is a time as records have; consecutive records often have the same."""
    if _TIME.fullmatch(timestamp) is None:
        return False
    try:
        datetime.fromisoformat(timestamp)
    except ValueError:
        return False
    return True
