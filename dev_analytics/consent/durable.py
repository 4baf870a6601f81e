"""Markers of the store, and the deletion of its files."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from dev_analytics.process.descriptors import open_above
from dev_analytics.process.handlers import Refusals, pass_on
from dev_analytics.process.systems import NO_LINK, erase


def mark(marker: Path, sentence: str, spare: Path) -> None:
    """Create a marker, a file whose existence is all that counts, if it is missing or empty.

    It holds a sentence for people, as an empty file could be cleaned away; on a full disk it is
    created without it. If there is no room for a new file either, `spare` is renamed to it.
    """
    flags = os.O_WRONLY | NO_LINK
    try:
        descriptor = open_above(marker, flags | os.O_CREAT)
    except OSError as error:
        pass_on(error)
        try:
            if not stat.S_ISREG(spare.lstat().st_mode):
                raise error
            spare.rename(marker)
        except OSError as refusal:
            pass_on(refusal)
            raise error from None
        descriptor = open_above(marker, flags | os.O_TRUNC)
    try:
        if not os.fstat(descriptor).st_size:
            with Refusals():
                os.write(descriptor, f"{sentence}\n".encode())
    finally:
        os.close(descriptor)


def delete(*paths: Path) -> None:
    """Delete files, except those that cannot be deleted."""
    for path in paths:
        with Refusals():
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
