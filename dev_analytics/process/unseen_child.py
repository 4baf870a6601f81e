"""Starts a process of which the user's process is never notified.

Code that waits for any child sees it: ``os.wait()``, a handler of ``SIGCHLD``, an event loop's
watcher. On Linux, a child that ``clone`` makes without a signal notifies nobody of its end, and is
returned only to code that asks for such children. It ends at once, and the process that it started
is then an orphan, which init adopts.

The child runs the C library's ``system`` in the memory of this process, as after ``vfork``: the
thread that made it is suspended meanwhile, and others go on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from typing import Any, Final

from dev_analytics.process.native import system

_VM: Final = 0x100
_VFORK: Final = 0x4000
_WCLONE: Final = -(2**31)
_STACK_BYTES: Final = 2**18
_GET_CHILD_SUBREAPER: Final = 37


def run_unseen(command: str) -> bool:
    """Run a short shell command as an unseen child; return False if the system cannot do that.

    It has the standard streams of this process, so it must not write to them.

    Raises
    ------
    OSError
        The system can do it, but allows no further process.
    """
    library = _library()
    if library is None or not _folder_is_there():
        return False
    import ctypes
    import mmap

    stack = mmap.mmap(-1, _STACK_BYTES)
    bottom = ctypes.c_char.from_buffer(stack)
    top = ctypes.c_void_p((ctypes.addressof(bottom) + _STACK_BYTES) & ~0xF)
    run = ctypes.cast(library.system, ctypes.c_void_p)
    # Read by a call of its own: the one that blocks may raise a pending interrupt, and must then be
    # undone below.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    try:
        # A signal to the child would run this process's handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        child = library.clone(run, top, _VM | _VFORK, ctypes.c_char_p(os.fsencode(command)))
        number = ctypes.get_errno()
        failed = child > 0 and system.waitpid(child, _WCLONE)[1] != 0
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        del bottom
        stack.close()
    # Where the user ignores the end of children, that of the shell is unknown too.
    if failed and signal.getsignal(signal.SIGCHLD) != signal.SIG_IGN:
        number = errno.EAGAIN
    elif child > 0:
        return True
    if number in (errno.EAGAIN, errno.ENOMEM):
        raise OSError(number, os.strerror(number))
    return False


def import_all() -> None:  # in a thread of ours
    """Import what is needed, if it is available.

    To end a thread that still exists at the end of the process, glibc loads a library at that time,
    and aborts the process if it cannot: when no descriptor is free, or after a change of the root.
    """
    if _library() is not None:
        import ctypes

        with contextlib.suppress(OSError):
            ctypes.CDLL("libgcc_s.so.1")


def adopts_orphans() -> bool:
    """Return whether orphans of our processes become children of this process.

    They do in the first process of a container, and in one that asked for it.
    """
    if system.getpid() == 1:
        return True
    library = _library()
    if library is None:
        return False
    import ctypes

    asked = ctypes.c_int(0)
    return library.prctl(_GET_CHILD_SUBREAPER, ctypes.byref(asked)) == 0 and bool(asked.value)


def _library() -> Any:
    """Return the C library, if this is Linux and the library has what is needed."""
    if sys.platform != "linux":
        return None
    try:
        import ctypes
        import mmap  # noqa: F401, it is needed too

        library = ctypes.CDLL(None, use_errno=True)
        library.clone, library.system, library.prctl  # noqa: B018, they are there
    except (ImportError, AttributeError, OSError):
        return None
    return library


def _folder_is_there() -> bool:
    """Return whether a shell can start without complaints about the working directory.

    A deleted folder still exists as ``.``, but has no name any longer.
    """
    try:
        system.getcwd()
    except OSError:
        return False
    return True
