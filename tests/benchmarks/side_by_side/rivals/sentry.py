"""Sentry's SDK, with structured logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sentry_sdk

from rivals import DURATION, OUTCOME, Base


class Library(Base):
    """Logs, in batches."""

    def setup(self, **options: Any) -> None:
        """Initialize it."""
        sentry_sdk.init(
            dsn=self.address.replace("://", "://key@") + "/1",
            enable_logs=True,
            auto_enabling_integrations=False,
            **options,
        )

    def event(self) -> None:
        """Log one event."""
        attributes = {"outcome": OUTCOME, "duration_ms": DURATION}
        sentry_sdk.logger.info("cell executed", attributes=attributes)

    def observe_models(self, client: Callable[..., Any]) -> tuple[Any, Any]:
        """Put its integration in; switched by the method that it replaces."""
        from openai.resources.chat.completions import Completions
        from sentry_sdk.integrations.openai import OpenAIIntegration

        plain = Completions.create
        self.setup(integrations=[OpenAIIntegration()], traces_sample_rate=1.0)
        observed = Completions.create
        assert observed is not plain

        def switch(on: bool) -> None:
            Completions.create = observed if on else plain

        return client(), switch
