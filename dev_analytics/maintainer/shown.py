"""The fields of PostHog's dashboards and alerts that are used.

An answer in any other form is reported as an error in one line.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """Text on a dashboard."""

    body: str | None


class Tile(_Numbered, total=False):
    """A tile of a dashboard, with an insight, with text, or with something else."""

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
    insight: int | _Numbered | None
    threshold: Any
    condition: Any
    config: Any
    calculation_interval: str | None


def tiles(shown: Dashboard | None) -> Sequence[Tile]:
    """Return the tiles of a dashboard; none if there is no dashboard."""
    return shown.get("tiles", ()) if shown else ()


def words(tile: Tile) -> str:
    """Return the text of a tile, if it has any."""
    return (tile.get("text") or {}).get("body") or ""


def with_tag(shown: Dashboard | None, tag: str) -> list[Tile]:
    """Return the tiles of a dashboard whose insight has a tag, the oldest first."""
    found = [
        tile
        for tile in tiles(shown)
        if (insight := tile.get("insight")) and tag in (insight.get("tags") or ())
    ]
    return sorted(found, key=lambda tile: tile["id"])


def watched(alert: Alert) -> int | None:
    """Return the number of the insight that an alert watches."""
    insight = alert.get("insight")
    return insight["id"] if isinstance(insight, dict) else insight
