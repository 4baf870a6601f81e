"""The sender: delivers what waits in the spool, in a process of its own, and ends.

Each destination of a data directory has one sender, as long as there is work. It checks consent
before every request, and again when the connection is established, so that an opt-out stops the
next request. Only what the catalogue allows leaves, whoever wrote it into the spool. Acknowledged
records are removed; all others are sent again as the same bytes. A sender delivers only the records
for its own destination, but deletes expired records of any. It writes nothing to a terminal, and no
content of events to its log.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from dev_analytics.consent.environment import place_of
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import spool_name
from dev_analytics.delivery.attempts import FIRST_PAUSE, Attempts
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.bounds import begins_before, oldest
from dev_analytics.delivery.ledger import read_ledger
from dev_analytics.delivery.locks import holding
from dev_analytics.delivery.notes import MAX_QUIET, Notes
from dev_analytics.delivery.pending import has_room
from dev_analytics.delivery.permission import Permission, Stop
from dev_analytics.delivery.progress import Reader, lines, resume, unsettled
from dev_analytics.delivery.suspects import Suspects
from dev_analytics.delivery.turns import sign_of_life, turn
from dev_analytics.delivery.work import Work
from dev_analytics.destinations import ARCHIVE
from dev_analytics.destinations.transport import Transport
from dev_analytics.process.descriptors import open_above, replacement
from dev_analytics.process.native import open_file
from dev_analytics.process.systems import erase


class Sender:
    """Delivers what waits in a data directory for one destination.

    Parameters
    ----------
    data, transport
        The data directory, and what delivers its records.
    max_days
        The age, in days, at which a record expires.
    recipient
        The recipient, as a yes names it; without a yes to it nothing is sent.
    first_pause
        How long to wait before the second attempt, in seconds.
    other
        The other place where an opt-out counts, as known to the process that started this one.
    """

    def __init__(
        self,
        data: Path,
        transport: Transport,
        *,
        max_days: float,
        recipient: str = ARCHIVE,
        first_pause: float = FIRST_PAUSE,
        other: Path | None = None,
    ) -> None:
        self._data = data
        self._transport = transport
        self._max_days = max_days
        self._name = spool_name(recipient)
        self._backlog = Backlog(data)
        self._notes = Notes(data, self._name)
        self._permission = Permission(ConsentStore(data, place_of(data, other)), recipient)
        self._suspects = Suspects()
        self._attempts = Attempts(
            transport,
            self._permission,
            self._notes,
            self._suspects,
            first_pause=first_pause,
            alive=lambda: sign_of_life(data, self._name),
            accepted=self._condemn,
        )

    def run(self) -> None:
        """Deliver until nothing is left, unless another sender works for this destination."""
        while True:
            try:
                with turn(self._data, self._name):
                    left = self._deliver_all()
            except TimeoutError:
                return
            except Stop:
                # An opt-out deletes the archive, which on Windows fails while it is open. Now it
                # is closed.
                with contextlib.suppress(Stop):
                    self._permission.look_up()
                return
            finally:
                self._notes.store()
            # A sender that found the lock taken just now has left its file to this one.
            if left.issuperset(self._backlog.ready(self._name)):
                return

    def _deliver_all(self) -> set[Path]:
        """Deliver every file, and return those that cannot be delivered now."""
        self._permission.begin()
        for file in self._backlog.ready():
            self._expire(file)
        ledger = read_ledger(self._data)
        quiet = ledger.not_before - time.time()
        # A longer pause can only come from a clock that was wrong.
        if 0 < quiet <= MAX_QUIET + 1 and ledger.failing in ("", self._name):
            raise Stop
        left: set[Path] = set()
        while files := [file for file in self._backlog.ready(self._name) if file not in left]:
            for file in files:
                with holding(file) as held:
                    if not held or self._deliver_file(file):
                        left.add(file)
        # If the user opted out during the last request, this deletes what is left.
        self._permission.look_up()
        return left

    def _deliver_file(self, file: Path) -> bool:
        """Deliver the records of a file, and return whether any of them stay."""
        if not (os.access(self._backlog.folder, os.W_OK) and has_room(self._data)):
            # Records that could not be removed afterwards would be sent again and again.
            self._notes.failed("the spool cannot be written")
            raise Stop
        with contextlib.suppress(FileNotFoundError):  # an opt-out deleted it
            start = resume(self._data, file)
            with open_file(file, "rb", opener=open_above) as opened:
                if self._deliver_from(self._work(file), Reader(opened, start)):
                    return True
            erase(file)
            replacement(file).unlink(missing_ok=True)
        return False

    def _deliver_from(self, work: Work, reader: Reader) -> bool:
        batches: deque[list[bytes]] = deque()
        try:
            # A file that is still being written, on another machine, is read to its end.
            while batch := list(islice(self._next(work, reader), self._transport.batch_size)):
                batches.append(batch)
                while batches:
                    self._attempts.deliver(work, batches)
                work.quarantine()
                if not self._staying(work) and not work.settle(reader.end):
                    raise Stop
        except Stop:
            unsent = chain.from_iterable(batches)
            self._keep(work, chain(self._suspects.of(work.file), unsent, self._rest(work, reader)))
            raise
        work.quarantine()
        if staying := self._staying(work):
            self._keep(work, staying)
            return True
        if not work.settle(reader.end):
            # The file stays, as what is deleted uncounted would be missing from the sums. It is
            # read again from the former offset: some records are sent again, with the same uuid.
            self._notes.forget(work.file)
            return True
        return False

    def _expire(self, file: Path) -> None:
        """Delete the expired records in `file`, as its own sender may never start."""
        with contextlib.suppress(OSError):
            # First without its lock, as its own sender skips a locked file.
            if not begins_before(*unsettled(self._data, file), oldest(self._max_days)):
                return
            with holding(file) as held:
                if held:
                    start = resume(self._data, file)
                    with open_file(file, "rb", opener=open_above) as opened:
                        work = self._work(file)
                        self._keep(work, self._rest(work, Reader(opened, start)))

    def _work(self, file: Path) -> Work:
        return Work(file, self._notes, oldest(self._max_days))

    def _next(self, work: Work, reader: Reader) -> Iterator[bytes]:
        return work.sendable(reader, self._permission.for_batch())

    def _rest(self, work: Work, reader: Reader) -> Iterator[bytes]:
        return work.rest(reader, self._permission.allowed)

    def _staying(self, work: Work) -> list[bytes]:
        """Return the records that were read and must stay in the file."""
        return [*self._suspects.of(work.file), *work.stays]

    def _condemn(self, work: Work) -> None:
        """Quarantine records that were refused even alone, now that another was accepted."""
        for file, records in self._suspects.condemn().items():
            why = "refused even alone"
            if file == work.file:
                work.put_aside(records, why, "quarantined")
                continue
            with holding(file) as held, contextlib.suppress(OSError):
                if held:
                    other = self._work(file)
                    start = resume(self._data, file)
                    refused = set(records)
                    left = [line for line in lines(file, start) if line not in refused]
                    other.put_aside(records, why, "quarantined")
                    self._keep(other, [*left, *other.stays])

    def _keep(self, work: Work, records: Iterable[bytes]) -> None:
        """Replace the file's content with `records`."""
        work.keep(records)
        # If the user opted out in between, this deletes the new file.
        with contextlib.suppress(Stop):
            self._permission.look_up()
