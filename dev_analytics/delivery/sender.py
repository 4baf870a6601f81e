"""The sender: a process of its own that delivers what waits in the spool, and ends.

There is one at work for each destination of a data directory, as long as there is work. It asks for
consent before every request, so that an opt-out stops the next one. What was acknowledged is
removed; what was not goes out again with the same bytes. It delivers only what was recorded for its
own destination, and the archive's, which leaves no machine; what is too old it deletes, whoever's
it is. It writes to nobody's terminal, and nothing of any event to its log.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import chain, islice
from pathlib import Path
from typing import Final

from dev_analytics.consent.decision import Consent, decide
from dev_analytics.consent.environment import read_environment
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.destination import Destination, Refused, Unacceptable, Unreachable
from dev_analytics.delivery.ledger import read_ledger
from dev_analytics.delivery.locks import holding
from dev_analytics.delivery.notes import LONGEST_QUIET, Notes
from dev_analytics.delivery.progress import Reader, replacement, resume, unsettled, write_lines
from dev_analytics.delivery.sendable import begins_before, event_of, oldest, sendable
from dev_analytics.delivery.settings import ARCHIVE, Delivery
from dev_analytics.delivery.turns import sign_of_life, turn
from dev_analytics.drops import Drop
from dev_analytics.tools.declaration import tool_of
from dev_analytics.version import NOTICE

FIRST_PAUSE: Final = 1.0
"""How long to wait before the first repetition, in seconds; each further one takes twice that."""

MOST_TRIES: Final = 6
"""How often a batch is sent before the sender ends and leaves it to the next one."""

LONGEST_PAUSE: Final = 60.0
"""A destination that asks for a longer pause than this, in seconds, is left to the next sender."""

MOST_PUT_ASIDE: Final = 10
"""How many records in a row may be not taken even alone before it is not they that are wrong."""


class Stop(Exception):  # noqa: N818, an end and no error
    """Nothing more can be sent now."""


class Sender:
    """Delivers what waits in a data directory for one destination.

    Parameters
    ----------
    data
        The data directory.
    destination
        Where the records go.
    most_days
        How old a record may become, in days.
    name
        The destination's name in the spool: `Delivery.destination`.
    first_pause
        How long to wait before the first repetition, in seconds.
    """

    def __init__(
        self,
        data: Path,
        destination: Destination,
        *,
        most_days: float,
        name: str = ARCHIVE,
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        self._data = data
        self._destination = destination
        self._most_days = most_days
        self._name = name
        self._first_pause = first_pause
        self._store = ConsentStore(data)
        self._backlog = Backlog(data)
        self._notes = Notes(data, name)
        self._user_id = ""
        self._consent = Consent()
        self._delivered = 0
        self._dropped: Counter[str] = Counter()
        self._put_aside = 0

    def run(self) -> None:
        """Deliver until nothing is left, if no other sender with this destination does."""
        while True:
            try:
                with turn(self._data, self._name):
                    left = self._deliver_all()
            except (TimeoutError, Stop):
                return
            # Whoever found the lock taken just now has left its file to this sender.
            if left.issuperset(self._backlog.ready(self._name)):
                return

    def _deliver_all(self) -> set[Path]:
        """Deliver every file; give those that cannot be had now."""
        self._user_id = self._ask_consent()
        for file in self._backlog.ready():
            self._expire(file)
        ledger = read_ledger(self._data)
        quiet = ledger.not_before - time.time()
        # A longer one was noted by a clock that was wrong.
        if 0 < quiet <= LONGEST_QUIET + 1 and ledger.failing in ("", self._name):
            raise Stop
        left: set[Path] = set()
        while files := [file for file in self._backlog.ready(self._name) if file not in left]:
            if not os.access(self._backlog.folder, os.W_OK):
                # What cannot be removed afterwards would be sent for ever.
                self._notes.failed("the spool cannot be written")
                raise Stop
            for file in files:
                with holding(file) as held:
                    if held:
                        self._deliver_file(file)
                    else:
                        left.add(file)
        # Who opted out during the last request wants that gone too.
        self._ask_consent()
        return left

    def _deliver_file(self, file: Path) -> None:
        try:
            start = resume(self._data, file)
            with file.open("rb") as opened:
                self._deliver_from(file, Reader(opened, start))
            file.unlink()
            replacement(file).unlink(missing_ok=True)
        except FileNotFoundError:
            # An opt-out took it.
            return

    def _deliver_from(self, file: Path, reader: Reader) -> None:
        batches: deque[list[bytes]] = deque()
        try:
            # A file that somebody still writes, on another machine, is read to its end.
            while batch := list(islice(self._sendable(reader), self._destination.most)):
                batches.append(batch)
                while batches:
                    self._deliver(batches)
                self._settle(file, end=reader.end)
        except Stop:
            self._keep(file, chain(chain.from_iterable(batches), self._sendable(reader)))
            raise
        self._settle(file, end=reader.end)

    def _expire(self, file: Path) -> None:
        """Delete what is too old in `file`: its sender may never come, or be told to wait."""
        with contextlib.suppress(OSError):
            # Only looked at: its own sender would take a file that is held for somebody else's.
            if not begins_before(*unsettled(self._data, file), oldest(self._most_days)):
                return
            with holding(file) as held:
                if held:
                    start = resume(self._data, file)
                    with file.open("rb") as opened:
                        self._keep(file, self._sendable(Reader(opened, start)))

    def _sendable(self, reader: Reader) -> Iterator[bytes]:
        return sendable(
            reader,
            user_id=self._user_id,
            covers=self._covers,
            oldest=oldest(self._most_days),
            dropped=self._dropped,
        )

    def _settle(self, file: Path, *, end: int = 0, checksum: int | None = None) -> None:
        """Count what became of records of `file`, with how far it is settled."""
        if self._delivered or self._dropped or checksum is not None:
            self._notes.settled(
                file, delivered=self._delivered, dropped=self._dropped, end=end, checksum=checksum
            )
        self._forget()

    def _forget(self) -> None:
        self._delivered = 0
        self._dropped.clear()

    def _deliver(self, batches: deque[list[bytes]]) -> None:
        """Deliver the first of `batches`, or put its halves in its place."""
        batch = batches[0]
        for number in range(1, MOST_TRIES + 1):
            if self._ask_consent() != self._user_id:
                raise Stop
            batch = batches[0] = self._covered(batch)
            if not batch:
                batches.popleft()
                return
            sign_of_life(self._data, self._name)
            try:
                self._destination.deliver(batch)
            except Unacceptable as error:
                self._divide(batches, str(error))
                return
            except Refused as error:
                self._notes.failed(str(error))
                raise Stop from None
            except Unreachable as error:
                self._notes.failed(str(error), error.after)
                pause = self._first_pause * 2 ** (number - 1) * random.uniform(0.5, 1.5)  # noqa: S311
                if number == MOST_TRIES or error.after > LONGEST_PAUSE:
                    raise Stop from None
                time.sleep(max(pause, error.after))
            else:
                batches.popleft()
                self._put_aside = 0
                self._notes.acknowledged(len(batch))
                self._delivered += len(batch)
                return

    def _covers(self, event: str) -> bool:
        """Tell whether the consent as it is now covers records of `event`."""
        tool = tool_of(event)
        return not tool or self._consent.covers(tool)

    def _covered(self, batch: list[bytes]) -> list[bytes]:
        """Leave out what tools recorded that were switched off while it waited."""
        if not self._consent.tools_off:
            return batch
        kept = [line for line in batch if self._covers(event_of(line))]
        self._dropped[Drop.REVOKED.value] += len(batch) - len(kept)
        return kept

    def _divide(self, batches: deque[list[bytes]], why: str) -> None:
        """Put the halves of the first of `batches` in its place; put a single record aside."""
        batch = batches[0]
        if len(batch) == 1:
            if self._put_aside == MOST_PUT_ASIDE:
                self._notes.failed(f"{why}, to everything")
                raise Stop
            self._put_aside += 1
            self._notes.put_aside(batch[0], why)
            self._dropped[Drop.QUARANTINED.value] += 1
        batches.popleft()
        middle = len(batch) // 2
        batches.extendleft(half for half in (batch[middle:], batch[:middle]) if len(batch) > 1)

    def _ask_consent(self) -> str:
        """Give the user's identifier; without a yes that holds now, stop."""
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
        self._consent = consent
        return consent.user_id

    def _keep(self, file: Path, records: Iterable[bytes]) -> None:
        """Leave only `records` in `file`, or all of it where the disk is full."""
        new = replacement(file)
        try:
            times = file.stat()
            checksum = write_lines(new, records)
            os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
        except OSError:
            # An opt-out took it; or the disk is full, and all since the last note is read again.
            new.unlink(missing_ok=True)
            self._forget()
        else:
            self._settle(file, checksum=checksum)
            with contextlib.suppress(OSError):
                new.replace(file)
                if not file.stat().st_size:
                    file.unlink()
        # An opt-out in between would have missed the new file.
        with contextlib.suppress(Stop):
            self._ask_consent()


def main(arguments: list[str] | None = None) -> None:
    """Be the sender that the arguments describe."""
    parser = argparse.ArgumentParser(description="Deliver what waits in the spool.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--project-key", default="")
    parser.add_argument("--host", default="")
    parser.add_argument("--most-days", type=float, required=True)
    parser.add_argument("--first-pause", type=float, default=FIRST_PAUSE)
    options = parser.parse_args(arguments)
    os.chdir(options.data)
    os.nice(10)
    # What is for the archive goes first: it is quick, and needs no key that some session knows.
    for key in dict.fromkeys(("", options.project_key)):
        _deliver(Delivery(project_key=key, host=options.host), options)


def _deliver(delivery: Delivery, options: argparse.Namespace) -> None:
    """Deliver what waits for the destination of `delivery`, if anything does."""
    name = delivery.destination
    if not Backlog(options.data).files(name):
        return
    try:
        # Most senders find another one at work, and end before what takes long is imported.
        with turn(options.data, name):
            destination = _destination(delivery, options.data)
        Sender(
            options.data,
            destination,
            most_days=options.most_days,
            name=name,
            first_pause=options.first_pause,
        ).run()
    except TimeoutError:
        return
    except ImportError:
        Notes(options.data, name).failed("posthog is not installed")
    except Exception as error:
        Notes(options.data, name).failed(f"the sender failed ({type(error).__name__})")


def _destination(delivery: Delivery, data: Path) -> Destination:
    """Give the destination; what it needs is imported only now."""
    if delivery.project_key:
        from dev_analytics.delivery.posthog import PostHog

        return PostHog(delivery.project_key, delivery.host)
    from dev_analytics.delivery.archive import Archive

    return Archive(data)


if __name__ == "__main__":
    # The process that was started ends at once: its child is nobody's zombie.
    if os.fork():
        os._exit(0)
    os.setsid()
    main()
