"""The files of the spool: what their names say, and which there are.

``*.live.jsonl`` is locked by the process that writes it; ``*.jsonl`` is ready to be sent, and
locked by whoever reads or deletes it. A lock ends with its process, however that ended.

A name says where the file's records go, ``<random>-<destination>.jsonl``: no key of another
session takes them out of the machine. It changes in one way only, to the archive, where the user's
yes does not name the destination; see `dev_analytics.delivery.agreed`. One that names no
destination was written where no settings were known, and so no key: it is the archive's.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from dev_analytics.destinations import ARCHIVE
from dev_analytics.process.native import system

LIVE: Final = ".live.jsonl"
READY: Final = ".jsonl"


def folder_of(data: Path) -> Path:
    """Return the spool of a data directory."""
    return data / "spool"


def files(data: Path, destination: str = "", *, empty: bool = False) -> list[Path]:
    """Return every file with records, or those for one destination, the oldest first.

    An `empty` one is only the sign of a process that is on.
    """
    folder, aged = folder_of(data), []
    try:
        # Not by a pattern, which a process would compile with its first event.
        names = [name for name in system.listdir(folder) if name.endswith(READY)]
    except OSError:
        return []
    for file in map(folder.joinpath, names):
        if destination in ("", destination_of(file)):
            with contextlib.suppress(OSError):
                status = file.stat()
                if status.st_size or empty:
                    aged.append((status.st_mtime, file))
    return [file for _, file in sorted(aged)]


def destination_of(file: Path) -> str:
    """Return the destination that the name of `file` says."""
    return file.name.partition(".")[0].partition("-")[2] or ARCHIVE
