"""What a sender writes down: the ledger, its log, and the records that it put aside.

The log holds times, numbers and reasons, and nothing of any event. Delivery goes on without log and
quarantine, but not without a ledger.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from dev_analytics.catalogue.record import iso
from dev_analytics.delivery.ledger import LOCK_SECONDS, add_to_ledger, change_ledger
from dev_analytics.delivery.lines import LineFile
from dev_analytics.delivery.pending import Change

LOG: Final = "sender.log"
QUARANTINE: Final = "quarantine"
LOG_BYTES: Final = 64 * 2**10
QUARANTINE_BYTES: Final = 2**20
MAX_QUIET: Final = 86_400.0
"""How long a pause a destination may ask for, in seconds."""


class Notes:
    """The notes in a data directory of the sender for `destination`."""

    def __init__(self, data: Path, destination: str) -> None:
        self._data = data
        self._destination = destination
        self._wait = LOCK_SECONDS
        self._unnoted: dict[str, Change] = {}

    def acknowledged(self, number: int) -> None:
        """Log that so many records were acknowledged."""
        self._say(f"{number} delivered")

    def settled(
        self,
        file: Path,
        *,
        delivered: int,
        dropped: Mapping[str, int],
        end: int = 0,
        checksum: int | None = None,
    ) -> bool:
        """Record the outcome of records of `file`: all up to `end`, or all but its replacement's.

        Return False if the ledger can neither be written now nor changed later; the counts are then
        added to the next ones.
        """
        before = self._unnoted.pop(file.name, Change())
        change = Change(
            delivered=before.delivered + delivered,
            dropped=dict(Counter(before.dropped) + Counter(dropped)),
            at=iso(int(time.time())),
            destination=self._destination,
            file=file.name,
            end=end,
            checksum=checksum,
        )
        self._unnoted[file.name] = change
        self.store()
        return not self.lacks(file)

    def store(self) -> None:
        """Store what could not be stored before."""
        for name, change in list(self._unnoted.items()):
            try:
                free = add_to_ledger(self._data, change, wait=self._wait)
            except OSError:
                return
            # Whatever has held it all that time probably still does.
            self._wait = LOCK_SECONDS if free else 0.0
            del self._unnoted[name]

    def lacks(self, file: Path) -> bool:
        """Return whether counts of `file` could not be stored yet."""
        return file.name in self._unnoted

    def forget(self, file: Path) -> None:
        """Forget the counts of `file` that could not be noted: it is read again from there."""
        self._unnoted.pop(file.name, None)

    def failed(self, why: str, after: float = 0.0) -> None:
        """Record why nothing was delivered, and the pause in seconds that was asked for."""
        seconds = time.time()
        self._say(why)
        with contextlib.suppress(OSError):
            change_ledger(
                self._data,
                lambda ledger: ledger._replace(
                    failure=why,
                    failing=self._destination,
                    failed_at=iso(int(seconds)),
                    not_before=math.ceil(seconds + min(after, MAX_QUIET)) if after else 0,
                ),
                wait=self._wait,
            )

    def refused(self, number: int, why: str) -> None:
        """Log that so many records were refused for ever."""
        self._say(f"{number} {why}")

    def put_aside(self, records: Sequence[bytes], why: str) -> bool:
        """Keep records that cannot be delivered; return False where there is no room for them."""
        try:
            for record in records:
                _append(self._data / QUARANTINE, record, QUARANTINE_BYTES)
        except OSError:
            return False
        self._say(f"{len(records)} put aside, {why}")
        return True

    def _say(self, what: str) -> None:
        with contextlib.suppress(OSError):
            _append(self._data / LOG, f"{iso(int(time.time()))} {what}".encode(), LOG_BYTES)


def _append(file: Path, line: bytes, max_bytes: int) -> None:
    if file.exists() and file.stat().st_size + len(line) >= max_bytes:
        file.unlink()
    opened = LineFile(file)
    try:
        opened.append(line)
    finally:
        opened.close()
