"""Imports that no fork falls into.

A child has none of its parent's other threads, and waits for ever for a module that one of them was
importing: ours, or one of the standard library's that the user's code needs there. So a fork waits
until an import is over that another thread makes for us.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any, Final

from dev_analytics.process.kept import kept
from dev_analytics.process.native import RLock

MAX_WAIT_SECONDS: Final = 5.0
"""How long a fork waits at most: the import may itself wait for one that the user is in."""


def unforked() -> AbstractContextManager[Any]:
    """Return what blocks forks of other threads inside; those of this one go on.

    It is the lock itself: an exception of a signal handler between the frames of a generator would
    leave it taken.
    """
    lock: AbstractContextManager[Any] = kept("imports that no fork falls into", _watched_lock)
    return lock


def _watched_lock() -> Any:
    lock: Any = RLock()

    def in_parent() -> None:
        if lock._is_owned():
            lock.release()

    def in_child() -> None:
        if lock._is_owned():
            lock.release()
        else:
            # The fork has waited long enough, and the thread that has the lock is not here.
            lock._at_fork_reinit()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lambda: lock.acquire(timeout=MAX_WAIT_SECONDS),
            after_in_parent=in_parent,
            after_in_child=in_child,
        )
    return lock
