"""Scarf's SDK for Python, which sends each event while the caller waits."""

from __future__ import annotations

from contextlib import suppress

from requests import RequestException
from scarf import ScarfEventLogger

from rivals import DURATION, OUTCOME, Base


class Library(Base):
    """Pings."""

    def setup(self) -> None:
        """Make a logger."""
        self.logger = ScarfEventLogger(endpoint_url=f"{self.address}/benchmark")

    def event(self) -> None:
        """Send one event; a tool must catch what it raises if there is no host."""
        properties = {"event": "cell executed", "outcome": OUTCOME, "duration_ms": DURATION}
        with suppress(RequestException):
            self.logger.log_event(properties)
