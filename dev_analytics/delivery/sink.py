"""The seam between `Analytics` and delivery: what takes the records that may be sent."""

from __future__ import annotations

from typing import Protocol


class Sink(Protocol):
    """Takes accepted records; called on the user's path, so it neither blocks nor raises."""

    def accept(self, record: bytes) -> None:
        """Take the bytes of one record, without line end."""


class Nowhere:
    """Takes records and keeps none: the destination of an installation that has no other."""

    def accept(self, record: bytes) -> None:
        """Let `record` go."""
