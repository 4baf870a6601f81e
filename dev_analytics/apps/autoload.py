"""Write and remove the start-up file that loads the extension in every kernel and terminal.

``startup/`` is the only folder of IPython's that is meant for files of several owners, so no
configuration of the user's is read or changed. The file records how many folders were created for
it, so that removing it restores exactly what was there before.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from enum import Enum
from pathlib import Path
from typing import Final

from dev_analytics.process.descriptors import make_folder, touch

NAME: Final = "50-dev-analytics.py"
_SHIPPED: Final = Path(__file__).with_name("ipython-startup") / NAME
_CHECKOUT: Final = Path(__file__).parents[2] / "jupyter-config" / "ipython-startup" / NAME
_MADE: Final = "# Folders made for it: "


class Place(Enum):
    """Whose kernels and terminals load the extension; the value is the command-line flag."""

    USER = "--user"
    SYS_PREFIX = "--sys-prefix"
    SYSTEM = "--system"

    @property
    def file(self) -> Path:
        """The start-up file in this place."""
        if self is Place.USER:
            folder = ipython_folder() / "profile_default"
        elif self is Place.SYS_PREFIX:
            folder = Path(sys.prefix) / "etc" / "ipython"
        else:
            from IPython.core.application import SYSTEM_CONFIG_DIRS

            if not SYSTEM_CONFIG_DIRS:
                raise OSError("this system has no folder for everybody")
            folder = Path(SYSTEM_CONFIG_DIRS[0])
        return folder / "startup" / NAME


class ForeignFileError(Exception):
    """A file of another program has the name of the start-up file."""

    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} was not made by dev_analytics, so it is left as it is")


def ipython_folder() -> Path:
    """Return the user's IPython folder; IPython's own function would create one.

    Raises
    ------
    RuntimeError
        The user has no home directory.
    """
    if named := os.environ.get("IPYTHONDIR"):
        return Path(named).expanduser().absolute()
    home = Path.home()
    old = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "ipython"
    new = home / ".ipython"
    return old if not new.exists() and old.is_dir() and not old.is_symlink() else new


def enabled() -> list[Path]:
    """Return every start-up file that is there."""
    files: dict[Path, None] = {}
    for place in Place:
        # Where there is no home, or no folder for everybody, no kernel has one either.
        with contextlib.suppress(RuntimeError, OSError):
            files[place.file] = None
    return [file for file in files if os.path.lexists(file) and _is_ours(file)]


def enable(place: Place) -> Path:
    """Write the start-up file, replacing an older version, and return its path.

    Raises
    ------
    ForeignFileError
        A file of another program has its name.
    OSError
        It cannot be written; nothing is left of the attempt.
    """
    file = place.file
    before = None
    if os.path.lexists(file):
        if not _is_ours(file):
            raise ForeignFileError(file)
        before = file.read_text("utf-8")
    missing = [folder for folder in file.parents if not folder.exists()]
    made = _made(before) if before is not None else len(missing)
    content = f"{_shipped()}{_MADE}{made}\n"
    if content == before:
        return file
    new = file.with_name(f".{NAME}.new")
    try:
        make_folder(file.parent)
        touch(new)
        new.write_text(content, "utf-8")
        if place is not Place.USER:
            # Everybody must be able to read it, whatever the writer's umask.
            new.chmod(0o644)
            for folder in missing:
                folder.chmod(0o755)
        new.replace(file)
    except OSError:
        _clean_up(new, missing)
        raise
    return file


def remove(place: Place) -> Path | None:
    """Remove the start-up file and the folders made for it; return None if there is none.

    Raises
    ------
    ForeignFileError
        A file of another program has its name.
    OSError
        It cannot be deleted.
    """
    file = place.file
    if not os.path.lexists(file):
        return None
    if not _is_ours(file):
        raise ForeignFileError(file)
    made = _made(file.read_text("utf-8"))
    file.unlink()
    _clean_up(file, list(file.parents)[:made])
    return file


def _clean_up(file: Path, folders: list[Path]) -> None:
    """Delete a file, if it exists, and those of `folders` that are then empty."""
    with contextlib.suppress(OSError):
        file.unlink()
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _shipped() -> str:
    """Return the file as it is shipped: in the package, or in a checkout of the repository."""
    return (_SHIPPED if _SHIPPED.exists() else _CHECKOUT).read_text("utf-8")


def _is_ours(file: Path) -> bool:
    """Return whether this or another version of the package wrote `file`."""
    try:
        first = file.read_text("utf-8").partition("\n")[0]
    except (OSError, ValueError):
        return False
    return first == _shipped().partition("\n")[0]


def _made(content: str) -> int:
    found = re.search(rf"^{_MADE}(\d+)$", content, re.MULTILINE)
    return int(found[1]) if found else 0
