"""Files and folders that are the user's alone, and that the user may use, whatever the umask.

A umask takes rights away from whatever is made, also from its owner: what is made below it could be
neither read nor entered again. It belongs to the whole process, and so is never changed.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from dev_analytics.process.descriptors import open_above
from dev_analytics.process.native import system

_FOLDER: Final = 0o700


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing.

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
    """Make a file if there is none.

    Raises
    ------
    OSError
        It cannot be made.
    """
    system.close(open_above(file, system.O_CREAT | system.O_WRONLY))
