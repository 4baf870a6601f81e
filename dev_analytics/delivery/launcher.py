"""Starts senders, as processes that the kernel has nothing more to do with."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from msgspec import json

from dev_analytics.clock import Clock
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.bounds import bound
from dev_analytics.delivery.ledger import change_ledger
from dev_analytics.delivery.locks import holder_of
from dev_analytics.delivery.settings import ARCHIVE, Delivery
from dev_analytics.delivery.turns import lock_file
from dev_analytics.detached import spawn
from dev_analytics.drops import Drop, DropLedger
from dev_analytics.native import RLock, start_thread, system

MODULE: Final = "dev_analytics.delivery.sender"
_LATER: Final = ("/bin/sh", "-c", 'sleep 0.5; unset PWD OLDPWD; exec "$0" "$@"')
"""A sender's imports beside a process that ends would make its end twice as long. A shell would
tell it the notebook's folder."""

START_SECONDS: Final = 1.0
"""The least time between two starts of senders, in seconds: several times what one costs."""


class Launcher:
    """Starts senders for one data directory.

    Parameters
    ----------
    data
        The data directory.
    drops
        What this process dropped; stored before a sender is started.
    delivery
        Gives what a sender is told now. None in a process that knows no settings, as a worker of a
        pool: it starts none, and leaves what it writes to a process that does.
    other
        Where an opt-out counts too, as this process began with it: what a cell has put into the
        environment since says nothing about whose home this is.

    Attributes
    ----------
    drops
        What this process dropped.
    failure
        Why the last one could not be started, in words; empty if it was.
    """

    def __init__(
        self,
        data: Path,
        drops: DropLedger,
        delivery: Callable[[], Delivery | None],
        other: Path | None = None,
    ) -> None:
        self._other = other
        self.failure = ""
        self._data = data
        self.drops = drops
        self._delivery = delivery
        self._lock = RLock()
        self._starting = RLock()
        self._planned = False
        self._next_start = 0.0

    @property
    def delivery(self) -> Delivery | None:
        """What a sender would be told now."""
        return self._delivery()

    def start(self) -> None:
        """Start a sender without waiting for it; neither it nor its thread ever raises.

        One that is about to be started will see to everything that is ready by then.
        """
        if self.delivery is None:
            return
        with self._lock:
            if self._planned:
                return
            self._planned = True
            pause = max(0.0, self._next_start - Clock.monotonic())
        try:
            start_thread(self._start_after, (pause,))
        except RuntimeError:
            # At the end of a process there are no new threads, and nobody left to reap for.
            self._planned = False
            self._start()

    def after_fork(self) -> None:
        """Know nothing, in a forked child, of the threads of its parent."""
        self._lock = RLock()
        self._starting = RLock()
        self._planned = False
        self._next_start = 0.0

    def start_at_exit(self) -> None:
        """Start a sender at the end of this process, whose children then are init's."""
        self._start(_LATER)

    def _start_after(self, pause: float) -> None:
        Clock.sleep(pause)
        with self._starting:
            with self._lock:
                self._planned = False
            process = self._start()
            if process is not None:
                # It ends when its child, the sender, begins. Somebody may have waited for it.
                with contextlib.suppress(ChildProcessError):
                    system.waitpid(process, 0)
            self._next_start = Clock.monotonic() + START_SECONDS

    def _start(self, before: Sequence[str] = ()) -> int | None:
        delivery = self.delivery
        try:
            self._bound()
            if delivery is None:
                return None
            if not self._is_needed(delivery):
                return None
            process = self._spawn(delivery, before)
        except Exception as error:
            self.failure = getattr(error, "strerror", None) or str(error)
            return None
        self.failure = ""
        return process

    def _is_needed(self, delivery: Delivery) -> bool:
        """Return whether anything waits that no sender at work will find before it ends."""
        backlog = Backlog(self._data)
        return any(
            backlog.files(name) and not holder_of(lock_file(self._data, name)).held
            for name in {ARCHIVE, delivery.destination}
        )

    def bound_spool(self, *, at_once: bool = False) -> None:
        """Drop and count the oldest of what is too much for the spool, in a thread or `at_once`."""
        if not at_once:
            with contextlib.suppress(RuntimeError):
                start_thread(self._bound_in_turn, ())
                return
        self._bound()

    def _bound_in_turn(self) -> None:
        # Two at once would find the ledger held by each other, and leave their counts for later.
        with self._starting:
            self._bound()

    def _bound(self) -> None:
        try:
            self.drops.count_all(bound(Backlog(self._data), self.delivery or Delivery()))
            self.store_drops()
        except Exception:
            self.drops.count(Drop.FAILURE)

    def store_drops(self) -> None:
        """Add what this process dropped to the ledger on disk."""
        if not self.drops.unstored():
            return
        # Where the ledger cannot be written now, the counts stay for the next time.
        with contextlib.suppress(OSError), self.drops.storing() as counts:
            named = {drop.value: number for drop, number in counts.items()}
            change_ledger(self._data, lambda ledger: ledger.add_dropped(named), wait=0.1)

    def _spawn(self, delivery: Delivery, before: Sequence[str]) -> int:
        """Start a sender, and tell it through a pipe what no other user of the machine may read."""
        reading, writing = os.pipe()
        try:
            # What a pipe cannot hold at once would wait for a reader that there is not yet.
            os.set_blocking(writing, False)
            os.write(writing, json.encode(self._told(delivery)))
            return spawn(MODULE, before=before, stdin=reading)
        finally:
            os.close(writing)
            os.close(reading)

    def _told(self, delivery: Delivery) -> dict[str, object]:
        """Return the options of the sender, by their names in its command line."""
        told: dict[str, object] = {"data": _told_path(self._data), "most-days": delivery.most_days}
        if self._other is not None:
            told["other"] = _told_path(self._other)
        if delivery.project_key:
            told |= {"project-key": delivery.project_key, "host": delivery.host}
        return told


def _told_path(path: Path) -> str:
    """Write a path as text that any has: a letter for each of its bytes."""
    return os.fsencode(path).decode("latin-1")
