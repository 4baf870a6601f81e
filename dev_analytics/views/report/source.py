"""The sources of a report: logs, archives and exports, read as streams, never written."""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from io import BufferedIOBase, BufferedReader
from itertools import accumulate, islice
from pathlib import Path
from typing import Final, NoReturn, TypeAlias

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

_PIECE: Final = 1 << 18
_AT_ONCE: Final = 200
_ENDINGS: Final = (".jsonl", ".ndjson", ".parquet", ".sqlite")
_PACKED: Final = ("", ".gz", ".bz2", ".xz", ".zst")
_NAMES: Final = tuple(f"{ending}{packed}" for ending in _ENDINGS for packed in _PACKED)
"""The endings of the names of files that are read in a folder."""


class ReportError(Exception):
    """There is nothing to report on; the message says why in one line."""


class Source:
    """An event log, an archive, or a file of an export, compressed or not.

    Parameters
    ----------
    file
        Which one; None is the archive in `data`.
    data
        The data directory: `own` says whether the source is the archive in it.
    """

    def __init__(self, file: Path | None, data: Path) -> None:
        self.path = data / NAME if file is None else file
        self.own = self.path.absolute() == (data / NAME).absolute()
        self._named = file is not None
        self._read: float = 0
        self._size = 0

    @property
    def done(self) -> float | None:
        """The part that was read, from 0 to 1; None if it is unknown, as with a pipe."""
        return min(1.0, self._read / self._size) if self._size else None

    def blocks(self) -> Iterator[bytes]:
        """Return every line, some whole ones at a time; one too long to be a record is cut.

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
            yield from _joined(self._rows())
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
            yield from _joined(self._parquet())
            return
        if start.startswith(ZSTD):
            self._size = 0
            yield from _joined(zstd(self.path, MAX_LINE))
            return
        for magic, unpack in UNPACK.items():
            if start.startswith(magic):
                with unpack(opened) as unpacked:
                    yield from _whole(self._pieces(unpacked, opened.tell))
                return
        yield from _whole(self._pieces(opened))

    def _rows(self) -> Iterator[bytes]:
        for number, newest, line in read(self.path):
            self._read, self._size = number, newest
            yield line

    def _parquet(self) -> Iterator[bytes]:
        for done, line in parquet(self.path):
            self._read = done
            yield line

    def _pieces(
        self, opened: BufferedIOBase, tell: Callable[[], int] | None = None
    ) -> Iterator[bytes]:
        for piece in iter(partial(opened.read1, _PIECE), b""):
            # In a compressed file the position in the file itself counts.
            self._read = self._read + len(piece) if tell is None else tell()
            yield piece

    def _missing(self) -> str:
        if self._named:
            return f"{self.path}: there is no such file"
        return "there is no archive yet: nothing was delivered to it; name an event log"


class Sources:
    """Several sources, one after the other, which `path` names together."""

    def __init__(self, path: Path, files: Sequence[Path], data: Path) -> None:
        self.path = path
        self._parts = [Source(file, data) for file in files]
        self.own = any(part.own for part in self._parts)
        self._ends = [0, *accumulate(map(_size, files))]
        self._place = 0

    @property
    def done(self) -> float | None:
        """The part that was read, from 0 to 1; None if it is unknown."""
        whole = self._ends[-1]
        if not whole:
            return None
        before, after = self._ends[self._place : self._place + 2]
        part = self._parts[self._place].done or 0
        return min(1.0, (before + (after - before) * part) / whole)

    def blocks(self) -> Iterator[bytes]:
        """Return the lines of each.

        Raises
        ------
        ReportError
            One cannot be read.
        """
        for place, part in enumerate(self._parts):
            self._place = place
            yield from part.blocks()


Lines: TypeAlias = Source | Sources
"""What a report reads: its lines, the name of its source, and how much of it was read."""


def source_of(named: Sequence[Path], data: Path) -> Lines:
    """Return the source with these files and folders; without any, the archive in `data`.

    A file is read once, however many names it has.

    Raises
    ------
    ReportError
        A folder cannot be read, or has no file that could hold records.
    """
    if not named:
        return Source(None, data)
    if len(named) == 1 and not named[0].is_dir():
        return Source(named[0], data)
    files: dict[object, Path] = {}
    for each in named:
        for file in _inside(each) if each.is_dir() else [each]:
            files.setdefault(_identity(file), file)
    several = f"{len(files):,} {'file' if len(files) == 1 else 'files'}"
    return Sources(named[0] if len(named) == 1 else Path(several), list(files.values()), data)


def _inside(folder: Path) -> list[Path]:
    """Return the files in a folder whose names end like those of files with records."""
    try:
        found = sorted(
            file
            for place, _, names in os.walk(folder, onerror=_refuse)
            for file in (Path(place, name) for name in names if name.lower().endswith(_NAMES))
            if file.is_file()
        )
    except OSError as error:
        # If a folder were skipped, nobody would notice the missing records.
        raise ReportError(f"{error.filename}: {error.strerror}") from None
    if not found:
        raise ReportError(f"{folder} has no file whose name ends in {', '.join(_ENDINGS)}")
    return found


def _refuse(error: OSError) -> NoReturn:
    raise error


def _identity(file: Path) -> object:
    """Return what identifies a file, whatever its name."""
    try:
        found = file.stat()
    except OSError:
        return file
    return (found.st_dev, found.st_ino) if found.st_ino else file.absolute()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _whole(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Divide pieces of a file at the ends of lines, and omit a byte order mark at its beginning."""
    mark, rest, cut = BOM_UTF8, b"", False
    for piece in pieces:
        # The rest of a line that was already returned, truncated, belongs to no line.
        begin = piece.find(b"\n") + 1 if cut else 0
        if cut and not begin:
            continue
        cut = False
        if end := piece.rfind(b"\n", begin) + 1:
            yield (rest + piece[begin:end]).removeprefix(mark)
            mark, rest, begin = b"", b"", end
        rest += piece[begin:]
        if len(rest) >= MAX_LINE:
            yield rest + b"\n"
            rest, cut = b"", True
    yield rest.removeprefix(mark)


def _joined(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Join lines; a line break inside one becomes a space, as JSON texts contain none."""
    while some := list(islice(lines, _AT_ONCE)):
        yield b"".join(line.replace(b"\n", b" ") + b"\n" for line in some)
