"""The drop ledger: every record that was not kept or not delivered, counted by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dev_analytics.process.native import RLock

if TYPE_CHECKING:
    from dev_analytics.reasons import Drop


class DropLedger:
    """The drops of this session; `counts` has their number by reason."""

    def __init__(self) -> None:
        self.counts: Counter[Drop] = Counter()
        self._stored: Counter[Drop] = Counter()
        # Reentrant, as a signal handler of the user's may run in the middle of a count.
        self._lock = RLock()

    def count(self, drop: Drop, number: int = 1) -> None:
        """Count `number` drops for one reason."""
        with self._lock:
            self.counts[drop] += number

    def count_all(self, counts: Mapping[Drop, int]) -> None:
        """Count drops for several reasons."""
        for drop, number in counts.items():
            self.count(drop, number)

    def unstored(self) -> Counter[Drop]:
        """Return the counts that are not in a ledger on disk yet."""
        with self._lock:
            return self.counts - self._stored

    @contextmanager
    def storing(self) -> Iterator[Counter[Drop]]:
        """Yield the counts that are not on disk yet; they count as stored unless the block raises.

        The lock is not held meanwhile: the block may wait for a disk, and `count` must not.
        """
        counts: Counter[Drop] = Counter()
        try:
            with self._lock:
                unstored = self.counts - self._stored
                stored = self._stored + unstored
                # Both at once, as an interrupt may come before and after.
                counts, self._stored = unstored, stored
            yield counts
        except BaseException:
            with self._lock:
                self._stored = self._stored - counts
            raise

    def after_fork(self) -> None:
        """Leave the counts so far to the parent of a forked child, and replace the lock."""
        self._lock = RLock()
        self._stored = self.counts.copy()
