"""Where LLM requests wait until their model can be named, in a thread of its own.

The names of public models take half a second to load. A thread does that beside the user's code,
and then records what waits, in the order in which it came.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

from dev_analytics.catalogue import matcher
from dev_analytics.drops import Drop, DropLedger

MOST_WAITING: Final = 1000
"""How many requests wait at most; those beyond are counted as drops."""


class Naming:
    """Takes what waits for the names of models, in order.

    Parameters
    ----------
    drops
        Where what fails inside is counted.
    """

    def __init__(self, drops: DropLedger) -> None:
        self._drops = drops
        self._lock = threading.Lock()
        self._queue: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def over(self) -> bool:
        """Whether loading is over, well or not, or nobody waits for it any more."""
        return self._closed or matcher.tried()

    def start(self) -> None:
        """Begin to load the names, if that has not begun; never waits."""
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None:
                self._closed = False
                thread = threading.Thread(target=self._work, name="dev_analytics", daemon=True)
                thread.start()
                self._thread = thread

    def put(self, record: Callable[[], object], *, here: bool = False) -> None:
        """Have `record` called as soon as models can be named.

        Parameters
        ----------
        record
            Records a request. Queueing it takes no lock that the caller may hold: that may be done
            while garbage is collected.
        here
            It may be called at once, where nothing waits: waking the thread costs as much again.
        """
        if here and matcher.tried() and self._queue.empty():
            self._record(record)
        elif self._queue.qsize() < MOST_WAITING:
            self._queue.put(record)
        else:
            self._drops.count(Drop.UNNAMED)

    def settle(self, seconds: float) -> bool:
        """Wait until all that waits now is recorded, and tell whether it was in time."""
        if self._thread is None:
            return self._queue.empty()
        settled = threading.Event()
        self._queue.put(settled.set)
        return settled.wait(seconds)

    def close(self) -> None:
        """Record what waits at once, in the calling thread, with the names there are."""
        self._closed = True
        with self._lock:
            queue, self._queue, self._thread = self._queue, SimpleQueue(), None
        while True:
            try:
                record = queue.get_nowait()
            except Empty:
                break
            if record is not None:
                self._record(record)
        queue.put(None)

    def after_fork(self) -> None:
        """Begin anew: what waits is the parent's, and so is the thread."""
        self._lock = threading.Lock()
        self._queue, self._thread = SimpleQueue(), None
        self._closed = False

    def _work(self) -> None:
        queue = self._queue
        matcher.load()
        while (record := queue.get()) is not None:
            self._record(record)

    def _record(self, record: Callable[[], object]) -> None:
        try:
            record()
        except Exception:
            self._drops.count(Drop.FAILURE)
