"""One recording: from a yes to its end, or the rehearsal of one.

A recording begins when records may be collected and ends when they may not, whatever ended it. Its
identifier, the numbers of its records, its cells and its duration know nothing of another one. What
would have been sent without consent belongs to a rehearsal, which is thrown away at the answer.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

from dev_analytics.catalogue.events import CellExecuted
from dev_analytics.catalogue.record import new_session_id
from dev_analytics.clock import Clock, seconds

if TYPE_CHECKING:
    from dev_analytics.consent.gate import Period


class Recording:
    """What the records of one recording have in common.

    Parameters
    ----------
    period
        The unbroken consent that it belongs to; None for a rehearsal.

    Attributes
    ----------
    session_id
        Its random UUID7, whose time is that of its beginning.
    seq
        The numbers of its records, from 1.
    recorded
        How many records of each event it has.
    """

    def __init__(self, period: Period | None) -> None:
        self.period = period
        self._started = Clock.monotonic() if period is None else period.started_monotonic
        self.session_id = new_session_id(int(seconds() if period is None else period.started))
        self.seq = itertools.count(1)
        self.recorded: Counter[str] = Counter()

    @property
    def cells(self) -> int:
        """How many cells it has."""
        return self.recorded[CellExecuted.wire]

    @property
    def duration(self) -> float:
        """How long it has lasted, in seconds."""
        return Clock.monotonic() - self._started
