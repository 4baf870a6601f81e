"""What the makers of another tool declare their own events with.

All of it is what the core's catalogue declares its events with, and `Tool`, which puts them
together. ``docs/for-tool-makers.md`` shows it from nothing to delivered.
"""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from dev_analytics.catalogue.events import Event, Why
from dev_analytics.catalogue.values import Flag, Word
from dev_analytics.catalogue.vocabulary import Vocabulary
from dev_analytics.tools.declaration import DeclarationError, Tool
from dev_analytics.tools.kinds import Count, Duration, Version

__all__ = [
    "UNSET",
    "Count",
    "DeclarationError",
    "Duration",
    "Event",
    "Flag",
    "Tool",
    "UnsetType",
    "Version",
    "Vocabulary",
    "Why",
    "Word",
]
