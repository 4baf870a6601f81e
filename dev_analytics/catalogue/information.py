"""How much an event can say, in bits: what is possible, and what is realistic.

Counted are the declared properties. Beside them a record has random identifiers, its number, the
time in whole seconds and constants.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log2
from typing import Final

from dev_analytics.catalogue.events import properties
from dev_analytics.catalogue.fields import UNSET, Event, fields
from dev_analytics.catalogue.kind import Kind
from dev_analytics.catalogue.values import (
    EVERYDAY_COUNT,
    EVERYDAY_RELEASES,
    EVERYDAY_WORDS,
)

EVERYDAY: Final = (
    f"one of the {EVERYDAY_WORDS} words that are used most, counts up to {EVERYDAY_COUNT:,}, "
    f"durations up to an hour, one of {EVERYDAY_RELEASES} releases, one place in the source"
)
"""What is realistic, in words."""


def possible_bits(event: type[Event]) -> float:
    """Return the logarithm of how many different payloads `event` can have."""
    return _bits(event, lambda kind: kind.size)


def everyday_bits(event: type[Event]) -> float:
    """Return the logarithm of how many of them there are in everyday use."""
    return _bits(event, lambda kind: kind.everyday_size)


def _bits(event: type[Event], size: Callable[[Kind], int]) -> float:
    optional = {field.name for field in fields(event) if field.default is UNSET}
    return sum(log2(size(kind) + (name in optional)) for name, kind in properties(event).items())
