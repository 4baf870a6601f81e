"""Where a report's lines come from: logs, archives and exports, read as a stream, never written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import IO, Final, Protocol

from dev_analytics.destinations.archive_file import MAGIC, NAME, read
from dev_analytics.destinations.transport import Unreachable
from dev_analytics.views.report.packed import (
    BROKEN,
    PARQUET,
    UNPACK,
    ZSTD,
    PackedError,
    parquet,
    zstd,
)

MAX_LINE: Final = 1 << 20
"""The longest line that is read as a record, in bytes; a real one has about 500."""

_ENDINGS: Final = (".jsonl", ".ndjson", ".parquet", ".sqlite")
_PACKED: Final = ("", ".gz", ".bz2", ".xz", ".zst")
_NAMES: Final = tuple(f"{ending}{packed}" for ending in _ENDINGS for packed in _PACKED)
"""How the files end that are read in a folder."""


class ReportError(Exception):
    """There is nothing to report on; the message says why, in one line."""


class Lines(Protocol):
    """What a report is made of.

    Attributes
    ----------
    path
        What it is called.
    own
        It is this machine's own archive.
    """

    path: Path
    own: bool

    @property
    def done(self) -> float | None:
        """How much was read, from 0 to 1; None if nobody knows."""

    def lines(self) -> Iterator[bytes]:
        """Return every line."""


class Source:
    """An event log, an archive, or a file of an export, compressed or not.

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
        self._read: float = 0
        self._size = 0

    @property
    def done(self) -> float | None:
        """How much was read, from 0 to 1; None if nobody knows."""
        return min(1.0, self._read / self._size) if self._size else None

    def lines(self) -> Iterator[bytes]:
        """Return every line that is not blank; one that is too long to be a record is cut.

        Raises
        ------
        ReportError
            It cannot be read.
        """
        try:
            with self.path.open("rb") as opened:
                start = opened.peek(len(MAGIC))
                if not start.startswith(MAGIC):
                    yield from self._file(opened, start)
                    return
            for number, newest, line in read(self.path):
                self._read, self._size = number, newest
                yield line
        except FileNotFoundError:
            raise ReportError(self._missing()) from None
        except BROKEN as error:
            raise ReportError(f"{self.path} is cut off or damaged: {error}") from None
        except OSError as error:
            raise ReportError(f"{self.path}: {error.strerror or error}") from None
        except (Unreachable, PackedError) as error:
            raise ReportError(f"{self.path}: {error}") from None

    def _file(self, opened: BufferedReader, start: bytes) -> Iterator[bytes]:
        self._size = os.fstat(opened.fileno()).st_size
        if start.startswith(PARQUET):
            self._size = 1
            for read_so_far, line in parquet(self.path):
                self._read = read_so_far
                yield line
            return
        if start.startswith(ZSTD):
            self._size = 0
            for line in zstd(self.path, MAX_LINE):
                if line and not line.isspace():
                    yield line
            return
        for magic, unpack in UNPACK.items():
            if start.startswith(magic):
                with unpack(opened) as unpacked:
                    yield from self._log(unpacked, opened.tell)
                return
        yield from self._log(opened)

    def _log(self, opened: IO[bytes], tell: Callable[[], int] | None = None) -> Iterator[bytes]:
        whole = True
        for piece in iter(partial(opened.readline, MAX_LINE), b""):
            # Of what is compressed, it counts how far the file itself was read.
            self._read = self._read + len(piece) if tell is None else tell()
            begins, whole = whole, piece.endswith(b"\n")
            # What goes on from a piece is of a line that was given, cut, already.
            if begins and not piece.isspace():
                yield piece

    def _missing(self) -> str:
        if self._named:
            return f"{self.path}: there is no such file"
        return "there is no archive yet: nothing was delivered to it; name an event log"


class Sources:
    """Several sources, one after the other.

    Parameters
    ----------
    path
        What they are called together.
    files
        Which ones, with their sizes as far as they are known.
    data
        The data directory.
    """

    def __init__(self, path: Path, files: Sequence[Path], data: Path) -> None:
        self.path = path
        self._parts = [Source(file, data) for file in files]
        self.own = any(part.own for part in self._parts)
        self._sizes = [_size(file) for file in files]
        self._now: Source | None = None

    @property
    def done(self) -> float | None:
        """How much was read, from 0 to 1; None if nobody knows."""
        whole = sum(self._sizes)
        if not whole or self._now is None:
            return None
        place = self._parts.index(self._now)
        return min(
            1.0, (sum(self._sizes[:place]) + self._sizes[place] * (self._now.done or 0)) / whole
        )

    def lines(self) -> Iterator[bytes]:
        """Return the lines of each.

        Raises
        ------
        ReportError
            One cannot be read.
        """
        for part in self._parts:
            self._now = part
            yield from part.lines()


def source_of(named: Sequence[Path], data: Path) -> Source | Sources:
    """Return what files and folders hold; without any, the archive in `data`.

    Raises
    ------
    ReportError
        A folder has no file that could hold records.
    """
    if not named:
        return Source(None, data)
    if len(named) == 1 and not named[0].is_dir():
        return Source(named[0], data)
    files: dict[Path, None] = {}
    for each in named:
        files |= dict.fromkeys(_inside(each) if each.is_dir() else [each])
    path = named[0] if len(named) == 1 else Path(f"{len(files):,} files")
    return Sources(path, list(files), data)


def _inside(folder: Path) -> list[Path]:
    """Return the files in a folder that hold records, by how their names end."""
    try:
        found = sorted(
            file
            for file in folder.rglob("*")
            if file.name.lower().endswith(_NAMES) and file.is_file()
        )
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}") from None
    if not found:
        raise ReportError(f"{folder} has no file whose name ends in {', '.join(_ENDINGS)}")
    return found


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
