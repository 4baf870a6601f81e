"""What a fork by the user's code waits for: our imports, and our threads.

A forked child has none of its parent's other threads, and would wait for ever for a module that one
of them was importing: ours, or one of the standard library that the user's code needs there. So a
fork waits until our import in another thread is over.

From Python 3.12 on, a fork while other threads exist warns the user, who may have started none. If
all of them are ours, they end before the fork: one that sleeps gives up, and one at work is soon
done. What was given up begins again later, as a thread that came back at once would be noticed,
too.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Final

from dev_analytics.process import kept
from dev_analytics.process.handlers import pass_on
from dev_analytics.process.native import (
    Clock,
    RLock,
    begin_thread,
    fresh_copy_in_c,
    system,
    thread_number,
)

MAX_WAIT_SECONDS: Final = 5.0
"""How long a fork waits for an import at most: it may itself wait for one of the user's."""

MAX_END_SECONDS: Final = 1.0
"""How long it waits for threads at most, after that: a disk may be slow."""

STEP_SECONDS: Final = 0.001
"""How often a fork checks whether they have ended."""

POLL_SECONDS: Final = 0.02
"""How often a thread that sleeps checks whether a fork waits."""

WIPED_IN_CHILD: Final = 18
"""MADV_WIPEONFORK of Linux, from 4.14 on."""

NO_ADVICE: Final = -1
"""What a system refuses that looks at what it is advised."""

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
        """Whether it has ended, or, where the system does not say, whether it is at its end."""
        if self.number and _LISTED:
            try:
                system.stat(f"{_LIST}/{self.number}")
            except OSError:
                return True
            return False
        return self.at_end


class _Forks:
    """Our imports and threads in one process.

    Attributes
    ----------
    importing
        Held by the thread that imports something for us.
    is_awaited
        Whether a fork waits for our threads.
    under_way
        The numbers of the threads whose fork has been prepared, and is not over in this process.
    before, after_in_parent, in_child
        What is called at a fork: before it, in the parent once none is under way, in the child.
    """

    def __init__(self) -> None:
        self.importing: Any = RLock()
        self._forking: Any = RLock()
        self.is_awaited = False
        self.under_way: set[int] = set()
        self.before: list[Callable[[], None]] = []
        self.after_in_parent: list[Callable[[], None]] = []
        self.in_child: list[Callable[[], None]] = []
        self._threads: list[_Ours] = []
        self._process = system.getpid()
        self._has_begun = False
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
    def _run(  # in a thread of ours
        ours: _Ours, run: Callable[..., object], given: tuple[Any, ...]
    ) -> None:
        try:
            # An exception from a trace function, or one raised in all threads, would be printed.
            with contextlib.suppress(BaseException):
                ours.number = thread_number()
                run(*given)
        finally:
            ours.at_end = True

    def _before(self) -> None:
        # Not by `importing` alone: a hook of the user's may let others import meanwhile; another
        # fork would then wait for the locks of further hooks, and these for it.
        self._forking.acquire(timeout=MAX_WAIT_SECONDS)
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
                # The next fork does not wait for them again.
                self._threads = []
        self._has_begun = False
        self.under_way.add(thread_number())
        _call(self.before)

    def _is_seen(self) -> bool:
        """Return whether Python would warn about this fork, and only because of our threads."""
        if not self._threads:
            return False
        mine = thread_number()
        threads = [each for each in self._threads if not each.is_gone and each.number != mine]
        return bool(threads) and _number_of_threads() <= 1 + len(threads)

    def _after_in_parent(self) -> None:
        self.is_awaited = False
        self.under_way.discard(thread_number())
        if not self.under_way:
            _call(self.after_in_parent)
        for lock in (self.importing, self._forking):
            if lock._is_owned():
                lock.release()

    def _after_in_child(self) -> None:
        if not self._has_begun:
            self._begin_child()

    def begin_child(self) -> None:
        if system.getpid() != self._process:
            self._begin_child()
            self._has_begun = True

    @contextlib.contextmanager
    def letting_import(self) -> Iterator[None]:
        self.begin_child()
        if thread_number() not in self.under_way or not self.importing._is_owned():
            yield
            return
        self.importing.release()
        try:
            yield
        finally:
            self.importing.acquire(timeout=MAX_WAIT_SECONDS)

    def _begin_child(self) -> None:
        self.is_awaited = False
        self.under_way.clear()
        self._threads = []
        for lock in (self.importing, self._forking):
            if lock._is_owned():
                lock.release()
            else:
                # The fork has waited long enough; in the child the thread with it does not exist.
                lock._at_fork_reinit()
        _call(self.in_child)
        self._process = system.getpid()


def _number_of_threads() -> int:
    """Return how many threads this process has, or 0 if the system does not say."""
    try:
        # A directory has one link from itself, one from above, and one from each folder in it.
        return system.stat(_LIST).st_nlink - 2
    except OSError:
        return 0


def _forks() -> _Forks:
    return kept("forks", _Forks)


def _call(functions: Iterable[Callable[[], None]]) -> None:
    """Call all of `functions`: a failure of one concerns no other, and nobody else."""
    for function in functions:
        with contextlib.suppress(Exception):
            function()


def in_child(begin: Callable[[], None]) -> None:
    """Call `begin` in every forked child, before anything is recorded there."""
    _forks().in_child.append(begin)


def around_fork(before: Callable[[], None], after_in_parent: Callable[[], None]) -> None:
    """Call `before` when a fork begins, and `after_in_parent` when none is under way any longer."""
    _forks().before.append(before)
    _forks().after_in_parent.append(after_in_parent)


def begin_child() -> None:
    """Begin in a forked child, if this is one that has not begun.

    A hook that the user registered before ours runs first there, and may record an event.
    """
    _forks().begin_child()


class _Number:
    """Says by the number of the process what a page does that is wiped in a child."""

    __slots__ = ("_process",)

    def __getitem__(self, place: int) -> int:
        return int(self._process == system.getpid())

    def __setitem__(self, place: int, own: int) -> None:
        self._process = system.getpid()


def own_mark() -> Any:
    """Return what is 1 at place 0 here, but not in a child, unless it is set to 1 there, too.

    A fork that a library makes in C calls no hook. Looking at a page that Linux wipes in a child
    takes a tenth of the time of asking for the number of the process.
    """
    mark: Any = _Number()
    if sys.platform == "linux" and (memory := fresh_copy_in_c("mmap")) is not None:
        try:
            flags = memory.MAP_PRIVATE | memory.MAP_ANONYMOUS
            page = memory.mmap(-1, memory.PAGESIZE, flags=flags)
            page.madvise(WIPED_IN_CHILD)
            if _is_refused(page, NO_ADVICE):
                mark = page
        except OSError as error:
            pass_on(error)
    mark[0] = 1
    return mark


def _is_refused(page: Any, advice: int) -> bool:
    """Return whether the system refuses `advice`: a sandbox may accept any, and do nothing."""
    try:
        page.madvise(advice)
    except OSError as error:
        pass_on(error)
        return True
    return False


def letting_import() -> AbstractContextManager[None]:
    """Return a block in which other threads may import, even if this one is about to fork.

    In a hook of the user's it may be, and then it may wait for a thread that waits for its fork.
    """
    return _forks().letting_import()


def is_under_way() -> bool:
    """Return whether a fork has been prepared: what is left here, its child will find."""
    return bool(_forks().under_way)


def unforked() -> AbstractContextManager[Any]:
    """Return a lock that blocks forks in other threads, but not in the thread that holds it.

    It is the lock itself: with a generator, a signal handler's exception could leave it locked.
    """
    lock: AbstractContextManager[Any] = _forks().importing
    return lock


def start_thread(run: Callable[..., object], given: tuple[Any, ...]) -> None:
    """Run a function in a thread for which only a fork waits.

    It is a real thread of the system even if `threading` has been replaced, and is not among the
    threads that the user counts, traces or profiles.

    Raises
    ------
    RuntimeError
        No thread can be started.
    """
    _forks().start(run, given)


def sleep(seconds: float) -> bool:  # in a thread of ours
    """Sleep in a thread of ours; return False at once if a fork waits for its end."""
    forks = _forks()
    until = Clock.monotonic() + seconds
    while not forks.is_awaited:
        left = until - Clock.monotonic()
        if left <= 0:
            return True
        Clock.sleep(min(left, POLL_SECONDS))
    return False
