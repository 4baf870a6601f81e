"""Ploomber's telemetry for Python packages."""

from __future__ import annotations

from ploomber_core.telemetry.telemetry import Telemetry
from posthog import Posthog

from rivals import DURATION, OUTCOME, Base


class Library(Base):
    """Logs a call."""

    def setup(self) -> None:
        """Make it, and its client again with the local host, for which it has no setting."""
        self.telemetry = Telemetry(
            "phc_of_a_benchmark", "benchmark", "1.0.0", print_cloud_message=False
        )
        self.telemetry._posthog_client = Posthog("phc_of_a_benchmark", host=self.address)

    def event(self) -> None:
        """Log one call."""
        metadata = {"outcome": OUTCOME, "duration_ms": DURATION}
        self.telemetry.log_api("benchmark", metadata=metadata)
