"""Records that are refused even alone: later ones show who is wrong, they or the destination.

The records are wrong if another one is accepted after them; the destination is wrong if many in a
row are refused. Until then they stay in the spool, so that no record is lost to a destination or a
proxy that refuses everything.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

MAX_IN_A_ROW: Final = 10
"""How many records in a row may be refused even alone before the destination is to blame."""


class Suspects:
    """The records that were refused even alone, and are neither condemned nor cleared."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._records: dict[Path, list[bytes]] = {}

    @property
    def are_too_many(self) -> bool:
        """Whether so many were refused in a row that the destination is to blame."""
        return self._in_a_row >= MAX_IN_A_ROW

    def add(self, file: Path, record: bytes) -> None:
        """Add a record of `file` that was refused."""
        self._in_a_row += 1
        self._records.setdefault(file, []).append(record)

    def of(self, file: Path) -> list[bytes]:
        """Return the suspects of a file of the spool."""
        return self._records.get(file, [])

    def condemn(self) -> dict[Path, list[bytes]]:
        """Return them all by their file, as another record was accepted, and begin anew."""
        self._in_a_row = 0
        condemned, self._records = self._records, {}
        return condemned
