"""The way of a record from this process to its destination, and the settings that say which."""

from __future__ import annotations

from dev_analytics.consent.value import Value
from dev_analytics.destinations import ARCHIVE


class Delivery(Value):
    """Where records go, and how long they may wait.

    Attributes
    ----------
    flush_seconds
        How long a record waits for others before a sender is started, in seconds.
    recipient
        Who receives the records, as a yes names it.
    max_mib
        How large the spool may become, in MiB.
    max_days
        How old a record may become in it, in days.
    """

    flush_seconds: float = 60.0
    recipient: str = ARCHIVE
    max_mib: float = 50.0
    max_days: float = 30.0

    @property
    def destination(self) -> str:
        """The recipient's name in the spool."""
        return spool_name(self.recipient)


def spool_name(recipient: str) -> str:
    """Return the name of `recipient` in the spool: a digest, so that no name contains a key."""
    if recipient == ARCHIVE:
        return ARCHIVE
    from hashlib import sha256

    _, *fields = recipient.split(" ")
    return sha256("\n".join(reversed(fields)).encode()).hexdigest()[:8]
