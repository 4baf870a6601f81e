"""Where a report's lines come from: an event log or an archive, read as a stream, never written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Final

from dev_analytics.delivery.archive import MAGIC, NAME, read
from dev_analytics.delivery.destination import Unreachable

LONGEST: Final = 1 << 20
"""The longest line that is read as a record, in bytes; a real one has about 500."""

_COMPRESSED: Final = {
    b"\x1f\x8b": ("gzip", "zcat"),
    b"\x28\xb5\x2f\xfd": ("zstd", "zstdcat"),
    b"BZh": ("bzip2", "bzcat"),
    b"\xfd7zXZ": ("xz", "xzcat"),
}


class ReportError(Exception):
    """There is nothing to report on; the message says why, in one line."""


class Source:
    """An event log or an archive.

    Parameters
    ----------
    file
        Which one; None is the archive in `data`.
    data
        The data directory.

    Attributes
    ----------
    path
        What is read.
    own
        It is this machine's own archive.
    done
        How much of it was read, from 0 to 1; None if nobody knows, as with a pipe.
    """

    def __init__(self, file: Path | None, data: Path) -> None:
        self.path = data / NAME if file is None else file
        self.own = self.path.absolute() == (data / NAME).absolute()
        self._named = file is not None
        self._read = 0
        self._size = 0

    @property
    def done(self) -> float | None:
        """How much was read, from 0 to 1; None if nobody knows."""
        return min(1.0, self._read / self._size) if self._size else None

    def lines(self) -> Iterator[bytes]:
        """Give every line that is not blank; one that is too long to be a record is cut.

        Raises
        ------
        ReportError
            It cannot be read.
        """
        try:
            with self.path.open("rb") as opened:
                start = opened.peek(len(MAGIC))
                if not start.startswith(MAGIC):
                    self._refuse_compressed(start)
                    self._size = os.fstat(opened.fileno()).st_size
                    yield from self._log(opened)
                    return
            for number, newest, line in read(self.path):
                self._read, self._size = number, newest
                yield line
        except FileNotFoundError:
            raise ReportError(self._missing()) from None
        except OSError as error:
            raise ReportError(f"{self.path}: {error.strerror}") from None
        except Unreachable as error:
            raise ReportError(f"{self.path}: {error}") from None

    def _log(self, opened: BufferedReader) -> Iterator[bytes]:
        whole = True
        for piece in iter(partial(opened.readline, LONGEST), b""):
            self._read += len(piece)
            begins, whole = whole, piece.endswith(b"\n")
            # What goes on from a piece is of a line that was given, cut, already.
            if begins and not piece.isspace():
                yield piece

    def _refuse_compressed(self, start: bytes) -> None:
        for magic, (name, unpack) in _COMPRESSED.items():
            if start.startswith(magic):
                raise ReportError(
                    f"{self.path} is compressed ({name}): unpack it first, "
                    f"or pass it on: {unpack} FILE | jupyter dev-analytics report /dev/stdin"
                )

    def _missing(self) -> str:
        if self._named:
            return f"{self.path}: there is no such file"
        return "there is no archive yet: nothing was delivered to it; name an event log"
