"""The functions of `dev_analytics.process.systems` on Windows.

An open file can be renamed and deleted only if everything that opened it allows that, and can never
be replaced; a lock keeps others from the bytes that it covers; a folder cannot be synced; and
appending is atomic only for a file that was opened for nothing else.
"""

from __future__ import annotations

import _thread
import _winapi
import errno
import msvcrt
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from dev_analytics.process.native import Clock, system

assert sys.platform == "win32"

T = TypeVar("T")

_READ: Final = 0x8000_0000
_WRITE: Final = 0x4000_0000
_APPEND: Final = _READ | 0x0004 | 0x0100
"""Read, lock, append, set times: without the right to write elsewhere every write appends."""

_ALL_SHARED: Final = 0x1 | 0x2 | 0x4
_NEW, _EMPTIED, _THERE, _THERE_OR_NEW, _THERE_EMPTIED = range(1, 6)
_PLAIN: Final = 0x80
_OWNED, _APPENDED = 0x7FFF_FFFE, 0x7FFF_FFFF
"""The bytes that are locked: beyond the end, as no other process can read locked bytes."""

_READ_SECONDS: Final = 0.02
_CHANGE_SECONDS: Final = 0.5
_APPEND_SECONDS: Final = 1.0
"""How long to try again while something has a file open for a moment, in seconds: a reader, a
writer, a virus scanner. Reading is not tried again, as a user's cell may be waiting for it."""

_PAUSE_SECONDS: Final = 0.002
SET_MARK: int | None = None
GET_MARK = 0


def control(descriptor: int, what: int, value: int = 0) -> int:
    """Return 0: an open file has no mark here."""
    return 0


def identity(status: os.stat_result) -> tuple[int, int]:
    """Return what identifies a file on its volume; not all calls report the volume."""
    return status.st_ino, 0


def open_now(path: str | os.PathLike[str], flags: int, mode: int) -> int:
    """Open a file as ``os.open`` does, so that others can rename and delete it meanwhile."""
    access = {os.O_RDONLY: _READ, os.O_WRONLY: _WRITE}.get(flags & 3, _READ | _WRITE)
    if flags & os.O_APPEND and access & _WRITE:
        access = access & ~_WRITE | _APPEND
    if flags & os.O_CREAT:
        how = _EMPTIED if flags & os.O_TRUNC else _THERE_OR_NEW
        how = _NEW if flags & os.O_EXCL else how
    else:
        how = _THERE_EMPTIED if flags & os.O_TRUNC else _THERE
    name = os.fspath(path)
    handle = _patiently(
        lambda: _winapi.CreateFile(name, access, _ALL_SHARED, 0, how, _PLAIN, 0), _READ_SECONDS
    )
    return msvcrt.open_osfhandle(handle, flags & 3 | os.O_NOINHERIT)


def append_now(descriptor: int, content: bytes) -> int:
    """Append `content` to an open file in one piece, and return how much of it was written."""
    _patiently(lambda: _lock_byte(descriptor, _APPENDED, msvcrt.LK_NBLCK), _APPEND_SECONDS)
    try:
        return system.write(descriptor, content)
    finally:
        _lock_byte(descriptor, _APPENDED, msvcrt.LK_UNLCK)


def read_at(descriptor: int, size: int, start: int) -> bytes:
    """Return `size` bytes of an open file from `start`."""
    os.lseek(descriptor, start, os.SEEK_SET)
    return os.read(descriptor, size)


def lock_now(descriptor: int) -> None:
    """Take the lock of an open file; raise OSError at once if another process has it."""
    _lock_byte(descriptor, _OWNED, msvcrt.LK_NBLCK)


def unlock_now(descriptor: int) -> None:
    """Release the lock of an open file."""
    _lock_byte(descriptor, _OWNED, msvcrt.LK_UNLCK)


def share_lock(descriptor: int) -> None:
    """Take the lock of an open file for an instant."""
    lock_now(descriptor)
    unlock_now(descriptor)


def replace(new: Path, file: Path) -> None:
    """Replace `file`, which no process holds for long, with `new`."""
    _patiently(lambda: new.replace(file), _CHANGE_SECONDS)


def take_place(new: Path, file: Path) -> None:
    """Overwrite `file`, which the caller holds and no other changes, with the content of `new`.

    It is copied: until that is done and `new` is deleted, `new` is what counts.
    """
    times, content = new.stat(), new.read_bytes()
    with os.fdopen(open_now(file, os.O_WRONLY | os.O_TRUNC, 0), "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    erase(new)


def erase(file: Path) -> None:
    """Empty and delete a file; its name may stay as long as another process has it open."""
    _empty(file)
    try:
        _patiently(file.unlink, _CHANGE_SECONDS)
    except PermissionError:
        _empty(file)
        raise


def sync_folder(folder: Path) -> None:
    """Do nothing: the file system keeps a journal of its names, and offers no other way."""


def give_way() -> None:
    """Do nothing: a process of ours is started with a low priority."""


def leave_folder(data: Path) -> None:
    """Leave a working directory that somebody may want to rename or delete."""
    os.chdir(data.anchor or os.sep)


def is_administrators(descriptor: int) -> bool:
    """Return whether an open file belongs to the administrators or the system itself."""
    import ctypes

    administrators, local_system = 26, 22
    owner, described = ctypes.c_void_p(), ctypes.c_void_p()
    rights = ctypes.WinDLL("advapi32")
    failed = rights.GetSecurityInfo(
        ctypes.c_void_p(msvcrt.get_osfhandle(descriptor)),
        1,  # a file's
        1,  # the owner
        *(ctypes.byref(owner), None, None, None, ctypes.byref(described)),
    )
    if failed:
        return False
    try:
        return any(rights.IsWellKnownSid(owner, kind) for kind in (administrators, local_system))
    finally:
        ctypes.WinDLL("kernel32").LocalFree(described)


@contextmanager
def deadline(seconds: float, late: type[BaseException]) -> Iterator[None]:
    """Raise `late` in this thread, the main one, after `seconds`, but not in a blocking call.

    No timer interrupts a call here: another thread simulates Ctrl-Break.
    """
    over = threading.Event()

    def ring(signum: int, frame: Any) -> None:
        if not over.is_set():
            raise late

    def watch() -> None:
        pause = seconds
        while not over.wait(pause):
            _thread.interrupt_main(signal.SIGBREAK)
            pause = 1.0

    before = signal.signal(signal.SIGBREAK, ring)
    watching = threading.Thread(target=watch, daemon=True)
    try:
        watching.start()
        try:
            yield
        finally:
            over.set()
            watching.join()
    finally:
        over.set()
        signal.signal(signal.SIGBREAK, before)


def _empty(file: Path) -> None:
    """Empty a file if possible, without following a link."""
    with suppress(OSError):
        if not file.is_symlink():
            os.close(open_now(file, os.O_WRONLY | os.O_TRUNC, 0))


def _lock_byte(descriptor: int, byte: int, how: int) -> None:
    os.lseek(descriptor, byte, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, how, 1)
    except OSError as error:
        if error.errno:
            raise
        # Wine's C runtime does not report that another process has it.
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None


def _patiently(act: Callable[[], T], seconds: float) -> T:
    """Return the result of `act`; while another process is in the way, try again for `seconds`."""
    # Attempts are counted, as a process that gets no time for so long has not tried.
    for _ in range(round(seconds / _PAUSE_SECONDS)):
        with suppress(PermissionError):
            return act()
        Clock.sleep(_PAUSE_SECONDS)
    return act()
