"""Who writes to the spool, and who sends: read from locks, so that nothing is kept for it.

A process has a file only while its user agrees and it is on, from its first event to the first one
after it was switched off. One that is off has none, and nobody can list it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from msgspec import Struct

from dev_analytics.delivery.backlog import LIVE, Backlog
from dev_analytics.delivery.locks import holding

_LOCKS: Final = Path("/proc/locks")
"""Linux names the holder of every lock here; elsewhere a holder has no number."""


class Writer(Struct, frozen=True):
    """A file of the spool and its writer.

    Attributes
    ----------
    state
        ``"recording"``: a process writes it now. ``"ended"``: its process is gone, or has handed
        it over; it waits for a sender.
    pid
        The process that writes it, if that can be known.
    waiting
        How many records it holds.
    """

    state: str
    pid: int | None
    waiting: int


class Holder(Struct, frozen=True):
    """Whether a lock is held, and by which process, if that can be known."""

    held: bool
    pid: int | None = None


def writers(data: Path) -> list[Writer]:
    """Give every file of the spool with its writer, the oldest first."""
    found, backlog = [], Backlog(data)
    for file, waiting in backlog.counts(backlog.files(empty=True)).items():
        holder = holder_of(file) if file.name.endswith(LIVE) else Holder(False)
        if waiting or holder.held:
            found.append(Writer("recording" if holder.held else "ended", holder.pid, waiting))
    return found


def holder_of(file: Path) -> Holder:
    """Tell who holds the lock of `file`."""
    try:
        status = file.stat()
    except OSError:
        return Holder(False)
    if (pid := _named(status)) is not None:
        return Holder(True, pid)
    # A holder in another container has no number here, but holds.
    with holding(file) as mine:
        return Holder(not mine and file.exists())


def _named(status: os.stat_result) -> int | None:
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        locks = _LOCKS.read_text("ascii").splitlines()
    except (OSError, ValueError):
        return None
    for lock in locks:
        fields = lock.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == device:
            return int(fields[4]) if int(fields[4]) > 0 else None
    return None
