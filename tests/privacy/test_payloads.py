"""Every property is a number, a boolean, a version or a closed vocabulary: nothing else fits."""

from __future__ import annotations

import json
from math import log2
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from dev_analytics.catalogue.events import EVENTS, CellExecuted
from dev_analytics.catalogue.examples import example
from dev_analytics.catalogue.fields import UNSET, Event
from dev_analytics.catalogue.information import everyday_bits, possible_bits
from dev_analytics.catalogue.meanings import declared
from dev_analytics.catalogue.values import Duration, Word, durations
from dev_analytics.testing.closed import unexplained
from dev_analytics.testing.payloads import bits, payloads, table, values

MAX_BITS = 200
"""As much as an event of another tool may say."""


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_every_property_is_a_number_a_boolean_a_version_or_of_a_closed_vocabulary(
    event: type[Event],
) -> None:
    assert unexplained(event) == []
    assert 0 < bits(event) <= MAX_BITS


def test_a_record_has_nothing_beside_its_event_but_identifiers_and_a_time() -> None:
    written = json.loads(example(CellExecuted))
    assert list(written) == ["event", "distinct_id", "uuid", "timestamp", "properties"]


def test_the_table_counts_the_payloads_of_every_event() -> None:
    shown = table()
    for event in EVENTS.values():
        row = f"{event.wire:<16} {'':<32} {'':>22} {bits(event):7.1f} {everyday_bits(event):9.1f}"
        assert row in shown
        assert everyday_bits(event) <= bits(event) == pytest.approx(possible_bits(event))
        assert set(payloads(event)) == set(declared(event))
    assert bits(CellExecuted) == pytest.approx(log2(5 * len(durations(0))))


WORDS = [
    (event.wire, name, word)
    for event in EVENTS.values()
    for name, kind in declared(event).items()
    if isinstance(kind, Word)
    for words in kind.vocabularies
    for word in sorted(words.members)
]


def test_every_word_is_a_short_public_name() -> None:
    for place, name, word in WORDS:
        assert word.isascii(), (place, name, word)
        assert word.isprintable(), (place, name, word)
        assert 0 < len(word) <= 120, (place, name, word)
        assert not word.startswith(("/", "~/", "\\")), (place, name, word)
        assert "://" not in word, (place, name, word)


@given(value=st.floats(0, 10**12), decimals=st.sampled_from([0, 3]))
def test_every_duration_is_one_of_those_that_are_counted(value: float, decimals: int) -> None:
    kind = Duration("A time.", "s", decimals=decimals)
    assert kind.accept(value) in durations(decimals)


def test_each_duration_that_is_counted_can_be_had() -> None:
    for decimals in (0, 3):
        kind = Duration("A time.", "s", decimals=decimals)
        assert {kind.accept(value) for value in durations(decimals)} == durations(decimals)


# The check itself sees what it is for.


class Text(Struct, frozen=True):
    meaning: str
    since: int = 1

    def accept(self, value: object) -> object:
        return value


class WithText(CellExecuted):
    note: Annotated[str, Text("What somebody wrote.")] = ""


class WithBareText(CellExecuted):
    note: str = ""


class WithLooseWord(CellExecuted):
    note: Annotated[object, Word("A word.", ())] = UNSET


@pytest.mark.parametrize("event", [WithText, WithBareText, WithLooseWord])
def test_a_property_of_free_text_is_found(event: type[Event]) -> None:
    assert unexplained(event) == ["note"]


def test_what_is_not_closed_is_not_counted() -> None:
    with pytest.raises(TypeError, match="Text is no number"):
        values(Text("What somebody wrote."))  # type: ignore[arg-type]
