"""The recipients that a yes names, as text in ``consent.json`` and in words for people.

A recipient is the name of a destination and the values of its settings, such as ``archive`` or
``posthog <host> <project key>``. Every yes covers the archive on this machine.
"""

from __future__ import annotations

from collections.abc import Iterable

from dev_analytics.destinations import ARCHIVE, destination_of


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
