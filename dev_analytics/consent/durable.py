"""Atomic and durable changes of the store's files."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from dev_analytics.process.descriptors import open_above
from dev_analytics.process.native import open_file
from dev_analytics.process.systems import NO_LINK, erase
from dev_analytics.process.systems import replace as put


def replace(path: Path, new: Path, content: bytes) -> None:
    """Replace the content of `path` atomically.

    Parameters
    ----------
    path
        The file.
    new
        Where it is written first. The name is always the same, so that whoever deletes everything
        also finds what a killed writer left.
    content
        The whole new content.

    Raises
    ------
    OSError
        It could not be written; `path` is unchanged.
    """
    try:
        descriptor = open_above(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | NO_LINK)
        with open_file(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        put(new, path)
    except BaseException:
        delete(new)
        raise


def mark(marker: Path, sentence: str, spare: Path) -> None:
    """Create a marker: only the existence of the file counts.

    Parameters
    ----------
    marker
        The file. If it is there already, it is left as it is, unless it is empty.
    sentence
        What it says to people; an empty file could be cleaned away. Where the disk is too full for
        the sentence, the marker is created without it.
    spare
        A file that may be sacrificed for it: a disk too full for a new file still allows an old one
        to be renamed.

    Raises
    ------
    OSError
        It could not be created.
    """
    flags = os.O_WRONLY | NO_LINK
    try:
        descriptor = open_above(marker, flags | os.O_CREAT)
    except OSError as error:
        try:
            if not stat.S_ISREG(spare.lstat().st_mode):
                raise error
            spare.rename(marker)
        except OSError:
            raise error from None
        descriptor = open_above(marker, flags | os.O_TRUNC)
    try:
        if not os.fstat(descriptor).st_size:
            with contextlib.suppress(OSError):
                os.write(descriptor, f"{sentence}\n".encode())
    finally:
        os.close(descriptor)


def delete(*paths: Path) -> None:
    """Delete files, except those that cannot be deleted."""
    for path in paths:
        with contextlib.suppress(OSError):
            erase(path)


def remove(path: Path) -> None:
    """Delete a file, or a folder of its name that contains no files.

    Raises
    ------
    OSError
        It is still there.
    """
    if path.is_dir() and not path.is_symlink():
        for folder, _, _ in os.walk(path, topdown=False):
            os.rmdir(folder)  # noqa: PTH106
    else:
        with contextlib.suppress(FileNotFoundError):
            erase(path)
