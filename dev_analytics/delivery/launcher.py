"""Starts senders, as processes that are independent of the kernel.

The modules for that are loaded when a sender is started: the first event would have to wait for
them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dev_analytics.delivery import Delivery, files
from dev_analytics.destinations import ARCHIVE
from dev_analytics.drops import DropLedger
from dev_analytics.process.forks import sleep, start_thread, unforked
from dev_analytics.process.handlers import Refusals, pass_on
from dev_analytics.process.native import Clock, RLock, seconds

MODULE: Final = "dev_analytics.delivery.sender_process"
EXIT_SECONDS: Final = 0.5
"""How long after an exit a sender is started, in seconds: its imports at the same time would make
the end of a process take twice as long."""

START_SECONDS: Final = 1.0
"""The least time between two starts of senders, in seconds: several times what a start costs."""

BEGIN_SECONDS: Final = 30.0
"""How long to wait for a sender's first sign of life, in seconds: its Python may fail before any
code of ours runs."""


class Launcher:
    """Starts senders for one data directory.

    Parameters
    ----------
    data
        The data directory.
    drops
        What this process dropped; it is stored before a sender is started.
    delivery
        Returns the settings for a sender now. None in a process without settings, such as a worker
        of a pool: it starts no sender, and leaves its records to a process that does.
    other
        Where else an opt-out counts, as it was when this process began: what a cell has put into
        the environment since then does not decide whose home this is.

    Attributes
    ----------
    failure
        Why the last sender could not be started, in words; empty if it was.
    gave_way
        Whether a start was given up, as a fork waited: the next event makes up for it.
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
        self.gave_way = False
        self._data = data
        self.drops = drops
        self.delivery = delivery
        self._lock = RLock()
        self._starting = RLock()
        self._planned = False
        self._next_start = 0.0
        self._started = 0.0

    @property
    def trouble(self) -> str:
        """Why no sender was started, or can be; empty if one can."""
        if not self.failure:
            from dev_analytics.process.detached import python

            try:
                python()
            except OSError as error:
                pass_on(error)
                return error.strerror or str(error)
        return self.failure or self._silence()

    def _silence(self) -> str:
        """Return a sentence about a sender that was started and has shown no sign of life."""
        delivery, started = self.delivery(), self._started
        if delivery is None or not started or seconds() - started < BEGIN_SECONDS:
            return ""
        from dev_analytics.delivery.turns import lock_file

        names = {ARCHIVE, delivery.destination}
        files = (lock_file(self._data, name) for name in names)
        if any(file.exists() and file.stat().st_mtime >= int(started) for file in files):
            return ""
        return "the one that was started last has not begun"

    def start(self) -> None:
        """Start a sender without waiting for it; neither it nor its thread ever raises.

        If one is about to be started, it will send everything that is ready by then.
        """
        if self.delivery() is None:
            return
        try:
            with self._lock:
                if self._planned:
                    return
                self._planned = True
                self.gave_way = False
                pause = max(0.0, self._next_start - Clock.monotonic())
            start_thread(self._start_after, (pause,))
        except RuntimeError:
            # No thread can be started at the end of a process.
            self._planned = False
            self._start()
        except BaseException:
            # After an interrupt there may be none, and the next event plans another start.
            self._planned = False
            raise

    def after_fork(self) -> None:
        """Forget the threads of the parent, in a forked child."""
        self._lock = RLock()
        self._starting = RLock()
        self._planned = False
        self.gave_way = False
        self._next_start = 0.0

    def start_at_exit(self) -> None:
        """Start a sender at the end of this process."""
        self._start(EXIT_SECONDS)

    def start_at_unload(self) -> None:
        """Start a sender at the end of a session whose process goes on, and wait for its start.

        Nothing of ours is called at the exit then, which may come before a thread had its turn.
        """
        self._next_start = Clock.monotonic() + START_SECONDS
        self._start()

    def _start_after(self, pause: float) -> None:  # in a thread of ours
        planned = True
        try:
            if sleep(0.0):
                _import_all()
            if not sleep(pause):
                self.gave_way = True
                return
            with self._starting:
                with self._lock:
                    self._planned = planned = False
                    self._next_start = Clock.monotonic() + START_SECONDS
                self._start()
        finally:
            # By the end of this start another one may be planned already.
            if planned:
                self._planned = False

    def _start(self, later: float = 0.0) -> None:
        delivery = self.delivery()
        try:
            self._bound()
            if delivery is None or not self._is_needed(delivery):
                return
            from dev_analytics.process.detached import spawn

            spawn(MODULE, self._options(delivery), later=later)
            self._started = seconds()
        except Exception as error:
            self.failure = getattr(error, "strerror", None) or str(error)
            return
        self.failure = ""

    def _is_needed(self, delivery: Delivery) -> bool:
        """Return whether anything waits that no running sender will find before it ends."""
        from dev_analytics.delivery.locks import holder_of
        from dev_analytics.delivery.turns import lock_file

        return any(
            files(self._data, name) and not holder_of(lock_file(self._data, name)).held
            for name in {ARCHIVE, delivery.destination}
        )

    def bound_spool(self, *, at_once: bool = False) -> None:
        """Drop and count the oldest records beyond the spool's bounds, in a thread or `at_once`."""
        if not at_once:
            with contextlib.suppress(RuntimeError):
                start_thread(self._bound_in_turn, ())
                return
        self._bound()

    def _bound_in_turn(self) -> None:  # in a thread of ours
        # Two at once would block each other's ledger, and leave their counts for later.
        with self._starting:
            _import_all()
            self._bound()

    def _bound(self) -> None:
        try:
            from dev_analytics.delivery.backlog import Backlog
            from dev_analytics.delivery.bounds import bound

            self.drops.count_all(bound(Backlog(self._data), self.delivery() or Delivery()))
            self.store_drops()
        except Exception as error:
            pass_on(error)
            self.drops.count("failure inside")

    def store_drops(self) -> None:
        """Add what this process dropped to the ledger on disk."""
        if not self.drops.unstored():
            return
        from dev_analytics.delivery.ledger import add_to_ledger
        from dev_analytics.delivery.pending import Change

        # If the ledger cannot be written now, the counts are kept for the next time.
        with Refusals(), self.drops.storing() as counts:
            add_to_ledger(self._data, Change(dropped=dict[str, int](counts.items())), wait=0.1)

    def _options(self, delivery: Delivery) -> dict[str, object]:
        """Return the options of the sender by name."""
        options: dict[str, object] = {"data": str(self._data), "max_days": delivery.max_days}
        if self._other is not None:
            options["other"] = str(self._other)
        if delivery.recipient != ARCHIVE:
            options["recipient"] = delivery.recipient
        return options


def _import_all() -> None:  # in a thread of ours
    """Import what a thread of ours needs, at a time when no fork happens; never raises."""
    with contextlib.suppress(Exception), unforked():
        import dev_analytics.delivery.bounds
        import dev_analytics.delivery.turns
        import dev_analytics.process.detached  # noqa: F401
        from dev_analytics.process import unseen_child

        unseen_child.import_all()
