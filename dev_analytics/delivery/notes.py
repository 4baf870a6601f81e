"""What a sender notes down: the ledger, its log, and the records that it put aside.

The log holds times, numbers and reasons, and nothing of any event. A note that cannot be written
stops no delivery.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from dev_analytics.catalogue.record import iso
from dev_analytics.delivery.ledger import Ledger, change_ledger
from dev_analytics.delivery.lines import LineFile

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

    def delivered(self, number: int) -> None:
        """Note that so many records were acknowledged."""
        now = iso(int(time.time()))
        self._say(f"{number} delivered")

        def delivered(ledger: Ledger) -> Ledger:
            if ledger.failing in ("", self._destination):
                ledger = replace(ledger, failure="", not_before=0, failing="")
            return replace(ledger, delivered=ledger.delivered + number, delivered_at=now)

        self._change(delivered)

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

    def dropped(self, counts: Mapping[str, int]) -> None:
        """Note how many records were dropped, by reason."""
        if counts:
            self._change(lambda ledger: ledger.add_dropped(counts))

    def put_aside(self, record: bytes, why: str) -> None:
        """Keep a record that is not taken even alone."""
        self._say(f"1 put aside, {why}")
        with contextlib.suppress(OSError):
            _append(self._data / QUARANTINE, record, QUARANTINE_BYTES)

    def _change(self, change: Callable[[Ledger], Ledger]) -> None:
        with contextlib.suppress(OSError):
            change_ledger(self._data, change)

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
