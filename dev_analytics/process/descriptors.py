"""Files and pipes that are opened so that none of their descriptors is 0, 1 or 2.

A user may have closed a standard stream, and the next file that anybody opens takes its place: what
a library then writes to standard error would land in that file. A umask takes rights away from
whatever is made, also from its owner: what is made here can be opened again.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from dev_analytics.process.native import handling, system
from dev_analytics.process.systems import GET_MARK, SET_MARK, ask, open_now

_STANDARD: Final = (0, 1, 2)
_WRITING: Final = os.O_WRONLY | os.O_RDWR

MAX_WRITTEN: Final = 16 * 2**20
"""More than any file of ours holds but an event log, in bytes."""

_MARKS: Final = itertools.cycle(range(1, 65))
_SIGXFSZ: Final[int | None] = getattr(signal, "SIGXFSZ", None)
_IGNORED: Final = int(signal.SIG_IGN)


def open_above(path: str | os.PathLike[str], flags: int, mode: int = 0o600) -> int:
    """Open a file as `os.open` does, and return a descriptor that is no standard one.

    It is what ``open`` takes as an ``opener``, too.

    Raises
    ------
    OSError
        It cannot be opened.
    """
    if flags & _WRITING and is_limit_told():
        check_room(MAX_WRITTEN)
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
    taken: list[tuple[int, int, os.stat_result]] = []
    try:
        if not all(map(_is_open, _STANDARD)):
            while (descriptor := system.open(os.devnull, system.O_RDWR)) in _STANDARD:
                taken.append((descriptor, mark(descriptor), system.fstat(descriptor)))
            system.close(descriptor)
        yield
    finally:
        for descriptor, number, status in taken:
            with contextlib.suppress(OSError):
                # Another thread may have put a file of the user's in its place.
                if number and not has_mark(descriptor, number):
                    continue
                if os.path.samestat(system.fstat(descriptor), status):
                    system.close(descriptor)


def _is_open(descriptor: int) -> bool:
    try:
        system.get_inheritable(descriptor)
    except OSError:
        return False
    return True


def mark(descriptor: int) -> int:
    """Mark an open file, and return its mark; 0 where the system has none."""
    if SET_MARK is None:
        return 0
    number = next(_MARKS)
    try:
        ask(descriptor, SET_MARK, number)
    except OSError:
        return 0
    return number


def has_mark(descriptor: int, number: int) -> bool:
    """Return whether a descriptor is still that of the file with this mark."""
    try:
        return bool(ask(descriptor, GET_MARK) == number)
    except OSError:
        return False


def is_limit_told() -> bool:
    """Return whether a write beyond a limit runs a handler of the user's, or ends the process.

    Python ignores the signal from its start, so that such a write merely fails.
    """
    return _SIGXFSZ is not None and handling(_SIGXFSZ) is not _IGNORED


def check_room(size: int) -> None:
    """Check that a file may become as large as `size` before it is written to.

    Raises
    ------
    OSError
        The process has set itself a limit below that.
    """
    import resource

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit not in (-1, resource.RLIM_INFINITY) and size > limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
