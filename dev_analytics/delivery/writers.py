"""The processes that write to the spool, known from their locks, so that nothing is stored.

A process has a file only while its user agrees and it is on: from its first event to the first one
after it was switched off. A process that is off has none, and cannot be listed.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from dev_analytics.delivery import LIVE
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.locks import Holder, holder_of


class Writer(NamedTuple):
    """A file of the spool and its writer.

    Attributes
    ----------
    state
        ``"recording"`` if a process writes it now; ``"ended"`` if its process is gone, or has
        handed it over: it waits for a sender.
    pid
        The process that writes it, if that is known.
    waiting
        How many records it holds.
    """

    state: str
    pid: int | None
    waiting: int


def writers(data: Path) -> list[Writer]:
    """Return every file of the spool with its writer, the oldest first."""
    found, backlog = [], Backlog(data)
    for file, waiting in backlog.counts(backlog.files(empty=True)).items():
        holder = holder_of(file) if file.name.endswith(LIVE) else Holder(False)
        if waiting or holder.held:
            found.append(Writer("recording" if holder.held else "ended", holder.pid, waiting))
    return found
