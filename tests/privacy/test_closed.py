"""The two searches of these tests see what they are for: strict reading, and marks in disguise."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dev_analytics.analytics import Analytics
from dev_analytics.catalogue.events import EVENTS, ErrorRaised, LLMRequest
from dev_analytics.catalogue.values import Word
from dev_analytics.testing import closed
from dev_analytics.testing.closed import strange, strange_properties
from dev_analytics.testing.marks import DISGUISES, Marks
from dev_analytics.tools import Duration, Event, Why

TIME = Duration("Time.", "s")
AT_LENGTH = settings().max_examples > 100
"""Whether `make privacy` runs the tests: each place is given each byte then, else one of them."""


class Slept(Event):
    """The toy slept."""

    wire = "toy: slept"
    why = Why("To know it.", seconds="How long.")

    seconds: Annotated[int, TIME]


FRAME = ("dev_analytics.drops", "DropLedger.count")
GIVEN: dict[str, dict[str, object]] = {
    "launched": {"frontend": "jupyter kernel", "python": "3.13.1", "ipython": "9.8.0",
                 "os": "linux", "version": "1.0.0"},
    "cell_executed": {"outcome": "ok", "duration_ms": 120},
    "feature_used": {"kind": "line magic", "name": "timeit"},
    "command_run": {"command": "status"},
    "error_raised": {"exception": "KeyError", "exact": True, "package": "pandas", "phase": "cell"},
    "message_send": {"provider": "openai", "model": "gpt-4o", "input_tokens": 7,
                     "latency_s": 1.23, "is_error": False, "http_status": 200,
                     "edit_format": "diff"},
    "embedding": {"provider": "openai", "model": "text-embedding-3-small", "input_tokens": 7,
                  "operation": "embeddings"},
    "kernel_action": {"action": "start", "status": "success"},
    "file_action": {"action": "save", "kind": "notebook"},
    "exited": {"reason": "unloaded", "cells": 3, "duration": 61.0},
}  # fmt: skip


@pytest.fixture
def line(
    analytics: Analytics, aged: Callable[[Analytics], None], request: pytest.FixtureRequest
) -> bytes:
    """The bytes of a record of the event that the test names."""
    aged(analytics)
    analytics.event(request.param, **GIVEN[request.param])
    return analytics.pipeline.preview[-1].record


def some_of(choices: bytes, line: bytes, place: int) -> bytes:
    """Return the bytes to try at a place: all at length, else one, which depends on both."""
    return choices if AT_LENGTH else choices[(len(line) + place) % len(choices) :][:1]


@pytest.mark.parametrize("line", EVENTS, indirect=True)
def test_a_record_with_one_wrong_byte_is_caught(line: bytes) -> None:
    assert strange(line) == []
    for place in range(len(line)):
        for wrong in some_of(b"Z~\x00\xff ", line, place):
            if line[place] != wrong:
                changed = line[:place] + bytes([wrong]) + line[place + 1 :]
                assert strange(changed), changed


@pytest.mark.parametrize("line", EVENTS, indirect=True)
def test_a_record_with_one_byte_more_is_caught(line: bytes) -> None:
    for place in range(len(line) + 1):
        for more in some_of(b"Z \t", line, place):
            assert strange(line[:place] + bytes([more]) + line[place:])


def changed(line: bytes, **values: object) -> bytes:
    record = json.loads(line)
    for name, value in values.items():
        (record if name in record else record["properties"])[name] = value
    return json.dumps(record).encode()


@pytest.mark.parametrize("line", ["error_raised"], indirect=True)
@pytest.mark.parametrize(
    "values",
    [
        {"exception": "AcmeError"},
        {"package": "acme"},
        {"package": None},
        {"exact": 1},
        {"note": "something"},
        {"frames": ["dev_analytics.drops:DropLedger.acme:1"]},
        {"frames": ["dev_analytics.acme:DropLedger.count:1"]},
        {"frames": ["dev_analytics.drops:DropLedger.count:99999"]},
        {"frames": "dev_analytics.drops:DropLedger.count:36"},
        {"seq": True},
        {"seq": 0},
        {"$lib_version": "9.9.9"},
        {"distinct_id": "me"},
        {"uuid": None},
        {"timestamp": "2026-11-22T10:00:00.123456+00:00"},
        {"event": "errors raised"},
    ],
    ids=str,
)
def test_a_value_of_no_closed_set_is_caught(line: bytes, values: dict[str, Any]) -> None:
    assert strange(changed(line, **values))


@pytest.mark.parametrize("line", ["message_send"], indirect=True)
def test_numbers_have_bounds_counts_three_digits_and_durations_two(line: bytes) -> None:
    assert not strange(changed(line, **{"$ai_latency": 0.012, "$ai_input_tokens": 10**7}))
    for wrong in (
        {"$ai_latency": 1.234},
        {"$ai_latency": -1.0},
        {"$ai_latency": 1},
        {"$ai_input_tokens": 10**7 + 10**5},
        {"$ai_input_tokens": 1001},
        {"$ai_input_tokens": 1.5},
        {"$ai_http_status": 600},
    ):
        assert strange(changed(line, **wrong))


@pytest.mark.parametrize("line", ["cell_executed"], indirect=True)
def test_a_missing_property_an_order_and_a_repetition_are_caught(line: bytes) -> None:
    assert strange(line.replace(b'"outcome": "ok", ', b""))
    swapped = b'"duration_ms": 120, "outcome": "ok"'
    assert strange(line.replace(b'"outcome": "ok", "duration_ms": 120', swapped))
    assert strange(line.replace(b'"seq"', b'"outcome": "ok", "seq"'))


@pytest.mark.parametrize("line", ["error_raised"], indirect=True)
def test_a_kind_that_the_reading_does_not_know_is_caught(
    line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closed, "Flag", Word)
    assert strange(line) == ["error raised exact=True"]


def test_a_price_is_zero_a_place_ours_and_a_tool_s_duration_within_its_limit() -> None:
    for event, name, value, is_closed in (
        (LLMRequest, "$ai_input_token_price", 0, True),
        (LLMRequest, "$ai_input_token_price", 1, False),
        (ErrorRaised, "frames", [], True),
        (ErrorRaised, "frames", ["acme:main:1"], False),
        (Slept, "seconds", TIME.longest, True),
        (Slept, "seconds", 10 * TIME.longest, False),
    ):
        found = f"{event.wire} {name}={value}"
        assert (found in strange_properties(event, {name: value})) is not is_closed


def test_a_place_in_our_own_source_is_closed(analytics: Analytics) -> None:
    first = next(
        number for number in range(99) if _placed(analytics, number)
    )  # the lines before belong to no function of that name
    assert first > 1


def _placed(analytics: Analytics, number: int) -> bool:
    analytics.event("error_raised", frames=[(*FRAME, number)], **GIVEN["error_raised"])
    record = analytics.pipeline.preview[-1].record
    assert not strange(record)
    return b"DropLedger.count" in record


@given(disguise=st.sampled_from(sorted(DISGUISES)), before=st.text(), after=st.binary())
def test_a_mark_is_found_in_every_disguise(disguise: str, before: str, after: bytes) -> None:
    marks = Marks()
    hidden = DISGUISES[disguise](marks("place")).encode()
    marks("another place")
    assert marks.found_in(before.encode() + b" " + hidden + b" " + after) == ["place"]
    assert marks.found_in(gzip.compress(hidden)) == ["place"]


@given(text=st.binary() | st.text().map(str.encode))
def test_nothing_is_found_where_no_mark_is(text: bytes) -> None:
    marks = Marks()
    marks("place")
    assert marks.found_in(text) == []
