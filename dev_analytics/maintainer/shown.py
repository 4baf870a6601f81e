"""What PostHog shows of dashboards and alerts, as far as it is looked at; whatever else is skipped.

An answer that has another form ends in one line, wherever it comes from.
"""

from __future__ import annotations

from typing import Any, TypedDict


class _Numbered(TypedDict):
    id: int


class Insight(_Numbered, total=False):
    """An insight."""

    name: str | None
    description: str | None
    query: Any
    tags: list[str] | None


class Text(TypedDict, total=False):
    """Words on a dashboard."""

    body: str | None


class Tile(_Numbered, total=False):
    """A place on a dashboard, with an insight, with words, or with something else."""

    insight: Insight | None
    text: Text | None
    layouts: Any
    color: str | None


class Listed(_Numbered, total=False):
    """A dashboard in a list."""

    tags: list[str] | None
    deleted: bool | None


class Dashboard(_Numbered, total=False):
    """A dashboard with its tiles."""

    name: str | None
    description: str | None
    tags: list[str] | None
    tiles: list[Tile]


class _Known(TypedDict):
    id: str


class Alert(_Known, total=False):
    """An alert."""

    name: str | None
    threshold: Any
    condition: Any
    config: Any
    calculation_interval: str | None
