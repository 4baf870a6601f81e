"""How much information an event of another tool may carry, which bounds what it can say."""

from __future__ import annotations

from math import log2
from typing import Final

from dev_analytics.catalogue.fields import Event
from dev_analytics.catalogue.information import possible_bits

MAX_BITS: Final = 200
"""An event with a few properties needs no more than this."""


def bits(event: type[Event], of_events: int = 1) -> float:
    """Return the information of one record in bits, including which of its tool's events it is."""
    return log2(of_events) + possible_bits(event)
