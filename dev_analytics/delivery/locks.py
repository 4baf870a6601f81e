"""Locks on files, held by open descriptors: a lock ends with its process, however that ends.

Some file systems have no locks: NFS without a lock server, Lustre without ``-o flock``. There
`locked` raises `NoLocksError`, and a lock file protects the counts instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from dev_analytics.process.descriptors import MISSING_LOCKS, lock, open_above
from dev_analytics.process.handlers import Refusals, pass_on
from dev_analytics.process.native import Clock
from dev_analytics.process.systems import NO_LINK, share_lock, unlock_now

_POLL_SECONDS: Final = 0.005
_LOCKS: Final = Path("/proc/locks")
"""Linux lists the holder of every lock here; elsewhere the holder is unknown."""


class Holder(NamedTuple):
    """Whether a lock is held, and by which process, if that is known."""

    held: bool
    pid: int | None = None


@contextmanager
def holding(file: Path) -> Iterator[bool]:
    """Hold the lock of `file`; yield False if another process does, or the file is gone."""
    try:
        descriptor = open_above(file, os.O_RDWR)
    except OSError as error:
        pass_on(error)
        yield False
        return
    try:
        # The file may have been replaced or deleted between its opening and its locking.
        yield _locked(descriptor) and _is_open_as(file, descriptor)
    finally:
        _release(descriptor)


@contextmanager
def locked(file: Path, *, wait: float) -> Iterator[int]:
    """Hold the lock of `file`, which is created if it is missing, and yield its descriptor.

    Raises
    ------
    TimeoutError
        Another process held it for longer than `wait` seconds.
    NoLocksError
        The file system has no locks.
    OSError
        The file cannot be opened.
    """
    end = Clock.monotonic() + wait
    while True:
        descriptor = open_above(file, os.O_RDWR | os.O_CREAT | NO_LINK)
        try:
            # A lock on a file that was deleted meanwhile would exclude no other process.
            if lock(descriptor) and _is_open_as(file, descriptor):
                yield descriptor
                return
        finally:
            _release(descriptor)
        if Clock.monotonic() >= end:
            raise TimeoutError(f"another process holds {file.name}")
        Clock.sleep(_POLL_SECONDS)


def missing_locks(file: Path) -> str:
    """Return why `file` cannot be locked, in the system's words; empty if it can, or is gone."""
    try:
        descriptor = open_above(file, os.O_RDONLY)
    except OSError as error:
        pass_on(error)
        return ""
    try:
        share_lock(descriptor)
    except OSError as error:
        pass_on(error)
        return os.strerror(error.errno) if error.errno in MISSING_LOCKS else ""
    finally:
        os.close(descriptor)
    return ""


def holder_of(file: Path) -> Holder:
    """Return who holds the lock of `file`."""
    try:
        status = file.stat()
    except OSError as error:
        pass_on(error)
        return Holder(False)
    if (pid := _listed_holder(status)) is not None:
        return Holder(True, pid)
    # A holder in another container has no process number here, but holds the lock.
    with holding(file) as mine:
        return Holder(not mine and file.exists())


def _locked(descriptor: int) -> bool:
    with Refusals():
        return lock(descriptor)
    return False


def _release(descriptor: int) -> None:
    """Unlock and close a file: a child that was forked meanwhile would go on holding the lock."""
    try:
        with Refusals():
            unlock_now(descriptor)
    finally:
        os.close(descriptor)


def _is_open_as(file: Path, descriptor: int) -> bool:
    """Return whether the file that is open as `descriptor` is still the one at the path `file`."""
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except OSError as error:
        pass_on(error)
        return False


def _listed_holder(status: os.stat_result) -> int | None:
    """Return the process that holds a file's lock, if the system lists it."""
    if sys.platform != "linux":
        return None
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        locks = _LOCKS.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        pass_on(error)
        return None
    for line in locks:
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == device:
            return int(fields[4]) if int(fields[4]) > 0 else None
    return None
