"""Starts senders, as processes that the kernel has nothing more to do with."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.ledger import change_ledger
from dev_analytics.delivery.settings import Delivery
from dev_analytics.detached import spawn
from dev_analytics.drops import Drop, DropLedger

MODULE: Final = "dev_analytics.delivery.sender"
_LATER: Final = ("/bin/sh", "-c", 'sleep 0.5; unset PWD OLDPWD; exec "$0" "$@"')
"""A sender's imports beside a process that ends would make its end twice as long. A shell would
tell it the notebook's folder."""


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

    Attributes
    ----------
    failure
        Why the last one could not be started, in words; empty if it was.
    """

    def __init__(
        self, data: Path, drops: DropLedger, delivery: Callable[[], Delivery | None]
    ) -> None:
        self.failure = ""
        self._data = data
        self._drops = drops
        self._delivery = delivery

    @property
    def delivery(self) -> Delivery | None:
        """What a sender would be told now."""
        return self._delivery()

    def start(self) -> None:
        """Start a sender without waiting for it; neither it nor its thread ever raises."""
        if self.delivery is None:
            return
        try:
            threading.Thread(target=self._start_and_reap, daemon=True).start()
        except RuntimeError:
            # At the end of a process there are no new threads, and nobody left to reap for.
            self._start()

    def start_at_exit(self) -> None:
        """Start a sender at the end of this process, whose children then are init's."""
        self._start(_LATER)

    def _start_and_reap(self) -> None:
        process = self._start()
        if process is not None:
            # It ends at once, as its child is the sender. Somebody else may have waited for it.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process, 0)

    def _start(self, before: Sequence[str] = ()) -> int | None:
        delivery = self.delivery
        if delivery is None:
            return None
        try:
            self._trim(delivery)
            self.store_drops()
            process = spawn(MODULE, *self._options(delivery), before=before)
        except Exception as error:
            self.failure = getattr(error, "strerror", None) or str(error)
            return None
        self.failure = ""
        return process

    def _trim(self, delivery: Delivery) -> None:
        if dropped := Backlog(self._data).trim(delivery.most_mib * 2**20):
            self._drops.count(Drop.SPOOL_FULL, dropped)

    def store_drops(self) -> None:
        """Add what this process dropped to the ledger on disk."""
        counts = self._drops.unstored()
        if counts:
            named = {drop.value: number for drop, number in counts.items()}
            # Where the ledger cannot be written now, the counts stay for the next time.
            with contextlib.suppress(OSError):
                change_ledger(self._data, lambda ledger: ledger.add_dropped(named), wait=0.1)
                self._drops.stored(counts)

    def _options(self, delivery: Delivery) -> list[str]:
        options = [str(self._data), f"--most-days={delivery.most_days}"]
        if delivery.project_key:
            options += [f"--project-key={delivery.project_key}", f"--host={delivery.host}"]
        return options
