"""The progress in each file of the spool: what was delivered or dropped is not read again.

The offset is in the ledger, written together with the counts. If the remaining records are not at
the end of a file, they are written to a file beside it, which replaces it after the same write:
after a sender is killed in between, the next one completes that.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from dev_analytics.delivery.ledger import Ledger, add_to_ledger, read_ledger
from dev_analytics.delivery.pending import Change
from dev_analytics.process.descriptors import open_above, replacement
from dev_analytics.process.handlers import Refusals
from dev_analytics.process.native import open_file
from dev_analytics.process.systems import take_place


class Reader:
    """Iterates over the complete lines of an open file, without their ends, from an offset.

    Attributes
    ----------
    end
        The offset after the last line that was returned.
    torn
        Whether the last line has no end.
    """

    def __init__(self, opened: BinaryIO, start: int) -> None:
        self.end = opened.seek(start)
        self.torn = False
        self._opened = opened

    def __iter__(self) -> Iterator[bytes]:
        for line in self._opened:
            self.end += len(line)
            if not line.endswith(b"\n"):
                self.torn = True
            elif line != b"\n":
                yield line[:-1]


def lines(file: Path, start: int = 0) -> Iterator[bytes]:
    """Yield the complete lines of `file` from `start`, without their ends."""
    with open_file(file, "rb", opener=open_above) as opened:
        yield from Reader(opened, start)


def unsettled(data: Path, file: Path, ledger: Ledger | None = None) -> tuple[Path, int]:
    """Return the file with the unsettled records of `file`, and the offset of the first of them."""
    ledger = read_ledger(data) if ledger is None else ledger
    checksum = ledger.replacing.get(file.name)
    if checksum is None:
        return file, ledger.settled.get(file.name, 0)
    rest = replacement(file)
    return (rest if _checksum(rest) == checksum else file), 0


def resume(data: Path, file: Path) -> int:
    """Return the offset from which to read `file`, which the caller holds.

    Raises
    ------
    OSError
        Its replacement cannot be put in its place.
    """
    where, start = unsettled(data, file)
    if where != file:
        take_place(where, file)
    return start


def rename(data: Path, file: Path, to: Path) -> None:
    """Rename `file`, which the caller holds, with what is known of its progress.

    Raises
    ------
    OSError
        It cannot be renamed, or its progress cannot be noted.
    """
    if end := resume(data, file):
        add_to_ledger(data, Change(file=to.name, end=end))
    file.rename(to)


def write_lines(file: Path, lines: Iterable[bytes]) -> int:
    """Write `lines` to `file`, for the user only, and return their checksum."""
    checksum = 0
    with open_file(file, "wb", opener=open_above) as opened:
        for line in lines:
            checksum = zlib.crc32(line + b"\n", checksum)
            opened.write(line + b"\n")
    return checksum


def _checksum(file: Path) -> int | None:
    checksum = 0
    with Refusals():
        with open_file(file, "rb", opener=open_above) as opened:
            for line in opened:
                checksum = zlib.crc32(line, checksum)
        return checksum
    return None
