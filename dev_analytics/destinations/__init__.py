"""The destinations of records, by name. A new one takes a module and a line here.

A destination is declared by an object that costs nothing to load, as settings, questions and
opt-outs need it. What delivery needs is imported when a sender opens the destination.
"""

from __future__ import annotations

from typing import Final

from dev_analytics.destinations.archive import ARCHIVE, ArchiveDestination
from dev_analytics.destinations.destination import Destination
from dev_analytics.destinations.posthog import PostHogDestination

DESTINATIONS: Final[dict[str, Destination]] = {
    each.name: each for each in (ArchiveDestination(), PostHogDestination())
}
"""Every destination, by the first word of its recipients. Every yes covers the archive."""


def destination_of(recipient: str) -> Destination:
    """Return the destination of a recipient, by its first word.

    Raises
    ------
    KeyError
        There is no such destination.
    """
    return DESTINATIONS[recipient.partition(" ")[0]]


def is_recipient(text: str) -> bool:
    """Return whether `text` is exactly a recipient of a destination in this version."""
    name, *fields = text.split(" ")
    return name in DESTINATIONS and DESTINATIONS[name].takes(fields)


__all__ = ["ARCHIVE", "DESTINATIONS", "Destination", "destination_of", "is_recipient"]
