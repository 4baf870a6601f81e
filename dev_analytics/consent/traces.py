"""What carries an identifier on this machine, and how it is deleted: by our own names alone.

A data directory may be a folder in which its user keeps other things, and what is in it may be a
link. So a file is deleted if its whole name is one that this package gives, and if it is a regular
file that stands in the folder itself.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SPOOL_FILE: Final = re.compile(
    r"([0-9a-f]{16}(-[0-9a-z]{1,32})?((\.live)?\.jsonl|\.new)|sender\.new)", re.ASCII
)
"""The name of a file in the spool."""

_RECORDS: Final = re.compile(
    r"archive\.sqlite(\.damaged-\d{4}-\d\d-\d\d(-\d+)?)?(-journal|-wal|-shm)?|ledger\.json(\.new)?",
    re.ASCII,
)
_SHARED_NAME: Final = "quarantine"
"""A name that anybody might give; the first bytes of the file tell ours."""

_FIRST_BYTES: Final = b'{"event"'
_BY_DESCRIPTOR: Final = {os.open, os.stat, os.unlink} <= os.supports_dir_fd


def purge(data: Path) -> None:
    """Delete the records in the data directory `data`; what cannot be deleted stays."""
    with contextlib.suppress(OSError), _opened(data, follow=True) as folder:
        for name in _regular_files(folder):
            if _RECORDS.fullmatch(name) or (name == _SHARED_NAME and _is_ours(folder, name)):
                _unlink(folder, name)
    with contextlib.suppress(OSError), _opened(data / "spool", follow=False) as folder:
        for name in _regular_files(folder):
            if SPOOL_FILE.fullmatch(name):
                _unlink(folder, name)


@contextlib.contextmanager
def _opened(folder: Path, *, follow: bool) -> Iterator[int | Path]:
    """Hold a folder, so that no link takes its place; a path where the system has no such call.

    Raises
    ------
    OSError
        It cannot be opened, or is a link that is not to be followed.
    """
    if not _BY_DESCRIPTOR:
        if folder.is_symlink() and not follow:
            raise OSError("a link")
        yield folder
        return
    flags = os.O_RDONLY | os.O_DIRECTORY | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(folder, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _regular_files(folder: int | Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]


def _is_ours(folder: int | Path, name: str) -> bool:
    def opener(path: str, flags: int) -> int:
        if isinstance(folder, Path):
            return os.open(folder / path, flags)
        return os.open(path, flags | os.O_NOFOLLOW, dir_fd=folder)

    with contextlib.suppress(OSError), open(name, "rb", opener=opener) as file:
        return (
            stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            and file.read(len(_FIRST_BYTES)) == _FIRST_BYTES
        )
    return False


def _unlink(folder: int | Path, name: str) -> None:
    with contextlib.suppress(OSError):
        if isinstance(folder, Path):
            (folder / name).unlink()
        else:
            os.unlink(name, dir_fd=folder)
