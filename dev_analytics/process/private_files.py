"""Creates files and folders that only the user can use, whatever the umask.

A umask may remove even the owner's permissions from a new file or folder, which could then not be
read or entered again. As it belongs to the whole process, it is never changed.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from dev_analytics.process.descriptors import open_above
from dev_analytics.process.native import system

_FOLDER: Final = 0o700


def make_folder(folder: Path) -> None:
    """Create a folder, and the missing ones above it.

    Raises
    ------
    OSError
        It cannot be made.
    """
    try:
        folder.mkdir(mode=_FOLDER)
    except FileNotFoundError:
        make_folder(folder.parent)
        make_folder(folder)
    except OSError:
        if not folder.is_dir():
            raise
    else:
        if stat.S_IMODE(folder.stat().st_mode) & _FOLDER != _FOLDER:
            folder.chmod(_FOLDER)


def touch(file: Path) -> None:
    """Create a file if it is missing.

    Raises
    ------
    OSError
        It cannot be made.
    """
    system.close(open_above(file, system.O_CREAT | system.O_WRONLY))
