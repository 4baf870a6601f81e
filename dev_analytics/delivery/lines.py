"""A file of whole lines that many processes append to at once, one ``write`` for each line."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from pathlib import Path


class LineFile:
    """An append-only file of lines.

    The kernel puts each ``write`` of an ``O_APPEND`` file at its end in one piece. A line that did
    not fit the disk is taken back, or ended where somebody wrote behind it, so that a torn line
    never runs into the next one. Threads may append and close at any time: a line never goes to a
    descriptor that was closed and given to somebody else.

    Parameters
    ----------
    path
        The file; it is made with mode 0600 if there is none. Its folder must exist.

    Raises
    ------
    OSError
        It cannot be opened for appending, or is no regular file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # O_NONBLOCK: a named pipe must refuse instead of waiting for its reader.
        flags = os.O_APPEND | os.O_CREAT | os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
        self.descriptor = os.open(path, flags, 0o600)
        if not stat.S_ISREG(os.fstat(self.descriptor).st_mode):
            os.close(self.descriptor)
            raise OSError(f"{path} is no regular file")
        self._open = True
        self._torn = False
        # Reentrant, as a signal handler of the user may log in the middle of a line of its thread.
        self._lock = threading.RLock()

    def append(self, line: bytes) -> None:
        """Append `line` and a line end.

        Raises
        ------
        OSError
            It could not be written whole, and stands nowhere; or the file is closed.
        """
        with self._lock:
            if not self._open:
                raise OSError("the file is closed")
            whole = (b"\n" if self._torn else b"") + line + b"\n"
            written = os.write(self.descriptor, whole)
            if written < len(whole):
                self._take_back(written)
                raise OSError("the line did not fit")
            self._torn = False

    def close(self) -> None:
        """Close the file; once is enough."""
        with self._lock:
            if self._open:
                self._open = False
                with contextlib.suppress(OSError):
                    os.close(self.descriptor)

    def _take_back(self, written: int) -> None:
        self._torn = True
        with contextlib.suppress(OSError):
            end = os.lseek(self.descriptor, 0, os.SEEK_CUR)
            if end == os.fstat(self.descriptor).st_size:
                os.ftruncate(self.descriptor, end - written)
                self._torn = False
