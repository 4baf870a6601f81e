"""What a fork of the user's waits for: our imports, and our threads.

A child has none of its parent's other threads, and waits for ever for a module that one of them was
importing: ours, or one of the standard library's that the user's code needs there. So a fork waits
until an import is over that another thread makes for us.

From Python 3.12 on a fork beside any other thread warns the user, who may have started none. Where
those of ours are the only ones, they end before it: one that rests gives up, one at work is soon
over. What was given up is begun again later, as a thread that came back at once would be seen, too.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from dev_analytics.process.clock import Clock
from dev_analytics.process.kept import kept
from dev_analytics.process.native import RLock, begin_thread, system, thread_number

MAX_WAIT_SECONDS: Final = 5.0
"""How long a fork waits for an import at most: that may itself wait for one that the user is in."""

MAX_END_SECONDS: Final = 1.0
"""How long it waits for the threads at most, after that: a disk may be slow."""

STEP_SECONDS: Final = 0.001
"""How often a fork looks whether they have ended."""

REST_SECONDS: Final = 0.02
"""How often one that rests looks whether a fork waits."""

_LIST: Final = "/proc/self/task"
_LISTED: Final = sys.platform == "linux"


class _Ours:
    """A thread of ours: its number once it has begun, and whether it is at its end."""

    __slots__ = ("at_end", "number")

    def __init__(self) -> None:
        self.number = 0
        self.at_end = False

    @property
    def is_gone(self) -> bool:
        """Whether the system has it no more; where that does not tell, whether it is at its end."""
        if self.number and _LISTED:
            try:
                system.stat(f"{_LIST}/{self.number}")
            except OSError:
                return True
            return False
        return self.at_end


class _Forks:
    """The imports and threads of ours in one process.

    Attributes
    ----------
    importing
        Held by the thread that imports something for us.
    is_awaited
        Whether a fork waits for our threads.
    """

    def __init__(self) -> None:
        self.importing: Any = RLock()
        self.is_awaited = False
        self._threads: list[_Ours] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before,
                after_in_parent=self._after_in_parent,
                after_in_child=self._after_in_child,
            )

    def start(self, run: Callable[..., object], given: tuple[Any, ...]) -> None:
        ours = _Ours()
        self._threads = [each for each in self._threads if not each.is_gone] + [ours]
        try:
            begin_thread(self._run, (ours, run, given))
        except BaseException:
            ours.at_end = True
            raise

    @staticmethod
    def _run(ours: _Ours, run: Callable[..., object], given: tuple[Any, ...]) -> None:
        try:
            # What a user raises in all threads, or in a trace function, would be printed.
            with contextlib.suppress(BaseException):
                ours.number = thread_number()
                run(*given)
        finally:
            ours.at_end = True

    def _before(self) -> None:
        is_inside = self.importing._is_owned()
        until = Clock.monotonic() + MAX_WAIT_SECONDS
        free = self.importing.acquire(timeout=MAX_WAIT_SECONDS)
        steps = MAX_END_SECONDS / STEP_SECONDS
        while free and not is_inside and self._is_seen():
            self.is_awaited = True
            # One of them may be about to import.
            self.importing.release()
            Clock.sleep(STEP_SECONDS)
            free = self.importing.acquire(timeout=max(0.0, until - Clock.monotonic()))
            steps -= 1
            if steps < 0:
                # The next fork does not wait for it once more.
                self._threads = []

    def _is_seen(self) -> bool:
        """Return whether Python would warn of this fork, and because of threads of ours alone."""
        if not self._threads:
            return False
        mine = thread_number()
        threads = [each for each in self._threads if not each.is_gone and each.number != mine]
        return bool(threads) and _number_of_threads() <= 1 + len(threads)

    def _after_in_parent(self) -> None:
        self.is_awaited = False
        if self.importing._is_owned():
            self.importing.release()

    def _after_in_child(self) -> None:
        self.is_awaited = False
        self._threads = []
        if self.importing._is_owned():
            self.importing.release()
        else:
            # The fork has waited long enough, and the thread that has the lock is not here.
            self.importing._at_fork_reinit()


def _number_of_threads() -> int:
    """Return how many threads this process has, as far as the system tells; else 0."""
    try:
        # A directory has a link from itself, one from above, and one from each that is in it.
        return system.stat(_LIST).st_nlink - 2
    except OSError:
        return 0


def _forks() -> _Forks:
    return kept("what a fork waits for", _Forks)


def unforked() -> AbstractContextManager[Any]:
    """Return what blocks forks of other threads inside; those of this one go on.

    It is the lock itself: an exception of a signal handler between the frames of a generator would
    leave it taken.
    """
    lock: AbstractContextManager[Any] = _forks().importing
    return lock


def start_thread(run: Callable[..., object], given: tuple[Any, ...]) -> None:
    """Run a function in a thread that nobody but a fork waits for.

    It is a thread of the system's also where `threading` has others, and none of those that the
    user counts, traces or profiles.

    Raises
    ------
    RuntimeError
        There can be none.
    """
    _forks().start(run, given)


def rest(seconds: float) -> bool:
    """Rest in a thread of ours; return False, at once, where a fork waits for its end."""
    forks = _forks()
    until = Clock.monotonic() + seconds
    while not forks.is_awaited:
        left = until - Clock.monotonic()
        if left <= 0:
            return True
        Clock.sleep(min(left, REST_SECONDS))
    return False
