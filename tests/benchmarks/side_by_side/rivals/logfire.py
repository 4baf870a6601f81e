"""Pydantic Logfire, which sends by OpenTelemetry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import logfire

from rivals import DURATION, OUTCOME, Base


class Library(Base):
    """Logs, in batches."""

    def setup(self) -> None:
        """Configure it for the host."""
        logfire.configure(
            token="pylf_v1_us_of_a_benchmark",
            advanced=logfire.AdvancedOptions(base_url=self.address),
            console=False,
        )

    def event(self) -> None:
        """Log one event."""
        logfire.info("cell executed {outcome}", outcome=OUTCOME, duration_ms=DURATION)

    def observe_models(self, client: Callable[..., Any]) -> tuple[Any, Any]:
        """Instrument a client, which alone it observes; there is nothing to switch."""
        observed = client()
        logfire.instrument_openai(observed)
        return observed, None
