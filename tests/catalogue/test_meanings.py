"""What the catalogue says in words, and what a notice adds to the one before."""

from __future__ import annotations

from typing import Annotated, Any, cast

import pytest

from dev_analytics import NOTICE
from dev_analytics.catalogue.events import EVENTS, LLMRequest, properties
from dev_analytics.catalogue.fields import Event
from dev_analytics.catalogue.meanings import added_since, declared, sentence
from dev_analytics.catalogue.values import Flag


class Older(Event):
    """Something happened.

    More is said here.
    """

    wire = "older"
    old: Annotated[bool, Flag("It was old.")]
    new: Annotated[bool, Flag("It was new.", since=2)]
    newest: Annotated[bool, Flag("It was the newest.", since=3)]


class Newer(Event):
    """Something new happened."""

    wire = "newer"
    since = 2
    exact: Annotated[bool, Flag("It was exact.", since=2)]
    rough: Annotated[bool, Flag("It was rough.", since=3)]


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue of notice 3, with these events alone."""
    events = cast(dict[str, Any], EVENTS)
    for name in list(events):
        monkeypatch.delitem(events, name)
    monkeypatch.setitem(events, "older", Older)
    monkeypatch.setitem(events, "newer", Newer)


def test_every_event_has_one_sentence() -> None:
    for event in EVENTS.values():
        said = sentence(event)
        assert said.endswith(".")
        assert said.count("\n") == 0
    assert sentence(Older) == "Something happened."


def test_properties_have_the_names_of_the_record() -> None:
    assert declared(LLMRequest)["$ai_model"] is properties(LLMRequest)["model"]
    for event in EVENTS.values():
        assert list(declared(event).values()) == list(properties(event).values())


@pytest.mark.usefixtures("newer")
def test_what_is_newer_than_a_notice_is_said() -> None:
    assert added_since(1) == [
        "older, new: It was new.",
        "older, newest: It was the newest.",
        "newer: Something new happened.",
    ]
    assert added_since(2) == [
        "older, newest: It was the newest.",
        "newer, rough: It was rough.",
    ]


@pytest.mark.usefixtures("newer")
def test_nothing_is_newer_than_the_newest_notice() -> None:
    assert added_since(3) == []


def test_before_any_yes_everything_is_new() -> None:
    assert added_since(NOTICE) == []
    assert added_since(0) == [f"{event.wire}: {sentence(event)}" for event in EVENTS.values()]
