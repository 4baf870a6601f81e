"""Strict reading of records: finds everything that is in no closed set, without the encoder.

Every key must be declared and in its order. Every value must be a member of its own vocabulary, a
number that is rounded and within its bounds, a version of digits and dots, an identifier of the
right form, a constant, or a place in our own source. The bytes must be exactly those of the values,
so that nothing hides between them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args, get_type_hints

from dev_analytics import __version__
from dev_analytics.catalogue.events import EVENTS, properties
from dev_analytics.catalogue.fields import UNSET, Event, UnsetType, fields
from dev_analytics.catalogue.kind import Kind
from dev_analytics.catalogue.meanings import declared
from dev_analytics.catalogue.source import OPEN
from dev_analytics.catalogue.values import (
    Count,
    Duration,
    Flag,
    Frames,
    Version,
    Word,
    durations,
    rounded,
)
from dev_analytics.tools import kinds as tools

UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-%d[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
TIME: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
VERSION: Final = r"(0|[1-9]\d{0,3})(\.(0|[1-9]\d{0,3})){0,2}|other"
PLACE: Final = re.compile(r"(dev_analytics(?:\.[a-z_]+)*):([A-Za-z_.<>]+):([1-9]\d*)")
SHAPES: Final = {"$session_id": UUID % 7, "$ai_trace_id": UUID % 4}
CONSTANTS: Final[dict[str, object]] = {
    "$lib": "dev-analytics",
    "$lib_version": __version__,
    "$process_person_profile": False,
    "$geoip_disable": True,
    "$ip": "0.0.0.0",  # noqa: S104, no address to listen on but one that names nobody
    "$ignore_sent_at": True,
    "$ai_cache_reporting_exclusive": False,
}
OPTIONAL: Final[dict[str, int]] = {"$ai_input_token_price": 0, "$ai_output_token_price": 0}
"""Constants that only some records have."""
HEAD: Final = ("event", "distinct_id", "uuid", "timestamp", "properties")
BY_WIRE: Final[dict[str, type[Event]]] = {event.wire: event for event in EVENTS.values()}
SOURCE: Final = OPEN["dev_analytics"]


TYPES: Final[dict[type, tuple[object, ...]]] = {
    Word: (str,),
    Flag: (bool,),
    Count: (int,),
    Duration: (int, float),
    Version: (str,),
    Frames: (list[str],),
    tools.Count: (int,),
    tools.Duration: (int, float),
    tools.Version: (str,),
}
"""Every kind that is allowed, and the types that its fields may have."""


def unexplained(event: type[Event]) -> list[str]:
    """Return the fields of an event that have no closed kind and are no identifier or constant."""
    hints = get_type_hints(event, include_extras=True)
    kinds, wrong = properties(event), []
    for field in fields(event):
        kind, name = kinds.get(field.name), field.wire
        if kind is not None:
            closed = _held(hints[field.name]) in TYPES.get(type(kind), ())
        elif name in CONSTANTS:
            closed = type(field.default) is type(CONSTANTS[name])
            closed = closed and field.default == CONSTANTS[name]
        elif name in OPTIONAL:
            closed = field.default is UNSET and _held(hints[field.name]) is int
        else:
            closed = name in SHAPES or (name == "seq" and _held(hints[field.name]) is int)
        if not closed:
            wrong.append(name)
    return wrong


def strange(line: bytes, events: Mapping[str, type[Event]] = BY_WIRE) -> list[str]:
    """Return what in the bytes of a record of one of `events` is in no closed set."""
    try:
        record = json.loads(line)
    except ValueError:
        return ["no JSON"]
    if not isinstance(record, dict) or tuple(record) != HEAD:
        return ["not the fields of a record"]
    if json.dumps(record).encode() != line:
        return ["bytes that are not those of its values"]
    event = events.get(record["event"]) if isinstance(record["event"], str) else None
    if event is None or not isinstance(record["properties"], dict):
        return ["not an event of the catalogue"]
    wrong = [
        name
        for name, shape in (("distinct_id", UUID % 4), ("uuid", UUID % 4), ("timestamp", TIME))
        if not (name == "distinct_id" and record[name] is None) and not _is(shape, record[name])
    ]
    return wrong + strange_properties(event, record["properties"])


def strange_properties(event: type[Event], given: dict[str, Any]) -> list[str]:
    """Return which properties of a record of `event` are in no closed set."""
    known = {field.wire: field for field in fields(event)}
    wrong = [f"{event.wire} {name}: not declared" for name in given if name not in known]
    wrong += [
        f"{event.wire} {name}: missing"
        for name, field in known.items()
        if field.required and name not in given
    ]
    if [name for name in known if name in given] != [name for name in given if name in known]:
        wrong.append(f"{event.wire}: properties in an order of their own")
    kinds = declared(event)
    return wrong + [
        f"{event.wire} {name}={value!r}"
        for name, value in given.items()
        if name in known and not _is_allowed(name, kinds.get(name), value)
    ]


def _is_allowed(name: str, kind: Kind | None, value: Any) -> bool:
    if kind is not None:
        return _is_of(kind, value)
    if name in CONSTANTS:
        return type(value) is type(CONSTANTS[name]) and value == CONSTANTS[name]
    if name in OPTIONAL:
        return type(value) is int and value == OPTIONAL[name]
    if name == "seq":
        return type(value) is int and 0 < value < 2**53
    return name in SHAPES and _is(SHAPES[name], value)


def _is_of(kind: Kind, value: Any) -> bool:
    match kind:
        case Word():
            return type(value) is str and any(value in v.members for v in kind.vocabularies)
        case Flag():
            return type(value) is bool
        case tools.Count():
            return type(value) is int and 0 <= value <= kind.most and _has_digits(value, 3)
        case Count():
            return type(value) is int and 0 <= value <= kind.most and rounded(value) == value
        case tools.Duration() if type(value) in (int, float) and value > kind.longest:
            return False
        case tools.Version():
            return _is(VERSION, value) and value.count(".") < 3
        case Duration():
            number = type(value) is (float if kind.decimals else int)
            return number and value in durations(kind.decimals)
        case Version():
            return _is(VERSION, value)
        case Frames():
            return type(value) is list and len(value) <= 8 and all(map(_is_place, value))
    return False


def _has_digits(value: int, number: int) -> bool:
    """Return whether `value` has at most `number` significant digits."""
    return len(str(value).rstrip("0")) <= number


def _held(hint: Any) -> object:
    """Return the type of a field, without its kind and without `UnsetType`."""
    while hasattr(hint, "__metadata__"):
        hint = hint.__origin__
    if not isinstance(hint, UnionType):
        return hint
    held = [each for each in get_args(hint) if each is not UnsetType]
    return held[0] if len(held) == 1 else hint


def _is(shape: str, value: Any) -> bool:
    return type(value) is str and re.fullmatch(shape, value, re.ASCII) is not None


def _is_place(value: Any) -> bool:
    """Return whether `value` names a module of ours, a function in it, and a line."""
    found = PLACE.fullmatch(value) if type(value) is str else None
    if found is None:
        return False
    module, function, line = found.groups()
    lines = _lines(module)
    return 0 < int(line) <= len(lines) and any(
        re.search(rf"\bdef {re.escape(function.split('.')[-1])}\b", text) for text in lines
    )


@cache
def _lines(module: str) -> tuple[str, ...]:
    inner = module.split(".")[1:]
    for file in (SOURCE.joinpath(*inner, "__init__.py"), Path(f"{SOURCE.joinpath(*inner)}.py")):
        if file.is_file():
            return tuple(file.read_text("utf-8").splitlines())
    return ()
