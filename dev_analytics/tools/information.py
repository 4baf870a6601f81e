"""How much information an event of another tool can carry: bounded when it is declared."""

from __future__ import annotations

from math import log2
from typing import Final

from msgspec import UNSET
from msgspec.structs import fields

from dev_analytics.catalogue.events import Event, properties
from dev_analytics.catalogue.kind import Kind
from dev_analytics.catalogue.values import Flag, Word
from dev_analytics.tools.kinds import Count, Duration, Version

MAX_BITS: Final = 200
"""An event with a few properties needs no more than this."""


def bits(event: type[Event], of_events: int = 1) -> float:
    """Return the information of one record of `event` in bits.

    It is the logarithm of the number of different records. The time in whole seconds, the number of
    the record and the random identifiers are in every record, and do not count.

    Parameters
    ----------
    event
        The event.
    of_events
        How many events its tool has, as the choice of the event is information, too.
    """
    optional = {field.name for field in fields(event) if field.default is UNSET}
    sizes = (size(kind) + (name in optional) for name, kind in properties(event).items())
    return log2(of_events) + sum(map(log2, sizes))


def size(kind: Kind) -> int:
    """Return how many different values a property of a tool can have."""
    match kind:
        case Word():
            return len(frozenset().union(*(each.members for each in kind.vocabularies)))
        case Flag():
            return 2
        case Count() | Duration() | Version():
            return kind.size
    raise TypeError(f"{type(kind).__name__} is no closed kind of value")
