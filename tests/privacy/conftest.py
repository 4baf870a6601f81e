"""Marks to plant where the user's own things are, and what a record may hold instead."""

from __future__ import annotations

import hashlib
import math
import re
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import json

from dev_analytics.catalogue.events import EVENTS, Event, properties
from dev_analytics.catalogue.values import LARGEST, Frames, Version, Word

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-%s[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
VERSION = r"\d+(\.\d+){0,3}|other"
TEXT = {
    "distinct_id": UUID % 4,
    "uuid": UUID % 4,
    "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00",
    "$session_id": UUID % 7,
    "$ai_trace_id": UUID % 4,
    "$lib": "dev-analytics",
    "$lib_version": VERSION,
    "$ip": r"0\.0\.0\.0",
}
PLACE = r"dev_analytics(\.[a-z_]+)*:[A-Za-z_.<>]+:\d+"
BY_WIRE: dict[str, type[Event]] = {event.wire: event for event in EVENTS.values()}


class Marks:
    """Unguessable words, one for each place where something private stands."""

    def __init__(self) -> None:
        self.planted: dict[str, str] = {}

    def __call__(self, place: str) -> str:
        """Give the mark of a place; it is an identifier, and could be any name."""
        return self.planted.setdefault(place, f"zq{secrets.token_hex(8)}")

    def found_in(self, text: bytes) -> list[str]:
        """Name the places whose mark, or the hash of it, stands in `text`."""
        lower = text.lower()
        return [
            place
            for place, mark in self.planted.items()
            if mark.encode() in lower
            or any(
                hashlib.new(name, mark.encode()).hexdigest().encode() in lower
                for name in ("md5", "sha1", "sha256")
            )
        ]


@pytest.fixture
def marks() -> Marks:
    """The marks of a test."""
    return Marks()


@pytest.fixture(scope="session")
def foreign() -> Callable[[bytes], list[str]]:
    """Name what stands in a record and is of no closed set."""
    return _foreign


def _foreign(line: bytes) -> list[str]:
    record = json.decode(line)
    wrong = [
        name
        for name in set(record) - {"event", "properties"}
        if not (record[name] is None and name == "distinct_id") and not _is_text(name, record[name])
    ]
    event = BY_WIRE[record["event"]]
    wire = dict(zip(event.__struct_encode_fields__, event.__struct_fields__, strict=True))
    for name, value in record["properties"].items():
        kind = properties(event).get(wire[name])
        if not (_is_number(value) or _is_text(name, value) or _is_word(kind, value)):
            wrong.append(f"{event.wire} {name}={value!r}")
    return wrong


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return True
    return isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= LARGEST


def _is_text(name: str, value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(TEXT.get(name, r"\b\B"), value) is not None


def _is_word(kind: Any, value: Any) -> bool:
    if isinstance(kind, Frames):
        return isinstance(value, list) and all(re.fullmatch(PLACE, place) for place in value)
    if not isinstance(value, str):
        return False
    if isinstance(kind, Version):
        return re.fullmatch(VERSION, value) is not None
    return isinstance(kind, Word) and any(value in words.members for words in kind.vocabularies)
