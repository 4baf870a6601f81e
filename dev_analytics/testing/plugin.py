"""The pytest plugin for the makers of other tools: their events as records, and the proof.

It is loaded into every pytest of an environment, so it imports nothing before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from dev_analytics.analytics import Analytics
    from dev_analytics.testing import Proof
    from dev_analytics.tools import Tool


class AnalyticsEvents:
    """The records that a test made, which `analytics` writes to an event log."""

    def __init__(self, analytics: Analytics, log: Path) -> None:
        self._analytics = analytics
        self._log = log

    @property
    def records(self) -> list[dict[str, Any]]:
        """Every complete record, the oldest first."""
        import json

        self._analytics.pipeline.catch_up()
        lines = self._log.read_bytes().splitlines() if self._log.exists() else []
        return [json.loads(line) for line in lines]

    def of(self, wire: str) -> list[dict[str, Any]]:
        """Return an event's own properties from each of its records; `wire` is its name there."""
        from dev_analytics.catalogue.common import PROPERTIES

        return [
            {name: value for name, value in each["properties"].items() if name not in PROPERTIES}
            for each in self.records
            if each["event"] == wire
        ]


@pytest.fixture
def analytics_events(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AnalyticsEvents]:
    """Yield what is recorded in a test, without asking anybody and without sending anything.

    ``get_analytics()`` is a real, strict `Analytics` in a temporary data directory: an event or a
    property that is not declared raises.
    """
    _skip_where_unserved()
    from dev_analytics.analytics import Analytics
    from dev_analytics.process import things

    folder = tmp_path_factory.mktemp("analytics")
    monkeypatch.setenv("DEV_ANALYTICS_DIR", str(folder / "data"))
    one = Analytics(folder / "data", delivery=None, strict=True)
    one.log_to(folder / "events.jsonl")
    monkeypatch.setitem(things(), "analytics", one)
    yield AnalyticsEvents(one, folder / "events.jsonl")
    one.stop_log()


@pytest.fixture
def prove_private() -> Callable[[Tool], Proof]:
    """Prove that nothing private can leave through the events of a tool; it raises if it can."""
    _skip_where_unserved()
    from dev_analytics.testing import prove

    return prove


def _skip_where_unserved() -> None:
    from dev_analytics.process import why_unserved

    if why := why_unserved():
        pytest.skip(f"dev_analytics is off: {why}")
