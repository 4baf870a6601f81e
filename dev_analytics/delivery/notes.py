"""What a sender notes down: the ledger, its log, and the records that it put aside.

The log holds times, numbers and reasons, and nothing of any event. A note that cannot be written
stops no delivery.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from dev_analytics.catalogue.record import iso
from dev_analytics.delivery.ledger import Ledger, change_ledger
from dev_analytics.delivery.lines import LineFile
from dev_analytics.delivery.progress import settle

LOG: Final = "sender.log"
QUARANTINE: Final = "quarantine"
LOG_BYTES: Final = 64 * 2**10
QUARANTINE_BYTES: Final = 2**20
LONGEST_QUIET: Final = 86_400.0
"""For how long a destination may ask to be left alone, in seconds."""


class Notes:
    """The notes in a data directory.

    Parameters
    ----------
    data
        The data directory.
    destination
        Where the sender delivers.
    """

    def __init__(self, data: Path, destination: str) -> None:
        self._data = data
        self._destination = destination
        self._delivered = 0
        self._dropped: Counter[str] = Counter()

    def acknowledged(self, number: int) -> None:
        """Note in the log that so many records were acknowledged."""
        self._say(f"{number} delivered")

    def settled(
        self,
        file: Path,
        *,
        delivered: int,
        dropped: Mapping[str, int],
        end: int = 0,
        checksum: int | None = None,
    ) -> None:
        """Note what became of records of `file`, up to `end` or beside what replaces it.

        Where the ledger cannot be written now, that is counted with what comes next.
        """
        now = iso(int(time.time()))
        self._delivered += delivered
        self._dropped.update(dropped)

        def settled(ledger: Ledger) -> Ledger:
            if self._delivered:
                ledger = replace(ledger, delivered_at=now)
            # What a file is replaced for has failed after that was delivered.
            if self._delivered and checksum is None and ledger.failing in ("", self._destination):
                ledger = replace(ledger, failure="", not_before=0, failing="")
            return settle(
                ledger,
                file,
                end=end,
                checksum=checksum,
                delivered=self._delivered,
                dropped=self._dropped,
            )

        if self._change(settled):
            self._delivered = 0
            self._dropped.clear()

    def failed(self, why: str, after: float = 0.0) -> None:
        """Note why nothing was, and for how many seconds the destination wants to be left alone."""
        seconds = time.time()
        self._say(why)
        self._change(
            lambda ledger: replace(
                ledger,
                failure=why,
                failing=self._destination,
                failed_at=iso(int(seconds)),
                not_before=math.ceil(seconds + min(after, LONGEST_QUIET)) if after else 0,
            )
        )

    def refused(self, number: int, why: str) -> None:
        """Note in the log that so many records were refused for ever."""
        self._say(f"{number} {why}")

    def put_aside(self, records: Sequence[bytes], why: str) -> bool:
        """Keep records that cannot be delivered; False where there is no room for all of them."""
        try:
            for record in records:
                _append(self._data / QUARANTINE, record, QUARANTINE_BYTES)
        except OSError:
            return False
        self._say(f"{len(records)} put aside, {why}")
        return True

    def _change(self, change: Callable[[Ledger], Ledger]) -> bool:
        try:
            change_ledger(self._data, change)
        except OSError:
            return False
        return True

    def _say(self, what: str) -> None:
        with contextlib.suppress(OSError):
            _append(self._data / LOG, f"{iso(int(time.time()))} {what}".encode(), LOG_BYTES)


def _append(file: Path, line: bytes, most_bytes: int) -> None:
    if file.exists() and file.stat().st_size + len(line) >= most_bytes:
        file.unlink()
    opened = LineFile(file)
    try:
        opened.append(line)
    finally:
        opened.close()
