"""What the makers of another tool use to declare events of their own.

It is what the core's catalogue uses too, with `Tool` to put events together.
``docs/for-tool-makers.md`` shows the whole way, from the first line to a delivered record.
"""

from __future__ import annotations

from dev_analytics.catalogue.fields import UNSET, Event, UnsetType, Why
from dev_analytics.catalogue.values import Flag, Word
from dev_analytics.catalogue.vocabulary import Vocabulary
from dev_analytics.tools.checks import DeclarationError
from dev_analytics.tools.declaration import Tool
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
