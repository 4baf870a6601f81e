"""A place for each of many identifiers, in as little memory as a long report can have."""

from __future__ import annotations

from array import array
from typing import Final

MIN_SLOTS: Final = 1 << 10


class Places:
    """Numbers identifiers from 0 in the order in which they come, and knows each one again.

    An identifier is kept as its hash of 64 bits, in 8 bytes and some 8 more of a table by which it
    is found; a `dict` has some 120. That two of ten million share a hash happens in one log of
    three hundred thousand.
    """

    def __init__(self) -> None:
        self._hashes = array("q")
        # Where its low bits say, or at the next free slot: its place and 1; 0 is free.
        self._slots = array("I", bytes(4 * MIN_SLOTS))

    def __len__(self) -> int:
        return len(self._hashes)

    def of(self, identifier: str) -> int:
        """Return the place of an identifier, the next one if it is new."""
        hashes, slots = self._hashes, self._slots
        key = hash(identifier)
        mask = len(slots) - 1
        slot = key & mask
        while place := slots[slot]:
            if hashes[place - 1] == key:
                return place - 1
            slot = slot + 1 & mask
        hashes.append(key)
        slots[slot] = len(hashes)
        if 5 * len(hashes) > 3 * len(slots):
            self._widen()
        return len(hashes) - 1

    def _widen(self) -> None:
        size = 2 * len(self._slots)
        # The old table goes first: both at once would be the most memory that is ever taken.
        self._slots = array("I")
        self._slots = slots = array("I", [0]) * size
        mask = size - 1
        for place, key in enumerate(self._hashes, 1):
            slot = key & mask
            while slots[slot]:
                slot = slot + 1 & mask
            slots[slot] = place
