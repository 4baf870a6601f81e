"""Deletes the files that carry an identifier on this machine, and no others.

A data directory may be a folder in which its user keeps other things, and it may contain links. So
a file is deleted only if its whole name is one that this package gives, and if it is a regular file
in the folder itself.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from dev_analytics.destinations import OwnFiles, destinations
from dev_analytics.process.descriptors import give_up, open_above, standard_taken
from dev_analytics.process.handlers import Refusals, pass_on
from dev_analytics.process.native import open_file
from dev_analytics.process.plain_json import decode
from dev_analytics.process.systems import erase

SPOOL_FILE: Final = re.compile(
    r"([0-9a-f]{16}(-[0-9a-z]{1,32})?((\.live)?\.jsonl|\.new)|sender\.new)", re.ASCII
)
"""The names of files in the spool."""

_LEDGER: Final = "ledger.json"
_OWN: Final = (
    OwnFiles(SPOOL_FILE.pattern, folder="spool"),
    OwnFiles(r"ledger\.json\.new|ledger-[0-9a-f]{24}\.json(\.new)?"),
    OwnFiles("quarantine", shared=True, marks=(b'{"event"',)),
)
"""The files of `dev_analytics.delivery`; each destination declares its own."""

LEDGER_FIELDS: Final = frozenset(
    {"delivered", "dropped", "delivered_at", "failed_at", "failure", "not_before", "failing"}
    | {"settled", "replacing", "merged"}
)
_MAX_LEDGER_BYTES: Final = 2**24
_WORD: Final = b"distinct_id"
_CHUNK: Final = 2**20
_BY_DESCRIPTOR: Final = {os.open, os.stat, os.unlink} <= os.supports_dir_fd


def purge(data: Path, user_id: str | None = None) -> None:
    """Delete the records in the data directory `data`, as far as possible.

    `user_id` is the identifier in them, if it is known.
    """
    marks = [_WORD, *([user_id.encode()] if user_id else ())]
    own = [*_OWN, *(files for each in destinations().values() for files in each.files)]
    # Files that belong to another one come last, when that may be gone.
    own.sort(key=lambda files: bool(files.beside))
    for place in {files.folder for files in own}:
        with Refusals(), _opened(data / place, follow=not place) as folder:
            names = _regular_files(folder)
            for files in (files for files in own if files.folder == place):
                for name in filter(files.has, names):
                    if _is_ours(folder, name, files, marks):
                        _unlink(folder, name)
            if (
                not place
                and _LEDGER in names
                and (_is_ledger(folder, _LEDGER) or _holds(folder, _LEDGER, marks))
            ):
                _unlink(folder, _LEDGER)


def _is_ours(folder: int | Path, name: str, files: OwnFiles, marks: Sequence[bytes]) -> bool:
    """Return whether a file with one of our names really is one of `files`."""
    if files.beside:
        return not _is_there(folder, files.beside)
    return not files.shared or _holds(folder, name, [*marks, *files.marks])


@contextlib.contextmanager
def _opened(folder: Path, *, follow: bool) -> Iterator[int | Path]:
    """Open a folder so that no link can replace it; yield its path where that is impossible.

    Raises
    ------
    OSError
        It cannot be opened, or is a link that must not be followed.
    """
    if not _BY_DESCRIPTOR:
        if folder.is_symlink() and not follow:
            raise OSError("a link")
        yield folder
        return
    flags = os.O_RDONLY | os.O_DIRECTORY | (0 if follow else os.O_NOFOLLOW)
    descriptor = open_above(folder, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _regular_files(folder: int | Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]


def _is_there(folder: int | Path, name: str) -> bool:
    try:
        if isinstance(folder, Path):
            os.lstat(folder / name)
        else:
            os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _holds(folder: int | Path, name: str, marks: list[bytes]) -> bool:
    """Return whether a file is empty or contains one of `marks`.

    A file that cannot be read may contain one.
    """
    overlap = max(map(len, marks)) - 1
    before = b""
    try:
        with _reading(folder, name) as file:
            if not os.fstat(file.fileno()).st_size:
                return True
            while chunk := file.read(_CHUNK):
                if any(mark in before + chunk for mark in marks):
                    return True
                before = chunk[-overlap:]
    except OSError as error:
        pass_on(error)
        return True
    return False


def _is_ledger(folder: int | Path, name: str) -> bool:
    with Refusals(ValueError):
        with _reading(folder, name) as file:
            written = file.read(_MAX_LEDGER_BYTES)
        content = decode(written.decode()) if written else {}
        return isinstance(content, dict) and content.keys() <= LEDGER_FIELDS
    return False


def _reading(folder: int | Path, name: str) -> BinaryIO:
    """Open a file of a folder without following a link."""

    def opener(path: str, flags: int) -> int:
        if isinstance(folder, Path):
            return open_above(folder / path, flags)
        descriptor = -1
        try:
            with standard_taken():
                descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            return descriptor
        except BaseException:
            give_up(descriptor)
            raise

    return open_file(name, "rb", opener=opener)


def _unlink(folder: int | Path, name: str) -> None:
    with Refusals():
        if isinstance(folder, Path):
            erase(folder / name)
        else:
            os.unlink(name, dir_fd=folder)
