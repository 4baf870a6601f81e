"""The destinations of records, by name. A new one takes a module and a line here.

A destination is declared by an object that costs nothing to load, as settings, questions and
opt-outs need it. What delivery needs is imported when a sender opens the destination.

A recipient, as a yes names it, is the name of a destination and the values of its settings, such as
``archive`` or ``posthog <host> <project key>``. Every yes covers the archive on this machine.
"""

from __future__ import annotations

from collections.abc import Iterable
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


def in_words(recipient: str) -> str:
    """Return `recipient` in words for people."""
    _, *fields = recipient.split(" ")
    return destination_of(recipient).in_words(fields)


def all_in_words(recipients: Iterable[str]) -> str:
    """Return the recipients of a yes in words for people, the archive first."""
    others = sorted(set(recipients) - {ARCHIVE})
    return ", ".join(map(in_words, (ARCHIVE, *others)))


def would_receive(recipient: str) -> str:
    """Return the line of a question that says who would receive the records."""
    if recipient == ARCHIVE:
        return "The records would be kept on this machine only (no server is set)."
    return f"The records would be sent to {in_words(recipient)}."


__all__ = [
    "ARCHIVE",
    "DESTINATIONS",
    "Destination",
    "all_in_words",
    "destination_of",
    "in_words",
    "is_recipient",
    "would_receive",
]
