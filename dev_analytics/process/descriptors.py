"""Files and pipes that are opened so that none of their descriptors is 0, 1 or 2.

A user may have closed a standard stream, and the next file that anybody opens takes its place: what
a library then writes to standard error would land in that file. A umask takes rights away from
whatever is made, also from its owner: what is made here can be opened again.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from dev_analytics.process.native import system
from dev_analytics.process.systems import open_now

_STANDARD: Final = (0, 1, 2)


def open_above(path: str | os.PathLike[str], flags: int, mode: int = 0o600) -> int:
    """Open a file as `os.open` does, and return a descriptor that is no standard one.

    It is what ``open`` takes as an ``opener``, too.

    Raises
    ------
    OSError
        It cannot be opened.
    """
    with standard_taken():
        descriptor = open_now(path, flags, mode)
    owned = mode & stat.S_IRWXU
    if flags & system.O_CREAT and system.fstat(descriptor).st_mode & owned != owned:
        # A file of another user's stays as it is; so does one where there are no such rights.
        with contextlib.suppress(OSError):
            system.fchmod(descriptor, mode)
    return descriptor


def pipe_above() -> tuple[int, int]:
    """Return the ends of a pipe, the reading one first; neither is a standard descriptor.

    Raises
    ------
    OSError
        There can be none.
    """
    with standard_taken():
        return system.pipe()


@contextmanager
def standard_taken() -> Iterator[None]:
    """Occupy 0, 1 and 2 inside, so that what is opened there gets another number.

    Whoever writes to a closed standard error in this instant writes to nowhere, as before.
    """
    taken = []
    try:
        if not all(map(_is_open, _STANDARD)):
            while (descriptor := system.open(os.devnull, system.O_RDWR)) in _STANDARD:
                taken.append(descriptor)
            system.close(descriptor)
        yield
    finally:
        for descriptor in taken:
            with contextlib.suppress(OSError):
                system.close(descriptor)


def _is_open(descriptor: int) -> bool:
    try:
        system.get_inheritable(descriptor)
    except OSError:
        return False
    return True
