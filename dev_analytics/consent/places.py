"""Who owns the places in which consent is kept, and who may write to them.

Another user's folder is left alone: its owner could neither read nor delete what a session of root
wrote there. And what others may write says nothing about what the user wants.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from dev_analytics.process.descriptors import MAX_WRITTEN, open_above
from dev_analytics.process.native import open_file, system
from dev_analytics.process.systems import NO_LINK, NO_WAIT

_FOLDERS: Final = ("consent", "spool")
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_ROOT: Final = 0


class NotOursError(OSError):
    """A file or folder is not only the user's; the message names it and says what to do."""


def check(data: Path) -> None:
    """Raise unless the data directory and its folders are only the user's.

    Raises
    ------
    NotOursError
        They are not.
    OSError
        They cannot be looked at.
    """
    check_owner(data)
    if not hasattr(system, "geteuid"):
        return  # access control lists say who may write
    try:
        _check("the data directory", system.stat(data))
    except FileNotFoundError:
        return
    for name in _FOLDERS:
        try:
            status = system.lstat(data / name)
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(status.st_mode):
            raise NotOursError(f"{name} is a link, and must be a folder")
        _check(name, status)


def check_owner(data: Path) -> None:
    """Raise unless the data directory is the user's own, or would be.

    Where there is none, the folder in which it would be created is checked, and the home directory.

    Raises
    ------
    NotOursError
        It is another user's.
    OSError
        It cannot be looked at.
    """
    if not hasattr(system, "geteuid"):
        return
    try:
        owner = system.stat(data).st_uid
    except FileNotFoundError:
        for folder in _above(data):
            # Folders of root, as / and /tmp, are for everybody.
            if system.stat(folder).st_uid not in (system.geteuid(), _ROOT):
                raise NotOursError(
                    "the data directory would be in a folder of another user's"
                ) from None
    else:
        if owner != system.geteuid():
            raise NotOursError("the data directory belongs to another user")


def read_own(file: Path) -> bytes:
    """Return the content of a file that is only the user's.

    Raises
    ------
    NotOursError
        It is another user's, others may write to it, or it is a link.
    OSError
        It cannot be read, or is larger than any of ours.
    """

    def opener(path: str, flags: int) -> int:
        return open_above(path, flags | NO_LINK | NO_WAIT)

    if stat.S_ISLNK(system.lstat(file).st_mode):
        raise NotOursError(f"{file.name} is a link, and must be a file")
    with open_file(file, "rb", opener=opener) as opened:
        status = system.fstat(opened.fileno())
        _check(file.name, status)
        if status.st_size > MAX_WRITTEN:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return opened.read()


def _check(name: str, status: os.stat_result) -> None:
    if hasattr(system, "geteuid"):
        if status.st_uid != system.geteuid():
            raise NotOursError(f"{name} belongs to another user")
        if status.st_mode & _OTHERS_WRITE:
            raise NotOursError(f"{name} can be written by other users: chmod go-w it")


def _above(data: Path) -> list[Path]:
    """Return the nearest folder above `data` that exists, and the home directory if it exists."""
    nearest = next((folder for folder in data.parents if folder.exists()), data.parent)
    try:
        home = Path.home()
    except RuntimeError:
        return [nearest]
    return [nearest, home] if data.is_relative_to(home) and home.exists() else [nearest]
