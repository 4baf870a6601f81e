"""A file of whole lines that many processes append to at once, one ``write`` for each line."""

from __future__ import annotations

import io
import stat
from pathlib import Path
from typing import Final

from dev_analytics.process.descriptors import (
    IGNORED,
    SIGXFSZ,
    check_room,
    give_up,
    has_mark,
    mark,
    open_above,
)
from dev_analytics.process.handlers import Refusals, pass_on
from dev_analytics.process.native import Clock, RLock, signal_handler, system
from dev_analytics.process.systems import (
    GET_MARK,
    NO_WAIT,
    append_now,
    control,
    identity,
    read_at,
)

LOOK_SECONDS: Final = 0.25
"""How often to check whether a file is where it was, in seconds. A check at every line would make
the next write several times slower, as the kernel must then give the two writes different times."""


class FileGoneError(OSError):
    """The file is not where it was, or its descriptor now belongs to another file."""


class FileClosedError(OSError):
    """The file was closed."""


class LineFile:
    """An append-only file of lines.

    Each line is appended in one piece, even if other processes append too. A line that did not fit
    the disk is removed, or ended if another process has appended something, so that a torn line
    never runs into the next one. Threads may append and close at any time: a line never goes to a
    descriptor that was closed and reused, not even if a daemon closed them all.

    Parameters
    ----------
    path
        The file; it is created with mode 0600 if it is missing. Its folder must exist.
    renewed
        Whether to create it again when it is gone, as for a log, at every line until that succeeds;
        otherwise an error is raised.

    Raises
    ------
    OSError
        It cannot be opened for appending, or is not a regular file.
    """

    def __init__(self, path: Path, *, renewed: bool = False) -> None:
        self.path = path
        self._renewed = renewed
        self._torn = False
        # Whether it is gone, and could not be created again yet.
        self._lost = False
        # Reentrant, as a signal handler of the user may log while its thread is writing a line.
        self._lock = RLock()
        self._begin()

    def _begin(self) -> None:
        # O_NONBLOCK: a named pipe must refuse instead of waiting for its reader. A log may be a
        # file that its user can write but not read; other files are read again.
        access = system.O_WRONLY if self._renewed else system.O_RDWR
        flags = access | system.O_APPEND | system.O_CREAT | NO_WAIT
        self.descriptor = -1
        try:
            self.descriptor = open_above(self.path, flags)
            status = system.fstat(self.descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(f"{self.path} is no regular file")
            self._identity = identity(status)
            self._mark = mark(self.descriptor)
            self._look = 0.0
            self._open = True
            self._lost = False
        except BaseException:
            self._open = False
            give_up(self.descriptor)
            raise

    def append(self, line: bytes) -> None:
        """Append `line` and a line end.

        Raises
        ------
        FileClosedError
            It was closed.
        FileGoneError
            The file and its content are gone; the line was not written.
        OSError
            It could not be written completely, so nothing of it was written.
        """
        with self._lock:
            self.append_held(line, Clock.monotonic())

    def append_held(self, line: bytes, now: float) -> None:
        """Append `line` like `append`, at a time of the monotonic clock.

        The caller holds a lock of its own around every call: taking two would take a fiftieth of
        the time of an event.
        """
        if not self._open:
            if not self._lost:
                raise FileClosedError("the file is closed")
            # Its folder may be there again.
            self._begin()
        try:
            # What `has_mark` does, without its call: this is done for every record.
            known = self._mark and control(self.descriptor, GET_MARK) == self._mark
        except OSError as error:
            pass_on(error)
            known = False
        if not known or now >= self._look:
            self._find()
        whole = b"\n" + line + b"\n" if self._torn else line + b"\n"
        # What `is_limit_signalled` does, without its call.
        if SIGXFSZ is not None and signal_handler(SIGXFSZ) is not IGNORED:
            check_room(system.fstat(self.descriptor).st_size + len(whole))
        # Looked up in the same line, as a signal handler may have closed it since: between this and
        # the write none can run.
        written = append_now(self.descriptor, whole) if self._open else None
        if written is None:
            raise FileClosedError("the file is closed")
        if written < len(whole):
            self._take_back(written)
            raise OSError("the line did not fit")
        self._torn = False

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock:
            self._lost = False
            self._release()

    def _release(self) -> None:
        if self._open and self._is_ours():
            with Refusals():
                system.close(self.descriptor)
        self._open = False

    def abandon(self) -> None:
        """Close the file in a forked child, where a missing thread may hold its lock."""
        self._lock = RLock()
        self.close()

    def find(self) -> bool:
        """Return whether the file is where it was and its descriptor still belongs to it."""
        return self._is_ours() and self.is_at(self.path)

    def is_at(self, path: Path) -> bool:
        """Return whether this file is the one at `path`, whatever became of its descriptor."""
        try:
            status = path.stat()
        except OSError as error:
            pass_on(error)
            return False
        return identity(status) == self._identity

    def tail(self, start: int) -> list[bytes]:
        """Return the lines from `start`, even of a deleted file, but none of a renewed one."""
        with self._lock:
            if not self._open or not self._is_ours():
                return []
            size = system.fstat(self.descriptor).st_size
            return read_at(self.descriptor, max(0, size - start), start).splitlines()

    def _find(self) -> None:
        """Continue after what others have written, create the file again, or raise."""
        if not self._open:
            raise FileClosedError("the file is closed")
        if self.find():
            self._look = Clock.monotonic() + LOOK_SECONDS
        elif self._renewed:
            self._torn, self._lost = False, True
            self._release()
            self._begin()
        else:
            raise FileGoneError(f"{self.path} is gone")

    def _is_ours(self) -> bool:
        try:
            # The user may have opened the same file again.
            marked = not self._mark or has_mark(self.descriptor, self._mark)
            status = system.fstat(self.descriptor)
        except OSError as error:
            pass_on(error)
            return False
        return marked and identity(status) == self._identity

    def _take_back(self, written: int) -> None:
        self._torn = True
        with Refusals():
            end = system.lseek(self.descriptor, 0, io.SEEK_CUR)
            if end == system.fstat(self.descriptor).st_size:
                system.ftruncate(self.descriptor, end - written)
                self._torn = False
