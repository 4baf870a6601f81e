"""Opens files and pipes so that none of their descriptors is 0, 1 or 2, and locks them.

A user may have closed a standard stream, and then the next file that is opened gets its number:
whatever a library writes to standard error would end up in that file.

Files and folders that are created here only the user can use, whatever the umask. It may remove
even the owner's permissions from a new one, which could then not be read or entered again. As it
belongs to the whole process, it is never changed. Where the system refuses, OSError is raised.
"""

from __future__ import annotations

import errno
import itertools
import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dev_analytics.process.handlers import Refusals, pass_on
from dev_analytics.process.native import open_file, signal_handler, system
from dev_analytics.process.systems import (
    GET_MARK,
    NO_LINK,
    NO_WAIT,
    SET_MARK,
    control,
    erase,
    lock_now,
    open_now,
    replace,
)

_BUSY: Final = frozenset({errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK})
MISSING_LOCKS: Final = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP})
_STANDARD: Final = (0, 1, 2)
_FOLDER: Final = 0o700
_WRITING: Final = os.O_WRONLY | os.O_RDWR

MAX_WRITTEN: Final = 16 * 2**20
"""More bytes than any of our files holds, except for event logs."""

_MARKS: Final = itertools.cycle(range(1, 65))
SIGXFSZ: Final[int | None] = getattr(signal, "SIGXFSZ", None)
IGNORED: Final = int(signal.SIG_IGN)


class NoLocksError(OSError):
    """The file system has no locks."""


def open_above(path: str | os.PathLike[str], flags: int, mode: int = 0o600) -> int:
    """Open a file as `os.open` does, and return a descriptor above 2.

    This can be the ``opener`` of ``open``.
    """
    if flags & _WRITING and is_limit_signalled():
        check_room(MAX_WRITTEN)
    descriptor = -1
    try:
        with standard_taken():
            descriptor = open_now(path, flags, mode)
        owned = mode & stat.S_IRWXU
        if flags & system.O_CREAT and system.fstat(descriptor).st_mode & owned != owned:
            # Another user's file stays as it is, and so does one on a system without permissions.
            with Refusals():
                system.fchmod(descriptor, mode)
        return descriptor
    except BaseException:
        give_up(descriptor)
        raise


def give_up(*descriptors: int) -> None:
    """Close what nobody owns yet, where an error ends its opening; -1 was not opened.

    Mostly a signal handler of the user's has raised the error, such as a timeout.
    """
    for descriptor in descriptors:
        if descriptor >= 0:
            with Refusals():
                system.close(descriptor)


def read_content(file: Path) -> bytes:
    """Return the content of a file of ours, up to `MAX_WRITTEN` bytes; a pipe has none.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with open_file(file, "rb", opener=_open_at_once) as opened:
        return opened.read(MAX_WRITTEN) or b""


def _open_at_once(path: str, flags: int) -> int:
    return open_above(path, flags | NO_WAIT)


def make_folder(folder: Path) -> None:
    """Create a folder, and the missing ones above it."""
    try:
        _make(folder)
    except FileNotFoundError:
        make_folder(folder.parent)
        # A second time only: in /proc, and where nothing is mounted, none can be made at all.
        _make(folder)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=_FOLDER)
    except FileNotFoundError:
        raise
    except OSError as error:
        pass_on(error)
        if not folder.is_dir():
            raise
    else:
        if stat.S_IMODE(folder.stat().st_mode) & _FOLDER != _FOLDER:
            folder.chmod(_FOLDER)


def replacement(file: Path) -> Path:
    """Return the path at which the replacement of `file` is written.

    It is always the same, so that an opt-out also finds what a killed writer left.
    """
    return file.with_name(f"{file.name}.new")


def replace_content(file: Path, content: bytes, *, durable: bool = False) -> None:
    """Replace the content of a file atomically, by way of its `replacement`.

    Parameters
    ----------
    file, content
        The file, which need not exist, and its new content.
    durable
        Whether to wait until the content has reached the disk.

    Raises
    ------
    OSError
        It could not be written; the file is unchanged.
    """
    new = replacement(file)
    try:
        with open_file(new, "wb", opener=_open_no_link) as opened:
            opened.write(content)
            if durable:
                opened.flush()
                os.fsync(opened.fileno())
        replace(new, file)
    except BaseException:
        with Refusals():
            erase(new)
        raise


def _open_no_link(path: str, flags: int) -> int:
    return open_above(path, flags | NO_LINK)


def touch(file: Path) -> None:
    """Create a file if it is missing."""
    system.close(open_above(file, system.O_CREAT | system.O_WRONLY))


def pipe_above() -> tuple[int, int]:
    """Return the descriptors of a pipe's ends, both above 2, the reading one first."""
    pipe = -1, -1
    try:
        with standard_taken():
            pipe = system.pipe()
        return pipe
    except BaseException:
        give_up(*pipe)
        raise


@contextmanager
def standard_taken() -> Iterator[None]:
    """Occupy 0, 1 and 2 in a block, so that files opened there get other numbers.

    Anything that is written to a closed standard error meanwhile goes nowhere, as before.
    """
    taken: list[tuple[int, int, os.stat_result]] = []
    try:
        if not all(map(_is_open, _STANDARD)):
            while (one := _take())[0] in _STANDARD:
                taken.append(one)
            system.close(one[0])
        yield
    finally:
        for descriptor, number, status in taken:
            with Refusals():
                # Another thread may have given the number to a file of the user.
                if number and not has_mark(descriptor, number):
                    continue
                if os.path.samestat(system.fstat(descriptor), status):
                    system.close(descriptor)


def _take() -> tuple[int, int, os.stat_result]:
    descriptor: int = system.open(os.devnull, system.O_RDWR)
    try:
        return descriptor, mark(descriptor), system.fstat(descriptor)
    except BaseException:
        give_up(descriptor)
        raise


def _is_open(descriptor: int) -> bool:
    try:
        system.get_inheritable(descriptor)
    except OSError as error:
        pass_on(error)
        return False
    return True


def mark(descriptor: int) -> int:
    """Mark an open file, and return its mark, or 0 if the system has no marks."""
    if SET_MARK is None:
        return 0
    number = next(_MARKS)
    try:
        control(descriptor, SET_MARK, number)
    except OSError as error:
        pass_on(error)
        return 0
    return number


def has_mark(descriptor: int, number: int) -> bool:
    """Return whether a descriptor still belongs to the file with this mark."""
    try:
        return bool(control(descriptor, GET_MARK) == number)
    except OSError as error:
        pass_on(error)
        return False


def is_limit_signalled() -> bool:
    """Return whether a write beyond a limit calls a handler of the user or ends the process.

    By default Python ignores the signal, so that such a write merely fails.
    """
    return SIGXFSZ is not None and signal_handler(SIGXFSZ) is not IGNORED


def check_room(size: int) -> None:
    """Raise if a file may not become as large as `size`, before it is written to.

    Raises
    ------
    OSError
        The process has a limit below that.
    """
    import resource

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit not in (-1, resource.RLIM_INFINITY) and size > limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))


def lock(descriptor: int) -> bool:
    """Take the lock of an open file without waiting; return False if another process holds it.

    Raises
    ------
    NoLocksError
        The file system has no locks.
    OSError
        The lock cannot be taken for another reason.
    """
    try:
        lock_now(descriptor)
    except OSError as error:
        pass_on(error)
        if error.errno in _BUSY:
            return False
        if error.errno in MISSING_LOCKS:
            raise NoLocksError(error.errno, error.strerror) from error
        raise
    return True
