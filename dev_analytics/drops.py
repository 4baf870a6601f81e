"""What was dropped: every record that was not kept or not delivered, counted by reason."""

from __future__ import annotations

from collections import Counter
from enum import Enum


class Drop(Enum):
    """Why a record was dropped, in the words that ``status`` shows."""

    INVALID = "invalid"
    WITHHELD = "withheld by notice"
    DISK_ERROR = "disk error"
    SPOOL_FULL = "spool full"
    EXPIRED = "expired"
    REVOKED = "consent withdrawn"
    QUARANTINED = "quarantined"
    UNDECLARED = "not what the catalogue allows"
    OVER_QUOTA = "refused by PostHog: over the project's quota"
    RESTRICTED = "refused by PostHog: the project's rules"
    NOT_VALID = "refused by PostHog: not valid"
    UNEXPLAINED = "refused by PostHog: no reason that is known here"
    SURPLUS = "more than one cell may give"
    FAILURE = "failure inside"


class DropLedger:
    """Counts what was dropped in this session.

    Attributes
    ----------
    counts
        How often, by reason.
    """

    def __init__(self) -> None:
        self.counts: Counter[Drop] = Counter()
        self._stored: Counter[Drop] = Counter()

    def count(self, drop: Drop, number: int = 1) -> None:
        """Count one, or more at once."""
        self.counts[drop] += number

    def unstored(self) -> Counter[Drop]:
        """Give what was counted and is in no ledger on disk yet."""
        return self.counts - self._stored

    def stored(self, counts: Counter[Drop]) -> None:
        """Note that `counts` are in the ledger on disk now."""
        self._stored += counts
