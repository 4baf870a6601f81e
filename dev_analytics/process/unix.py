"""What Linux and macOS do in a way of their own, by the names in `dev_analytics.process.systems`.

They are the plain calls: a file has a name, or none, or another one, whoever has it open.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from dev_analytics.process.native import system

assert sys.platform != "win32"

SET_MARK: int | None = None
GET_MARK = 0
"""Linux keeps a number with every open file: the signal for asynchronous input, which a regular
file never sends. So it marks ours, and tells another's in a quarter of the time of an
``fstat``."""

ask: Any = None
if sys.platform not in ("emscripten", "wasi"):  # they have no locks, and are not served
    import fcntl

    ask = fcntl.fcntl
    SET_MARK = getattr(fcntl, "F_SETSIG", None)
    GET_MARK = getattr(fcntl, "F_GETSIG", 0)

append_now: Final = system.write
read_at: Final = system.pread


def identity(status: os.stat_result) -> tuple[int, int]:
    """Return what tells one file from another."""
    return status.st_ino, status.st_dev


def open_now(path: str | os.PathLike[str], flags: int, mode: int) -> int:
    """Open a file as ``os.open`` does.

    Raises
    ------
    OSError
        It cannot be opened.
    """
    descriptor: int = system.open(path, flags | system.O_CLOEXEC, mode)
    return descriptor


def lock_now(descriptor: int) -> None:
    """Take the lock of an open file.

    Raises
    ------
    OSError
        Somebody has it, or there is none.
    """
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def unlock_now(descriptor: int) -> None:
    """Release the lock of an open file, also for forked processes that share the descriptor.

    Raises
    ------
    OSError
        It cannot be released.
    """
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def share_lock(descriptor: int) -> None:
    """Take the lock of an open file beside others who only look.

    Raises
    ------
    OSError
        Somebody has it, or there is none.
    """
    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


def replace(new: Path, file: Path) -> None:
    """Replace `file` by `new`.

    Raises
    ------
    OSError
        It cannot be put there.
    """
    new.replace(file)


take_place: Final = replace


def erase(file: Path) -> None:
    """Delete a file.

    Raises
    ------
    OSError
        It is still there.
    """
    file.unlink()


def sync_folder(folder: Path) -> None:
    """Flush the names in `folder` to the disk, so that they survive a crash of the machine.

    Raises
    ------
    OSError
        The disk does not say that they will.
    """
    descriptor = open_now(folder, os.O_RDONLY, 0)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def give_way() -> None:
    """Let every other process go first."""
    os.nice(10)


def leave_folder(data: Path) -> None:
    """Stand in the data directory, and no more where the user's process does."""
    os.chdir(data)


def is_administrators(descriptor: int) -> bool:
    """Return whether an open file is root's, and others may not write to it."""
    status = os.fstat(descriptor)
    return status.st_uid == 0 and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


@contextmanager
def deadline(seconds: float, late: type[BaseException]) -> Iterator[None]:
    """Raise `late` in this thread, the main one, after `seconds`, whatever it waits for."""

    def ring(signum: int, frame: Any) -> None:
        raise late

    before = signal.signal(signal.SIGALRM, ring)
    try:
        # Again every second, should the first be lost in a finalizer, which can raise nothing.
        signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        # It may ring in the finally above too.
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
