"""What waits in the spool: the files of all processes, those of writers that are gone included.

``*.live.jsonl`` is locked by the process that writes it; ``*.jsonl`` is ready to be sent, and
locked by whoever reads or deletes it. A lock ends with its process, however that ended.

A name says where the file's records go, ``<random>-<destination>.jsonl``: no key of another
session takes them out of the machine. It changes in one way only, to the archive, where the user's
yes does not name the destination; see `dev_analytics.delivery.agreed`. One that names no
destination was written where no settings were known, and so no key: it is the archive's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dev_analytics.delivery.settings import ARCHIVE

LIVE: Final = ".live.jsonl"
READY: Final = ".jsonl"


class Backlog:
    """The files of the spool.

    Parameters
    ----------
    data
        The data directory.
    """

    def __init__(self, data: Path) -> None:
        self.folder = data / "spool"

    def files(self, destination: str = "", *, empty: bool = False) -> list[Path]:
        """Give every file with records, or those for one destination, the oldest first.

        An `empty` one is only the sign of a process that is on.
        """
        aged = []
        for file in self.folder.glob(f"*{READY}"):
            if destination in ("", destination_of(file)):
                with contextlib.suppress(OSError):
                    status = file.stat()
                    if status.st_size or empty:
                        aged.append((status.st_mtime, file))
        return [file for _, file in sorted(aged)]

    def ready(self, destination: str = "") -> list[Path]:
        """Give the files that can be sent now, after adopting those whose writer is gone.

        What is locked or may not be opened is none of them: nobody waits for it.
        """
        found = self.files(destination, empty=True)
        return [file for file in map(_adopted, found) if file is not None]

    def count(self) -> int:
        """Count the records that wait."""
        return sum(map(_count, self.files()))

    def records(self) -> Iterator[bytes]:
        """Give the bytes of every record that waits."""
        for file in self.files():
            with contextlib.suppress(OSError):
                yield from lines(file)

    def trim(self, most_bytes: float) -> int:
        """Delete the oldest ready files until the rest fits; give how many records that took."""
        sizes = {}
        for file in self.files():
            with contextlib.suppress(OSError):
                sizes[file] = file.stat().st_size
        dropped, total = 0, sum(sizes.values())
        for file, size in sizes.items():
            if total <= most_bytes:
                break
            if not file.name.endswith(LIVE):
                with holding(file) as held:
                    if held:
                        number = _count(file)
                        with contextlib.suppress(OSError):
                            file.unlink()
                            dropped += number
                            total -= size
        return dropped


def lines(file: Path) -> Iterator[bytes]:
    """Give the whole lines of `file`, without their ends; a torn last one is left out."""
    with file.open("rb") as opened:
        for line in opened:
            if line.endswith(b"\n") and line != b"\n":
                yield line[:-1]


@contextmanager
def holding(file: Path) -> Iterator[bool]:
    """Hold the lock of `file`; False if somebody else does, or the file is gone."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        # The file may have been replaced or deleted between its opening and its locking.
        yield _locked(descriptor) and _is(file, descriptor)
    finally:
        os.close(descriptor)


def unlock(descriptor: int) -> None:
    """Give the lock of an open file back, for every process that has the file of a fork too."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def lock(descriptor: int) -> bool:
    """Take the lock of an open file; False if somebody else has it.

    Raises
    ------
    OSError
        The file system has no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def destination_of(file: Path) -> str:
    """Return the destination that the name of `file` says."""
    return file.name.partition(".")[0].partition("-")[2] or ARCHIVE


def _locked(descriptor: int) -> bool:
    try:
        return lock(descriptor)
    except OSError:
        return False


def _adopted(file: Path) -> Path | None:
    """Give the ready file that `file` is, or becomes as its writer is gone; None if it is not."""
    with holding(file) as held, contextlib.suppress(OSError):
        if held and not file.stat().st_size:
            file.unlink()
        elif held and file.name.endswith(LIVE):
            return file.rename(file.with_name(file.name.removesuffix(LIVE) + READY))
        elif held:
            return file
    return None


def _is(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _count(file: Path) -> int:
    try:
        return sum(1 for _ in lines(file))
    except OSError:
        return 0
