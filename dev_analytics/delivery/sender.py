"""The sender: a process of its own that delivers what waits in the spool, and ends.

One sender works for each destination of a data directory, as long as there is work. It checks
consent before every request, and again when the connection is established, so that an opt-out stops
the next request. Only what the catalogue allows leaves, whoever wrote it into the spool.
Acknowledged records are removed; all others are sent again as the same bytes. It delivers only what
was recorded for its own destination, and for the archive, which stays on the machine. It deletes
what is too old, whatever its destination. It writes to no terminal, and nothing of any event to its
log.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import chain, islice
from pathlib import Path
from typing import Final

from dev_analytics.consent.decision import Consent, decide
from dev_analytics.consent.environment import place_of, read_environment
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import spool_name
from dev_analytics.delivery.agreed import give_to_archive
from dev_analytics.delivery.allowed import Allowed, Verdict
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.ledger import read_ledger
from dev_analytics.delivery.locks import holding
from dev_analytics.delivery.notes import MAX_QUIET, Notes
from dev_analytics.delivery.progress import Reader, lines, replacement, resume, unsettled
from dev_analytics.delivery.sendable import begins_before, oldest
from dev_analytics.delivery.suspects import Suspects
from dev_analytics.delivery.turns import lock_file, sign_of_life, turn
from dev_analytics.delivery.work import Work
from dev_analytics.destinations import ARCHIVE, destination_of
from dev_analytics.destinations.transport import (
    Receipt,
    Refused,
    Transport,
    Unacceptable,
    Unreachable,
)
from dev_analytics.process.descriptors import open_above
from dev_analytics.process.native import open_file
from dev_analytics.process.systems import erase, give_way, leave_folder
from dev_analytics.version import NOTICE

FIRST_PAUSE: Final = 1.0
"""How long to wait before the first repetition, in seconds; the pause doubles every time."""

MAX_TRIES: Final = 6
"""How often a batch is sent before the sender leaves it to the next one and ends."""

MAX_PAUSE: Final = 60.0
"""A destination that asks for a longer pause than this, in seconds, is left to the next sender."""


class Stop(Exception):  # noqa: N818, an end and no error
    """No more can be sent now."""


class Changed(Exception):  # noqa: N818, no error either
    """The consent has changed since the request was made."""


class Sender:
    """Delivers what waits in a data directory for one destination.

    Parameters
    ----------
    data
        The data directory.
    transport
        What delivers the records.
    max_days
        How old a record may become, in days.
    recipient
        Who receives them, as a yes names it; without such a yes nothing is sent.
    first_pause
        How long to wait before the first repetition, in seconds.
    other
        Where else an opt-out counts, as known to the process that started this one.
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
        self._recipient = recipient
        self._first_pause = first_pause
        self._store = ConsentStore(data, place_of(data, other))
        self._backlog = Backlog(data)
        self._notes = Notes(data, self._name)
        self._user_id = ""
        self._consent = Consent()
        self._allowed = self._checked = Allowed(self._consent)
        self._suspects = Suspects()
        transport.confirm = self._confirm

    def run(self) -> None:
        """Deliver until nothing is left, unless another sender for this destination is at work."""
        while True:
            try:
                with turn(self._data, self._name):
                    left = self._deliver_all()
            except TimeoutError:
                return
            except Stop:
                # On Windows an open file cannot be deleted, as the archive was at the last check.
                with contextlib.suppress(Stop):
                    self._ask_consent()
                return
            finally:
                self._notes.store()
            # A sender that found the lock taken just now has left its file to this one.
            if left.issuperset(self._backlog.ready(self._name)):
                return

    def _deliver_all(self) -> set[Path]:
        """Deliver every file, and return those that cannot be delivered now."""
        self._user_id = self._ask_consent()
        for file in self._backlog.ready():
            self._expire(file)
        ledger = read_ledger(self._data)
        quiet = ledger.not_before - time.time()
        # A longer pause was noted while the clock was wrong.
        if 0 < quiet <= MAX_QUIET + 1 and ledger.failing in ("", self._name):
            raise Stop
        left: set[Path] = set()
        while files := [file for file in self._backlog.ready(self._name) if file not in left]:
            if not os.access(self._backlog.folder, os.W_OK):
                # Records that cannot be removed afterwards would be sent again for ever.
                self._notes.failed("the spool cannot be written")
                raise Stop
            for file in files:
                with holding(file) as held:
                    if not held or self._deliver_file(file):
                        left.add(file)
        # A user who opted out during the last request wants these deleted too.
        self._ask_consent()
        return left

    def _deliver_file(self, file: Path) -> bool:
        """Deliver the records of a file, and return whether any of them stay."""
        try:
            start = resume(self._data, file)
            with open_file(file, "rb", opener=open_above) as opened:
                if self._deliver_from(self._work(file), Reader(opened, start)):
                    return True
            erase(file)
            replacement(file).unlink(missing_ok=True)
        except FileNotFoundError:
            # An opt-out deleted it.
            return False
        return False

    def _deliver_from(self, work: Work, reader: Reader) -> bool:
        batches: deque[list[bytes]] = deque()
        try:
            # A file that is still being written, on another machine, is read to its end.
            while batch := list(islice(self._next(work, reader), self._transport.batch_size)):
                batches.append(batch)
                while batches:
                    self._deliver(work, batches)
                work.sort()
                if not self._staying(work):
                    work.settle(reader.end)
        except Stop:
            unsent = chain.from_iterable(batches)
            self._keep(work, chain(self._suspects.of(work.file), unsent, self._rest(work, reader)))
            raise
        work.sort()
        if staying := self._staying(work):
            self._keep(work, staying)
        else:
            work.settle(reader.end)
        return bool(staying)

    def _expire(self, file: Path) -> None:
        """Delete what is too old in `file`: its own sender may never come, or may have to wait."""
        with contextlib.suppress(OSError):
            # Looked at without its lock: its own sender would leave a locked file to another one.
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
        self._checked = self._allowed
        return work.sendable(reader, self._checked)

    def _rest(self, work: Work, reader: Reader) -> Iterator[bytes]:
        return work.rest(reader, self._allowed)

    def _staying(self, work: Work) -> list[bytes]:
        """Return the records that were read and may not leave the file yet."""
        return [*self._suspects.of(work.file), *work.stays]

    def _deliver(self, work: Work, batches: deque[list[bytes]]) -> None:
        """Deliver the first of `batches`, or replace it with its halves."""
        for number in range(1, MAX_TRIES + 1):
            if self._ask_consent() != self._user_id:
                raise Stop
            batches[0] = self._covered(work, batches[0])
            if not batches[0]:
                batches.popleft()
                return
            sign_of_life(self._data, self._name)
            try:
                self._send(work, batches)
            except Changed:
                continue
            except Unacceptable as error:
                self._divide(work, batches, str(error))
                return
            except Refused as error:
                self._notes.failed(str(error))
                raise Stop from None
            except Unreachable as error:
                self._notes.failed(str(error), error.after)
                pause = self._first_pause * 2 ** (number - 1) * random.uniform(0.5, 1.5)  # noqa: S311
                if number == MAX_TRIES or error.after > MAX_PAUSE:
                    raise Stop from None
                time.sleep(max(pause, error.after))
            else:
                batches.popleft()
                return

    def _send(self, work: Work, batches: deque[list[bytes]]) -> None:
        """Send the first of `batches`, and leave in it only what must be sent again.

        Raises
        ------
        Unreachable
            There is some.
        """
        batch = batches[0]
        receipt = self._transport.deliver(batch) or Receipt()
        batches[0] = [batch[place] for place in sorted(receipt.unanswered)]
        for drop, number in Counter(receipt.dropped.values()).items():
            self._notes.refused(number, drop)
            work.drop(drop, number)
        delivered = len(batch) - len(receipt.dropped) - len(receipt.unanswered)
        if delivered:
            work.deliver(delivered)
            self._condemn(work)
        if batches[0]:
            raise Unreachable(receipt.why, receipt.after)

    def _condemn(self, work: Work) -> None:
        """Quarantine what was refused even alone, once another record has been accepted."""
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

    def _covered(self, work: Work, batch: list[bytes]) -> list[bytes]:
        """Drop what may no longer leave because the consent changed while it waited."""
        if self._allowed is self._checked:
            return batch
        check = self._allowed.check
        kept = [line for line in batch if check(line).verdict is Verdict.ALLOWED]
        work.drop("consent withdrawn", len(batch) - len(kept))
        return kept

    def _divide(self, work: Work, batches: deque[list[bytes]], why: str) -> None:
        """Replace the first of `batches` with its halves; a single record becomes a suspect."""
        batch = batches[0]
        if len(batch) == 1:
            if self._suspects.are_too_many:
                self._notes.failed(f"{why}, to everything")
                raise Stop
            self._suspects.add(work.file, batch[0])
        batches.popleft()
        middle = len(batch) // 2
        batches.extendleft(half for half in (batch[middle:], batch[:middle]) if len(batch) > 1)

    def _confirm(self) -> None:
        """Check consent again, now that the connection has been made.

        Raises
        ------
        Stop
            Nothing may be sent any longer.
        Changed
            Some of what is about to be sent may no longer be allowed.
        """
        before = self._consent
        if self._ask_consent() != self._user_id:
            raise Stop
        if self._consent != before:
            raise Changed

    def _ask_consent(self) -> str:
        """Return the user's identifier.

        Raises
        ------
        Stop
            No yes to this recipient holds now.
        """
        consent = self._store.read()
        if consent.user_id is None and not consent.unreadable:
            self._store.purge()
        decision = decide(
            consent,
            read_environment(),
            None,
            sample_percent=0,
            notice=NOTICE,
            can_answer=False,
            today=date.today(),
        )
        if not decision.collecting or consent.user_id is None:
            raise Stop
        if not consent.names(self._recipient):
            raise Stop
        if consent != self._consent:
            self._consent, self._allowed = consent, Allowed(consent)
        return consent.user_id

    def _keep(self, work: Work, records: Iterable[bytes]) -> None:
        """Replace the file's content with `records`."""
        work.keep(records)
        # An opt-out in between did not know of the new file.
        with contextlib.suppress(Stop):
            self._ask_consent()


def begin(options: Mapping[str, object]) -> None:
    """Run the sender that a launcher describes, by the names of the options."""
    # The process that started it sees that it began, even if another one is already at work.
    with contextlib.suppress(OSError):
        lock_file(Path(str(options["data"])), ARCHIVE).touch(0o600)
    # With an equals sign, a value that begins with a dash is not taken for an option.
    arguments = [f"--{name}={value}" for name, value in options.items() if name != "data"]
    main([*arguments, "--", str(options["data"])])


def main(arguments: list[str] | None = None) -> None:
    """Run the sender that the arguments describe."""
    parser = argparse.ArgumentParser(description="Deliver what waits in the spool.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--recipient", default=ARCHIVE)
    parser.add_argument("--max-days", type=float, required=True)
    parser.add_argument("--first-pause", type=float, default=FIRST_PAUSE)
    parser.add_argument("--other", type=Path)
    options = parser.parse_args(arguments)
    leave_folder(options.data)
    give_way()
    place = place_of(options.data, options.other)
    give_to_archive(Backlog(options.data), ConsentStore(options.data, place))
    # Records for the archive go first: that is quick, and needs no key from a session.
    for recipient in dict.fromkeys((ARCHIVE, options.recipient)):
        _deliver(recipient, options)


def _deliver(recipient: str, options: argparse.Namespace) -> None:
    """Deliver what waits for `recipient`, if anything does."""
    name = spool_name(recipient)
    _, *fields = recipient.split(" ")
    if not Backlog(options.data).files(name):
        return
    destination = destination_of(recipient)
    try:
        # Most senders find another one at work, and end before the slow imports.
        with turn(options.data, name):
            transport = destination.open(options.data, fields)
        Sender(
            options.data,
            transport,
            max_days=options.max_days,
            recipient=recipient,
            first_pause=options.first_pause,
            other=options.other,
        ).run()
    except TimeoutError:
        return
    except ImportError:
        Notes(options.data, name).failed(f"{destination.package} is not installed")
    except Exception as error:
        Notes(options.data, name).failed(f"the sender failed ({type(error).__name__})")
