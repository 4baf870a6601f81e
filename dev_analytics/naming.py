"""Where LLM requests wait until their model can be named, out of the user's way.

A record made right after a call finds nothing of ours in the processor's caches, and a name that
was not met before has to be looked up. So a request only queues; it is recorded before the next
event, which keeps the order, or by a thread that gathers for a moment and looks names up.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, TypeAlias

from dev_analytics.drops import Drop, DropLedger
from dev_analytics.names import NAMES, NotKnownYet, Question

if TYPE_CHECKING:
    from dev_analytics.catalogue.models import Names

Record: TypeAlias = "Callable[[Names], object]"
"""Records a request with the public names that there are."""

MOST_WAITING: Final = 1000
"""How many requests wait at most; those beyond are counted as drops."""

GATHERED: Final = 0.02
"""For how many seconds the thread gathers what queues, to be woken once for all of it."""

IDLE: Final = 60.0
"""After how many seconds without a request nobody waits for names to be asked for."""

LONGEST_WAIT: Final = 1.0
"""How many seconds the end waits at most for a thread that is recording."""


class Naming:
    """Takes what waits for the names of models, in order.

    Parameters
    ----------
    drops
        Where what fails inside is counted.
    """

    def __init__(self, drops: DropLedger) -> None:
        self._drops = drops
        self._anew()

    def _anew(self) -> None:
        self._starting = threading.Lock()
        self._recording = threading.Lock()
        self._waiting: deque[Record] = deque()
        self._unknown = False
        self._bell: SimpleQueue[bool] = SimpleQueue()
        self._rung = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to load the names, if that has not begun; never waits."""
        if self._thread is not None:
            return
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(
                    target=self._work, args=(self._bell,), name="dev_analytics", daemon=True
                )
                thread.start()
                self._thread = thread

    def put(self, record: Record) -> None:
        """Have `record` called as soon as models can be named.

        It takes no lock that the caller may hold: that may be done while garbage is collected.
        """
        if len(self._waiting) >= MOST_WAITING:
            self._drops.count(Drop.UNNAMED)
            return
        self._waiting.append(record)
        if not self._rung:
            self._rung = True
            self._bell.put(True)

    def catch_up(self) -> None:
        """Record what waits and can be named, unless somebody else is at it; never waits."""
        if self._waiting and not self._unknown and self._recording.acquire(blocking=False):
            self._record(NAMES)

    def settle(self, seconds: float) -> bool:
        """Wait until all that waits now is recorded, and tell whether it was in time."""
        if self._thread is None:
            return not self._waiting
        settled = threading.Event()
        self._waiting.append(lambda _: settled.set())
        self._bell.put(True)
        return settled.wait(seconds)

    def close(self) -> None:
        """Record what waits at once, in the calling thread, with the names that are known."""
        with self._starting:
            bell, self._bell, self._thread = self._bell, SimpleQueue(), None
            self._rung = False
        bell.put(False)
        if self._recording.acquire(timeout=LONGEST_WAIT):
            self._record(NAMES.known())

    def after_fork(self) -> None:
        """Begin anew: what waits is the parent's, and so is the thread."""
        self._anew()

    def _work(self, bell: SimpleQueue[bool]) -> None:
        while True:
            try:
                if not bell.get(timeout=IDLE):
                    return
            except Empty:
                NAMES.rest()
                if not bell.get():
                    return
            time.sleep(GATHERED)
            self._rung = False  # what queues from here on rings again
            while self._recording.acquire() and (question := self._record(NAMES)):
                if not NAMES.learn(question):
                    self._drops.count(Drop.FAILURE)

    def _record(self, names: Names) -> Question | None:
        """Record in order until nothing waits, or until a name is to be asked for; give that.

        Whoever calls it has the lock, and loses it.
        """
        self._unknown = False
        try:
            while True:
                try:
                    record = self._waiting.popleft()
                except IndexError:
                    return None
                try:
                    record(names)
                except NotKnownYet as unknown:
                    self._waiting.appendleft(record)
                    self._unknown = True
                    return unknown.question
                except Exception:
                    self._drops.count(Drop.FAILURE)
        finally:
            self._recording.release()
