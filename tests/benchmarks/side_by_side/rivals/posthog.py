"""PostHog's own SDK, alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from posthog import Posthog

from rivals import DURATION, OUTCOME, Base

USER = "71b00c15-cdb5-4ee2-afb1-2f11ecfbebf4"


class Library(Base):
    """Fills its queue."""

    def setup(self) -> None:
        """Make a client."""
        self.client = Posthog("phc_of_a_benchmark", host=self.address)

    def event(self) -> None:
        """Capture one event."""
        self.client.capture(
            "cell executed",
            distinct_id=USER,
            properties={"outcome": OUTCOME, "duration_ms": DURATION},
        )

    def observe_models(self, client: Callable[..., Any]) -> tuple[Any, Any]:
        """Its wrapper is a client of its own; there is nothing to switch."""
        from posthog.ai.openai import OpenAI

        return client(OpenAI, posthog_client=self.client), None
