"""Acme Charts: draws nothing, but records that it did."""

from __future__ import annotations

import time


def chart(kind: str, title: str = "") -> str:
    """Draw a chart; its title stays here."""
    started = time.monotonic()
    drawn = f"<{kind} chart>"
    _record("acme.chart_made", kind=kind, seconds=time.monotonic() - started, titled=bool(title))
    return drawn


def _record(name: str, **properties: object) -> None:
    try:
        from dev_analytics import get_analytics
    except ImportError:
        return
    get_analytics().event(name, **properties)
