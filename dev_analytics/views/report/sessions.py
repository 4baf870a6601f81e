"""The sessions in a log, counted exactly in little memory, and what is missing in them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable


class Sessions:
    """Sessions and the gaps in their numbers.

    A session is kept as the hash of its identifier and three numbers, some 120 bytes. That two of
    ten million share a hash of 64 bits happens in one log of a hundred thousand.
    """

    def __init__(self) -> None:
        self._places: dict[int, int] = {}
        self._lowest = array("I")
        self._highest = array("I")
        self._counts = array("Q")

    def __len__(self) -> int:
        return len(self._places)

    def add_all(self, records: Iterable[tuple[str | None, int | None]]) -> None:
        """Count records by their session, if they have one, and their number in it."""
        places, lowest, highest = self._places, self._lowest, self._highest
        counts = self._counts
        for session_id, seq in records:
            if session_id is None:
                continue
            key = hash(session_id)
            place = places.get(key)
            if place is None:
                places[key] = len(places)
                lowest.append(0 if seq is None else seq)
                highest.append(0 if seq is None else seq)
                counts.append(0 if seq is None else 1)
            elif seq is not None:
                if not counts[place]:
                    lowest[place] = highest[place] = seq
                elif seq > highest[place]:
                    highest[place] = seq
                elif seq < lowest[place]:
                    lowest[place] = seq
                counts[place] += 1

    def gaps(self) -> tuple[int, int]:
        """Return in how many sessions numbers are missing, and how many.

        What was before the first record that is there, or after the last, nobody can tell. A
        record that stands there twice hides a missing one.
        """
        missing = [
            highest - lowest + 1 - count
            for lowest, highest, count in zip(
                self._lowest, self._highest, self._counts, strict=True
            )
            if count and highest - lowest >= count
        ]
        return len(missing), sum(missing)
