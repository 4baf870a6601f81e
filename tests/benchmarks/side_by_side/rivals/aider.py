"""The analytics of aider."""

from __future__ import annotations

from aider.analytics import Analytics

from rivals import DURATION, OUTCOME, Base


class Library(Base):
    """Captures with PostHog, after an opt-in."""

    def setup(self) -> None:
        """Opt in, and enable."""
        self.analytics = Analytics(
            posthog_host=self.address, posthog_project_api_key="phc_of_a_benchmark"
        )
        self.analytics.asked_opt_in = True
        self.analytics.enable()

    def event(self) -> None:
        """Record one event."""
        self.analytics.event("cell executed", outcome=OUTCOME, duration_ms=DURATION)
