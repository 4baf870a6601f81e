"""The catalogue as the contract has it."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev_analytics import NOTICE
from dev_analytics.catalogue.events import (
    EVENTS,
    CellExecuted,
    Embedding,
    LLMRequest,
    UndeclaredError,
    acceptor,
    properties,
    required,
)
from dev_analytics.catalogue.fields import UNSET, Event, UnsetType, fields
from dev_analytics.catalogue.values import (
    Count,
    Duration,
    Flag,
    Frames,
    RefusedValueError,
    Version,
    Word,
)

WIRE = {
    "launched": "launched",
    "cell_executed": "cell executed",
    "feature_used": "feature used",
    "command_run": "command run",
    "error_raised": "error raised",
    "message_send": "$ai_generation",
    "embedding": "$ai_embedding",
    "kernel_action": "kernel action",
    "file_action": "file action",
    "exited": "exited",
}

NAMES = {
    "launched": {"frontend", "python", "ipython", "os", "version"},
    "cell_executed": {"outcome", "duration_ms"},
    "feature_used": {"kind", "name"},
    "command_run": {"command"},
    "error_raised": {"exception", "exact", "package", "phase", "frames"},
    "kernel_action": {"action", "status"},
    "file_action": {"action", "kind"},
    "exited": {"reason", "cells", "duration"},
}

AI = {
    "provider": "$ai_provider",
    "model": "$ai_model",
    "input_tokens": "$ai_input_tokens",
    "output_tokens": "$ai_output_tokens",
    "cache_read_input_tokens": "$ai_cache_read_input_tokens",
    "cache_write_input_tokens": "$ai_cache_creation_input_tokens",
    "reasoning_output_tokens": "$ai_reasoning_tokens",
    "latency_s": "$ai_latency",
    "time_to_first_chunk_s": "$ai_time_to_first_token",
    "is_error": "$ai_is_error",
    "error_type": "$ai_error",
    "http_status": "$ai_http_status",
    "operation": "operation",
    "sdk": "sdk",
    "stream": "stream",
    "edit_format": "edit_format",
    "tool": "tool",
    "fine_tuned": "fine_tuned",
}


def wire_names(event: type[Event]) -> dict[str, str]:
    return {each.name: each.wire for each in fields(event)}


def names(event: type[Event]) -> set[str]:
    return {each.name for each in fields(event)}


def test_there_are_the_events_of_the_contract() -> None:
    assert {name: event.wire for name, event in EVENTS.items()} == WIRE


@pytest.mark.parametrize("name", NAMES)
def test_an_event_has_the_properties_of_the_contract(name: str) -> None:
    declared = set(properties(EVENTS[name]))
    assert declared == NAMES[name]
    assert {wire_names(EVENTS[name])[each] for each in declared} == declared


def test_a_request_to_a_model_has_posthog_s_names() -> None:
    for event in (LLMRequest, Embedding):
        assert {name: wire_names(event)[name] for name in properties(event)} == AI


def test_every_event_and_property_says_what_it_is_and_since_when() -> None:
    for event in EVENTS.values():
        assert inspect.getdoc(event) != inspect.getdoc(Event)
        assert 1 <= event.since <= NOTICE
        for name, kind in properties(event).items():
            assert kind.meaning.endswith("."), (event, name)
            assert event.since <= kind.since <= NOTICE


def test_what_comes_later_to_an_older_event_may_be_withheld_from_it() -> None:
    for event in EVENTS.values():
        for name, kind in properties(event).items():
            optional = name not in required(event)
            assert kind.since == event.since or optional, (event, name)


@pytest.mark.parametrize("kind", [kind for e in EVENTS.values() for kind in properties(e).values()])
def test_a_kind_cannot_be_changed(kind: Any) -> None:
    """A tool could otherwise widen what a property of the core may say."""
    for name in ("meaning", "since", "most", "vocabularies", "anything"):
        with pytest.raises(AttributeError):
            setattr(kind, name, 10**9)
        with pytest.raises(AttributeError):
            delattr(kind, name)


def test_an_event_s_class_declares_and_is_never_made() -> None:
    with pytest.raises(TypeError, match="CellExecuted declares an event"):
        CellExecuted()


def test_an_event_s_class_cannot_be_changed() -> None:
    """Its defaults stand in records: free text could be put there."""
    for event in (Event, *EVENTS.values()):
        for name in ("ip", "lib", "since", "wire", "_wires", "anything"):
            with pytest.raises(AttributeError, match="cannot be changed"):
                setattr(event, name, "free text")
            with pytest.raises(AttributeError, match="cannot be changed"):
                delattr(event, name)


def test_every_property_is_of_a_closed_kind() -> None:
    for event in EVENTS.values():
        for kind in properties(event).values():
            assert isinstance(kind, Word | Flag | Count | Duration | Version | Frames)


def test_no_field_of_an_event_is_outside_the_catalogue() -> None:
    fixed = names(Event) | {
        *("trace_id", "cache_reporting_exclusive", "input_token_price", "output_token_price")
    }
    for event in EVENTS.values():
        assert names(event) - set(properties(event)) <= fixed


def test_an_undeclared_property_is_refused_by_name() -> None:
    with pytest.raises(UndeclaredError, match="'cell executed' has no property 'source'"):
        acceptor(CellExecuted, NOTICE).accept(
            {"outcome": "ok", "duration_ms": 1, "source": "x = 1"}
        )


@pytest.mark.parametrize("name", sorted(names(Event) | {"trace_id"}))
def test_no_caller_sets_a_common_property(name: str) -> None:
    for event in EVENTS.values():
        with pytest.raises(UndeclaredError):
            acceptor(event, NOTICE).accept({name: "mine"})


def test_a_value_of_another_kind_is_refused_without_being_shown() -> None:
    with pytest.raises(RefusedValueError) as refused:
        acceptor(CellExecuted, NOTICE).accept({"duration_ms": "a secret"})
    assert str(refused.value) == "'cell executed', property 'duration_ms': not a number but str"


def test_none_stands_for_what_is_not_known() -> None:
    assert acceptor(LLMRequest, NOTICE).accept({"model": None, "input_tokens": None}) == {}


class Newer(Event):
    """An event with a property that came later, its annotations text as a tool's may be."""

    wire = "newer"
    stream: Annotated[bool | UnsetType, Flag("Newer.", since=2)] = UNSET
    number: Annotated[int | UnsetType, Count("Older.", "pieces")] = UNSET


def test_what_is_newer_than_the_notice_is_withheld() -> None:
    given_values: dict[str, Any] = {"stream": True, "number": 5}
    assert acceptor(Newer, 1).accept(given_values) == {"number": 5}
    assert acceptor(Newer, 2).accept(given_values) == given_values


ALL_NAMES = sorted({name for event in EVENTS.values() for name in properties(event)})


@given(
    st.sampled_from(sorted(EVENTS)),
    st.dictionaries(st.sampled_from(ALL_NAMES), st.text()),
)
def test_no_text_gets_through_but_members_and_versions(name: str, texts: dict[str, str]) -> None:
    event = EVENTS[name]
    for key, text in texts.items():
        try:
            accepted = acceptor(event, NOTICE).accept({key: text})
        except (UndeclaredError, RefusedValueError):
            continue
        kind = properties(event)[key]
        assert isinstance(kind, Word | Version)
        if isinstance(kind, Word):
            assert accepted[key] in {m for v in kind.vocabularies for m in v.members}
