"""The sessions in a log, counted exactly in little memory, and their missing records."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable

from dev_analytics.views.report.numbering import Numbering


class Sessions:
    """The sessions and the gaps in their numbers: about 35 bytes for each."""

    def __init__(self) -> None:
        self._numbers = Numbering()
        self._lowest = array("I")
        self._highest = array("I")
        self._counts = array("Q")

    def __len__(self) -> int:
        return len(self._numbers)

    def add_all(self, records: Iterable[tuple[str | None, int | None]]) -> None:
        """Count records by their session, if they have one, and by their number in it."""
        by_session: defaultdict[str | None, list[int | None]] = defaultdict(list)
        for session_id, seq in records:
            by_session[session_id].append(seq)
        by_session.pop(None, None)
        for session, said in by_session.items():
            index = self._numbers.number(session or "")
            if index == len(self._counts):
                self._lowest.append(0)
                self._highest.append(0)
                self._counts.append(0)
            if numbers := [seq for seq in said if seq is not None]:
                self._add(index, min(numbers), max(numbers), len(numbers))

    def _add(self, index: int, lowest: int, highest: int, count: int) -> None:
        if self._counts[index]:
            lowest = min(lowest, self._lowest[index])
            highest = max(highest, self._highest[index])
        self._lowest[index] = lowest
        self._highest[index] = highest
        self._counts[index] += count

    def gaps(self) -> tuple[int, int]:
        """Return how many sessions have missing numbers, and how many numbers are missing.

        What was before the first record in the log, or after the last one, is unknown. A record
        that is in the log twice hides a missing one.
        """
        sessions = missing = 0
        for lowest, highest, count in zip(self._lowest, self._highest, self._counts, strict=True):
            if count and highest - lowest >= count:
                sessions += 1
                missing += highest - lowest + 1 - count
        return sessions, missing
