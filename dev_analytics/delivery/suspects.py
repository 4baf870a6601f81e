"""Records that are refused even alone: whether they are wrong, or the destination, shows later.

It is they once another record is taken after them, and the destination once many in a row are
refused. Until then they stay in the spool, so that a destination that refuses everything, or a
proxy before it, costs no record.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

MAX_IN_A_ROW: Final = 10
"""How many records in a row may be refused even alone before it is not they that are wrong."""


class Suspects:
    """The records that were refused even alone, and are neither condemned nor cleared."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._records: dict[Path, list[bytes]] = {}

    @property
    def are_too_many(self) -> bool:
        """So many were refused in a row that the destination is wrong."""
        return self._in_a_row >= MAX_IN_A_ROW

    def add(self, file: Path, record: bytes) -> None:
        """Add a record of `file` that was refused."""
        self._in_a_row += 1
        self._records.setdefault(file, []).append(record)

    def of(self, file: Path) -> list[bytes]:
        """Return those of a file of the spool."""
        return self._records.get(file, [])

    def condemn(self) -> dict[Path, list[bytes]]:
        """Return them all by their file, as another record was taken, and begin anew."""
        self._in_a_row = 0
        condemned, self._records = self._records, {}
        return condemned
