"""Starts a process that the user's process is never told of.

A child is seen by whoever waits for any child: ``os.wait()``, a handler of ``SIGCHLD``, an event
loop's watcher. Linux knows children whose end is told to nobody, and which nobody gets who does not
ask for such: those that ``clone`` makes without a signal. What such a child starts is an orphan
when it ends, at once, and so init's.

The child runs ``system`` of the C library in the memory of this process, as ``vfork`` has it: the
thread that made it stands still meanwhile, and others go on.
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
    """Run a shell command that is over at once, as an unseen child; False where there is no way.

    Parameters
    ----------
    command
        What the shell does. It has the standard streams of this process, and so must not write.

    Raises
    ------
    OSError
        There is a way, and no room for another process.
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
    # Read apart: an interrupt that is due is raised by the call that blocks, and then undone below.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    try:
        # A signal that came to the child would set off this process's handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        child = library.clone(run, top, _VM | _VFORK, ctypes.c_char_p(os.fsencode(command)))
        number = ctypes.get_errno()
        failed = child > 0 and system.waitpid(child, _WCLONE)[1] != 0
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        del bottom
        stack.close()
    # Where a user ignores the end of children, the shell's is not known either.
    if failed and signal.getsignal(signal.SIGCHLD) != signal.SIG_IGN:
        number = errno.EAGAIN
    elif child > 0:
        return True
    if number in (errno.EAGAIN, errno.ENOMEM):
        raise OSError(number, os.strerror(number))
    return False


def import_all() -> None:
    """Import what is needed, if it is there.

    A thread that is still there at the end of the process ends by what glibc loads only then, and
    aborts the process where it cannot be: no descriptor is free, or the root is another one.
    """
    if _library() is not None:
        import ctypes

        with contextlib.suppress(OSError):
            ctypes.CDLL("libgcc_s.so.1")


def adopts_orphans() -> bool:
    """Return whether what our processes leave behind becomes this process's child.

    It is so of the first process of a container, and of one that asked for it.
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
    """Return the C library, if this is Linux and it has what is needed."""
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
    """Return whether a shell has nothing to complain of at its start.

    A folder that was deleted is still there as ``.``, and has no name any more.
    """
    try:
        system.getcwd()
    except OSError:
        return False
    return True
