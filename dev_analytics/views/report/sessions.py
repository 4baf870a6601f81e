"""The sessions in a log, counted exactly in little memory, and what is missing in them."""

from __future__ import annotations

from array import array


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

    def add(self, session_id: str, seq: int | None) -> None:
        """Count a record of a session, by its number in it."""
        key = hash(session_id)
        place = self._places.get(key)
        if place is None:
            self._places[key] = len(self._places)
            self._lowest.append(0 if seq is None else seq)
            self._highest.append(0 if seq is None else seq)
            self._counts.append(0 if seq is None else 1)
            return
        if seq is None:
            return
        if not self._counts[place]:
            self._lowest[place] = self._highest[place] = seq
        elif seq > self._highest[place]:
            self._highest[place] = seq
        elif seq < self._lowest[place]:
            self._lowest[place] = seq
        self._counts[place] += 1

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
