"""The drop ledger: every record that was not kept, counted by reason."""

from __future__ import annotations

from collections import Counter
from enum import Enum


class Drop(Enum):
    """Why a record was dropped, in the words that ``status`` shows."""

    INVALID = "invalid"
    WITHHELD = "withheld by notice"
    DISK_ERROR = "disk error"
    SURPLUS = "more than one cell may give"
    FAILURE = "failure inside"


class DropLedger:
    """Counts what was dropped in this session."""

    def __init__(self) -> None:
        self.counts: Counter[Drop] = Counter()

    def count(self, drop: Drop) -> None:
        """Count one."""
        self.counts[drop] += 1
