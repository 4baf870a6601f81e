"""What an event of a tool can say is counted in full, and is what the proof counts."""

from __future__ import annotations

from itertools import product
from math import log2
from typing import Annotated

import pytest

from dev_analytics.testing import prove
from dev_analytics.testing.payloads import bits as payload_bits
from dev_analytics.tools import (
    UNSET,
    Count,
    Event,
    Flag,
    Tool,
    UnsetType,
    Version,
    Vocabulary,
    Why,
    Word,
)
from dev_analytics.tools.information import bits

KINDS = Vocabulary("kinds", "bar", "line")


class Made(Event):
    """A chart was made."""

    wire = "toy: made"
    why = Why("To know it.", kind="Which.", well="How.", rows="How many.")

    kind: Annotated[str, Word("Kind.", (KINDS,))]
    rows: Annotated[int, Count("Rows.", "rows", most=10)]
    well: Annotated[bool | UnsetType, Flag("It went well.")] = UNSET


class Opened(Event):
    """It was opened."""

    wire = "toy: opened"
    why = Why("To know it.", version="Which.")

    version: Annotated[str, Version("Version.", distribution="pytest")]


def test_the_bits_are_the_logarithm_of_all_possible_records() -> None:
    records = list(product(("bar", "line", "other"), (True, False, UNSET), range(11)))
    assert bits(Made) == pytest.approx(log2(len(records)))
    assert bits(Made, of_events=4) == pytest.approx(log2(4 * len(records)))


def test_a_tool_with_a_version_is_proved_and_the_proof_counts_its_bits() -> None:
    tool = Tool(name="toy", title="Toy", about="To know it.", events=(Made, Opened))
    proof = prove(tool)
    for event in tool.events:
        assert proof.bits[event.wire] == pytest.approx(payload_bits(event) + 1)
