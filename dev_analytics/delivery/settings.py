"""What a sender is told by the settings."""

from __future__ import annotations

from typing import Final

from dev_analytics.consent import recipients
from dev_analytics.consent.value import Value

ARCHIVE: Final = "archive"
"""The destination without a project key."""


class Delivery(Value):
    """Where records go, and how long they may wait.

    Attributes
    ----------
    flush_seconds
        How long a record waits for others before a sender is started, in seconds.
    project_key
        PostHog's public project key; empty for the embedded archive.
    host
        PostHog's address.
    most_mib
        How large the spool may become, in MiB.
    most_days
        How old a record may become in it, in days.
    """

    flush_seconds: float = 60.0
    project_key: str = ""
    host: str = "https://us.i.posthog.com"
    most_mib: float = 50.0
    most_days: float = 30.0

    @property
    def recipient(self) -> str:
        """Who receives the records, as a yes names it.

        Raises
        ------
        ValueError
            The address or the key is one that no setting takes.
        """
        if not self.project_key:
            return recipients.ARCHIVE
        return recipients.posthog(self.host, self.project_key)

    @property
    def destination(self) -> str:
        """The name of the destination in the spool: a digest, so that no key stands in a name."""
        return _digest(self.project_key, self.host) if self.project_key else ARCHIVE


def spool_name(recipient: str) -> str:
    """Return the name in the spool of the destination that is `recipient`."""
    if recipient == recipients.ARCHIVE:
        return ARCHIVE
    _, host, project_key = recipient.split(" ")
    return _digest(project_key, host)


def _digest(project_key: str, host: str) -> str:
    from hashlib import sha256

    return sha256(f"{project_key}\n{host}".encode(errors="backslashreplace")).hexdigest()[:8]
