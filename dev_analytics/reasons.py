"""Why a record can be dropped; a module of its own, as only the type checker and tests load it."""

from __future__ import annotations

from typing import Literal, TypeAlias

Drop: TypeAlias = Literal[
    "invalid",
    "withheld by notice",
    "disk error",
    "spool full",
    "expired",
    "consent withdrawn",
    "quarantined",
    "not what the catalogue allows",
    "refused by PostHog: over the project's quota",
    "refused by PostHog: the project's rules",
    "refused by PostHog: not valid",
    "refused by PostHog: no reason that is known here",
    "more than one cell may give",
    "failure inside",
    "a time that cannot be",
    "deleted from the spool by somebody",
]
"""Why a record was dropped, in the words that ``status`` shows."""
