"""Which installed package a source file belongs to, by whole parts of its path.

A file is installed if it lies in a directory that Python itself installs into, or in one that
``PYTHONPATH`` names and that is called "site-packages" or "dist-packages". A folder of the user's
whose name only contains such a word does not count, nor does one that is put on ``sys.path`` later.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from dev_analytics.observers.hooks import DISTRIBUTIONS
from dev_analytics.process.handlers import pass_on
from dev_analytics.process.native import PYTHONPATH

_FROZEN: Final = "<frozen "
_METADATA: Final = (".dist-info", ".egg-info")
_INSTALL_NAMES: Final = frozenset({"site-packages", "dist-packages"})

_NAME: Final = r"(.+?)(?:-[0-9].*)?\.[a-z-]+"
"""The name of a metadata folder: the distribution, perhaps its version, and an ending. It is only
compiled when it is used, as most sessions load the extension before an SDK."""


def package_of(file: object) -> str | None:
    """Return the top-level module of an installed source file, or None for any other file."""
    # Only a plain string is read: a subclass may have methods of the user.
    if type(file) is not str:
        return None
    if file.startswith(_FROZEN):
        return file.removeprefix(_FROZEN).rstrip(">").partition(".")[0]
    for directory in directories():
        if file.startswith(directory):
            first = file[len(directory) :].partition(os.sep)[0].partition(".")[0]
            return first if first.isidentifier() else None
    return None


def is_installed(module: str, file: object) -> bool:
    """Return whether the `file` of an SDK's `module` was installed, and is not the user's.

    An installer may have put the distribution into any folder: its metadata then lies beside the
    package. Somebody else's distribution with a module of this name does not count.
    """
    if type(file) is not str:
        return False
    top, *inner = module.split(".")
    called = _normalized(top)
    meant = DISTRIBUTIONS.get(top, called)
    is_in_place = package_of(file) == top
    if is_in_place and meant == called:
        return True
    path = Path(file)
    if path.name.partition(".")[0] == "__init__":
        path = path.parent
    try:
        names = os.listdir(path.parents[len(inner)])  # noqa: PTH208, no object is needed for each
    except (OSError, IndexError) as error:
        pass_on(error)
        return False
    # Most of the many names there are told apart by their first letter.
    initials = called[0], meant[0]
    there = {
        _distribution(name)
        for name in names
        if name[0].lower() in initials and name.endswith(_METADATA)
    }
    # Where the metadata was left out, the place is enough.
    return meant in there or (is_in_place and called not in there)


def _distribution(metadata: str) -> str:
    """Return the distribution whose metadata has this file or folder name."""
    found = re.fullmatch(_NAME, metadata)
    return _normalized(found[1]) if found else ""


def _normalized(name: str) -> str:
    """Return a distribution's name in its normal spelling."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def directories() -> tuple[str, ...]:
    """Return the directories of installed packages and of the standard library, the longest first.

    Each ends with a separator, and is included as named and with its symbolic links resolved.
    """
    named = {Path(directory) for directory in _named() if directory}
    both = named | {directory.resolve() for directory in named}
    return tuple(sorted((f"{each}{os.sep}" for each in both), key=len, reverse=True))


def _named() -> Iterator[str]:
    import site
    import sysconfig

    for name in ("purelib", "platlib", "stdlib"):
        yield sysconfig.get_path(name)
    yield str(Path(os.__file__).parent)
    yield from getattr(site, "getsitepackages", list)()
    yield getattr(site, "USER_SITE", None) or ""
    for entry in map(Path, PYTHONPATH.split(os.pathsep)):
        if entry.name in _INSTALL_NAMES:
            yield str(entry.absolute())
