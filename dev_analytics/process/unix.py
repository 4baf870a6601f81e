"""The functions of `dev_analytics.process.systems` on Linux and macOS.

They are plain system calls: an open file can be renamed and deleted.
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
file never sends. So the number can mark our files; checking it takes a quarter of the time of an
``fstat``."""

control: Any = None
# These have no file locks, and are not supported.
if sys.platform not in ("emscripten", "wasi"):
    import fcntl

    control = fcntl.fcntl
    SET_MARK = getattr(fcntl, "F_SETSIG", None)
    GET_MARK = getattr(fcntl, "F_GETSIG", 0)

append_now: Final = system.write
read_at: Final = system.pread


def identity(status: os.stat_result) -> tuple[int, int]:
    """Return what identifies a file."""
    return status.st_ino, status.st_dev


def open_now(path: str | os.PathLike[str], flags: int, mode: int) -> int:
    """Open a file as ``os.open`` does."""
    # At once, as a signal handler of the user's may raise at the next line.
    return system.open(path, flags | system.O_CLOEXEC, mode)


def lock_now(descriptor: int) -> None:
    """Take the lock of an open file; raise OSError at once if another process has it."""
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def unlock_now(descriptor: int) -> None:
    """Release the lock of an open file, also for forked processes that share the descriptor."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def share_lock(descriptor: int) -> None:
    """Take a shared lock of an open file, as others may who only look."""
    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


def replace(new: Path, file: Path) -> None:
    """Replace `file` with `new`."""
    new.replace(file)


take_place: Final = replace


def erase(file: Path) -> None:
    """Delete a file."""
    file.unlink()


def sync_folder(folder: Path) -> None:
    """Flush the names in `folder` to the disk, so that they survive a crash of the machine."""
    descriptor = open_now(folder, os.O_RDONLY, 0)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def give_way() -> None:
    """Lower the priority of this process below that of all others."""
    os.nice(10)


def leave_folder(data: Path) -> None:
    """Make the data directory the working directory, in place of that of the user's process."""
    os.chdir(data)


def is_administrators(descriptor: int) -> bool:
    """Return whether an open file belongs to root, and no others may write to it."""
    status = os.fstat(descriptor)
    return status.st_uid == 0 and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


@contextmanager
def deadline(seconds: float, late: type[BaseException]) -> Iterator[None]:
    """Raise `late` in this thread, the main one, after `seconds`, even if it is waiting."""

    def ring(signum: int, frame: Any) -> None:
        raise late

    before = signal.signal(signal.SIGALRM, ring)
    try:
        # Repeated every second, in case the first is lost in a finalizer, which cannot raise.
        signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        # The timer may also fire in the finally above.
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
