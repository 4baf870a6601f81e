"""How the store's files change: whole or not at all, and still so after a crash."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def replace(path: Path, new: Path, content: bytes) -> None:
    """Give `path` this content at once.

    Parameters
    ----------
    path
        The file.
    new
        Where it is written first. It is one name, so that whoever deletes everything also finds
        what a killed writer left.
    content
        All that it holds from then on.

    Raises
    ------
    OSError
        It could not be written; `path` is what it was.
    """
    try:
        descriptor = os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        new.replace(path)
    except BaseException:
        delete(new)
        raise


def mark(marker: Path, spare: Path) -> None:
    """Make an empty file.

    Parameters
    ----------
    marker
        The file.
    spare
        What may be given up for it: a full disk that takes no new file still lets an old one
        change its name.

    Raises
    ------
    OSError
        It could not be made.
    """
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_WRONLY, 0o600))
    except OSError as error:
        try:
            spare.rename(marker)
        except OSError:
            raise error from None
        os.truncate(marker, 0)


def sync(folder: Path) -> None:
    """Have the names in `folder` outlive a crash of the machine.

    Raises
    ------
    OSError
        The disk does not say that they will.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def delete(*paths: Path) -> None:
    """Delete files; what cannot be deleted stays."""
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def remove(path: Path) -> None:
    """Delete a file, or a folder that stands in its place.

    Raises
    ------
    OSError
        It is still there.
    """
    if path.is_dir() and not path.is_symlink():
        import shutil

        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
