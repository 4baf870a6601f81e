"""Original functions of the standard library, whatever has replaced them since.

Users replace `os.urandom` for reproducible runs, or `os.environ`; gevent and eventlet replace locks
and threads with their own, which wait for a loop that may never run. Recording an event uses none
of these: the functions are bound here, once, from fresh copies of the modules.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from importlib.machinery import BuiltinImporter
from importlib.util import module_from_spec
from typing import Any, Final

__all__ = [
    "BELOW_KERNEL",
    "ENVIRON",
    "KERNEL_VARIABLE",
    "PYTHONPATH",
    "RLock",
    "as_uuid",
    "begin_thread",
    "begun_with",
    "environ_now",
    "environ_of",
    "handling",
    "is_uuid",
    "made_anew",
    "open_file",
    "system",
    "thread_number",
    "urandom",
]


def made_anew(name: str) -> Any:
    """Return a fresh copy of a module of the interpreter, which nothing has changed."""
    spec = BuiltinImporter.find_spec(name)
    if spec is None or spec.loader is None:
        return importlib.import_module(name)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_THREAD: Final = made_anew("_thread")
# Replacements are made in `os`, which only imports these functions from there.
if sys.platform == "win32" and os.name == "nt":
    import nt as system
else:
    import posix as system

RLock: Final[Callable[[], AbstractContextManager[bool]]] = _THREAD.RLock
"""A lock that its thread may take again, as a signal handler or a finalizer of the user may run in
the middle of our code. All greenlets of a thread count as that thread: none of them waits for
another one, which could not go on meanwhile."""


begin_thread: Final[Callable[[Callable[..., object], tuple[Any, ...]], int]] = (
    _THREAD.start_new_thread
)
"""Runs a function in a real thread of the system, even if `threading` has been replaced."""

thread_number: Final[Callable[[], int]] = _THREAD.get_native_id
"""Return what the system calls this thread."""

handling: Final[Callable[[int], object]] = importlib.import_module("_signal").getsignal
"""Return the handler of a signal, or a number if that is no function: `signal` turns it into a
member of an enumeration, which takes ten times as long."""

urandom: Final[Callable[[int], bytes]] = system.urandom
open_file: Final = open
"""Kept here so that a user's test that mocks `open` sees none of our files."""

_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def as_uuid(digits: str, version: int) -> str:
    """Write 32 hexadecimal digits as a UUID of `version` (RFC 9562)."""
    return (
        f"{digits[:8]}-{digits[8:12]}-{version}{digits[13:16]}-"
        f"{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:]}"
    )


def is_uuid(text: str, version: int) -> bool:
    """Return whether `text` is a UUID of `version`, written in small letters."""
    digits = text.replace("-", "")
    return len(digits) == 32 and _VARIANT.keys() >= {*digits} and as_uuid(digits, version) == text


ENVIRON: Final = os.environ
"""The original `os.environ` of this process."""

PYTHONPATH: Final = ENVIRON.get("PYTHONPATH", "")
"""The folders that the process was started with: a cell may name others later."""

KERNEL_VARIABLE: Final = "JPY_PARENT_PID"
"""A kernel is started with it, and what its cells start inherits it unless it is removed."""

BELOW_KERNEL: Final = KERNEL_VARIABLE in ENVIRON
"""Whether this process has the variable; read once, as a cell can remove it."""

_PLAIN: Final = (type(ENVIRON), dict)


def environ_now() -> Mapping[str, str]:
    """Return the environment as it is now, even if `os.environ` was replaced.

    Reading a replacement that is no plain mapping could run the user's code: the original counts
    then.
    """
    now = os.environ
    return now if type(now) in _PLAIN else ENVIRON


def begun_with(*names: str) -> dict[str, str]:
    """Return the values of these variables with which this process was started.

    It is empty where the system does not report them.
    """
    given = (part.partition(b"=") for part in environ_of(os.getpid()).split(b"\0"))
    wanted = {os.fsencode(name): name for name in names}
    return {wanted[name]: os.fsdecode(value) for name, _, value in given if name in wanted}


def environ_of(pid: int) -> bytes:
    """Return the environment with which a process was started; empty for another user's."""
    if sys.platform != "linux":
        return b""
    try:
        with open_file(f"/proc/{pid}/environ", "rb") as file:
            return bytes(file.read())
    except OSError:
        return b""
