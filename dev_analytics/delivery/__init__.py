"""The way of a record from this process to its destination, and the settings that say which.

The names of the spool's files say it too. ``*.live.jsonl`` is locked by the process that writes it;
``*.jsonl`` is ready to be sent, and locked by whoever reads or deletes it. A lock ends with its
process, however that ends.

A name contains the destination of the file's records, ``<random>-<destination>.jsonl``: another
session's key cannot take them out of the machine. It can only be changed to the archive, if the
user's yes does not name the destination; see `dev_analytics.delivery.agreed`. A name without a
destination is from a process without settings, and so without a key: that file is for the archive.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dev_analytics.consent import Value
from dev_analytics.destinations import ARCHIVE
from dev_analytics.process.handlers import Refusals, pass_on
from dev_analytics.process.native import system

LIVE: Final = ".live.jsonl"
READY: Final = ".jsonl"


class Delivery(Value):
    """Where records go, and how long they may wait.

    Attributes
    ----------
    flush_seconds
        How long a record waits for others before a sender is started, in seconds.
    recipient
        Who receives the records, as a yes names it.
    max_mib
        How large the spool may become, in MiB.
    max_days
        How old a record may become in it, in days.
    """

    flush_seconds: float = 60.0
    recipient: str = ARCHIVE
    max_mib: float = 50.0
    max_days: float = 30.0

    @property
    def destination(self) -> str:
        """The recipient's name in the spool."""
        return spool_name(self.recipient)


def spool_name(recipient: str) -> str:
    """Return the name of `recipient` in the spool: a digest, so that no name contains a key."""
    if recipient == ARCHIVE:
        return ARCHIVE
    from hashlib import sha256

    _, *fields = recipient.split(" ")
    return sha256("\n".join(reversed(fields)).encode()).hexdigest()[:8]


def folder_of(data: Path) -> Path:
    """Return the spool of a data directory."""
    return data / "spool"


def files(data: Path, destination: str = "", *, empty: bool = False) -> list[Path]:
    """Return every file with records, or those for one destination, the oldest first.

    An `empty` file only shows that a process is recording.
    """
    folder, aged = folder_of(data), []
    try:
        # Not by a pattern, which would be compiled at the first event.
        names = [name for name in system.listdir(folder) if name.endswith(READY)]
    except OSError as error:
        pass_on(error)
        return []
    for file in map(folder.joinpath, names):
        if destination in ("", destination_of(file)):
            with Refusals():
                status = file.stat()
                if status.st_size or empty:
                    aged.append((status.st_mtime, file))
    return [file for _, file in sorted(aged)]


def destination_of(file: Path) -> str:
    """Return the destination in the name of `file`."""
    return file.name.partition(".")[0].partition("-")[2] or ARCHIVE
