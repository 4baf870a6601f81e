"""dev_analytics, as a user has it who agreed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from rivals import DURATION, OUTCOME, Base


class Library(Base):
    """Loaded by its magic; without a shell, used as a tool uses it."""

    def setup(self, declared: int = 0) -> None:
        """Load it, with at least `declared` events in its catalogue."""
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        if shell is not None:
            shell.config.DevAnalytics.posthog_project_key = "phc_of_a_benchmark"
            shell.config.DevAnalytics.posthog_host = self.address
            shell.run_line_magic("load_ext", "dev_analytics")
        from dev_analytics import get_analytics

        self.analytics = get_analytics()
        if declared:
            self._declare(declared)

    def _declare(self, declared: int) -> None:
        """Add events of the form of the one that is recorded."""
        from dev_analytics.catalogue.events import EVENTS, CellExecuted

        # EVENTS is a plain dict that no code may write to: this one stands for a later version.
        events: Any = EVENTS
        struct: Any = type(CellExecuted)
        for number in range(declared - len(EVENTS)):
            namespace = {"wire": f"other {number}", "__module__": CellExecuted.__module__}
            events[f"other_{number}"] = struct(f"Other{number}", (CellExecuted,), namespace)

    def event(self) -> None:
        """Record one event."""
        self.analytics.event("cell_executed", outcome=OUTCOME, duration_ms=DURATION)

    def observe_cells(self, shell: Any) -> None:
        """Its own observers are there since it was loaded."""

    def observe_models(self, client: Callable[..., Any]) -> tuple[Any, Any]:
        """Observe as it is loaded; switched by its recorder."""
        from dev_analytics.observers import hooks

        recorder = hooks.State.active

        def switch(on: bool) -> None:
            hooks.State.active = recorder if on else None

        return client(), switch
