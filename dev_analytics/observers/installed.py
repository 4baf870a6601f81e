"""Which installed package a source file belongs to, by whole parts of its path.

A file is installed if it lies in a directory that Python itself installs into, or in one that is
called so and that ``PYTHONPATH`` names. A folder of the user's whose name only
contains "site-packages" is none, and neither is one that is put on ``sys.path`` later.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from dev_analytics.process.native import PYTHONPATH

_FROZEN: Final = "<frozen "
_DESCRIBED: Final = (".dist-info", ".egg-info")
_CALLED: Final = frozenset({"site-packages", "dist-packages"})
_CALLED_OTHERWISE: Final = {
    "fireworks": "fireworks-ai",
    "google": "google-genai",
    "llama_cpp": "llama-cpp-python",
}
"""The distributions that are meant where one that is called as the module is another's."""

_NAME: Final = r"(.+?)(?:-[0-9].*)?\.[a-z-]+"
"""What describes a distribution: its name, perhaps its version, its ending. It is compiled where it
is used, as most sessions load the extension before an SDK."""


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
    """Return whether `file`, that of a module of this name, is a distribution's and not the user's.

    It also is where an installer has put the distribution into any other folder: what describes the
    distribution lies beside its package there. A distribution of somebody else's that has a module
    of this name is not meant.
    """
    if type(file) is not str:
        return False
    top, *inner = module.split(".")
    called = _normalized(top)
    meant = _CALLED_OTHERWISE.get(top, called)
    is_in_place = package_of(file) == top
    if is_in_place and meant == called:
        return True
    path = Path(file)
    if path.name.partition(".")[0] == "__init__":
        path = path.parent
    try:
        names = os.listdir(path.parents[len(inner)])  # noqa: PTH208, no object is needed for each
    except (OSError, IndexError):
        return False
    there = {_distribution(name) for name in names if name.endswith(_DESCRIBED)}
    # Where what describes distributions was left out, the place tells enough.
    return meant in there or (is_in_place and called not in there)


def _distribution(described: str) -> str:
    """Return the name of the distribution that a file or folder of this name describes."""
    found = re.fullmatch(_NAME, described)
    return _normalized(found[1]) if found else ""


def _normalized(name: str) -> str:
    """Return the one spelling of a distribution's name."""
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
    yield from _called_so(PYTHONPATH.split(os.pathsep))


def _called_so(entries: Iterable[str]) -> Iterator[str]:
    for entry in entries:
        if Path(entry).name in _CALLED:
            yield str(Path(entry).absolute())
