"""The standard library as Python itself made it, whatever has been put in its place since.

A user replaces `os.urandom` for runs that repeat themselves, or `os.environ`; gevent and eventlet
replace locks and threads by those of their own, which wait for a loop that may never turn. What is
needed to keep a record is none of theirs: it is bound here, once, from modules that are made anew.
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
    "ENVIRON",
    "RLock",
    "as_uuid",
    "begin_thread",
    "environ_now",
    "handling",
    "is_uuid",
    "made_anew",
    "open_file",
    "system",
    "thread_number",
    "urandom",
]


def made_anew(name: str) -> Any:
    """Return a module of the interpreter's own, made once more: nobody has changed that one."""
    spec = BuiltinImporter.find_spec(name)
    if spec is None or spec.loader is None:
        return importlib.import_module(name)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_THREAD: Final = made_anew("_thread")
# What is replaced is replaced in `os`, which only has it from there.
if sys.platform == "win32" and os.name == "nt":
    import nt as system
else:
    import posix as system

RLock: Final[Callable[[], AbstractContextManager[bool]]] = _THREAD.RLock
"""A lock that its thread may take again, as a signal handler or a finalizer of the user's may come
in the middle of a line of ours. All greenlets of a thread are that thread to it: none of them waits
for another one, which could not go on meanwhile."""


begin_thread: Final[Callable[[Callable[..., object], tuple[Any, ...]], int]] = (
    _THREAD.start_new_thread
)
"""Runs a function in a thread of the system's, also where `threading` has others."""

thread_number: Final[Callable[[], int]] = _THREAD.get_native_id
"""Return what the system calls this thread."""

handling: Final[Callable[[int], object]] = importlib.import_module("_signal").getsignal
"""Return what handles a signal, as a number where that is no function: `signal` makes a member of
an enumeration of it, which takes ten times as long."""

urandom: Final[Callable[[int], bytes]] = system.urandom
open_file: Final = open
"""A test of the user's that puts a mock in the place of `open` sees none of our files."""

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
"""The environment that this process began with, as far as nobody changed it in place."""

_PLAIN: Final = (type(ENVIRON), dict)


def environ_now() -> Mapping[str, str]:
    """Return the environment as it is now, also where `os.environ` is another one by now.

    One that is no plain mapping may run code of the user's when it is read: the first one counts.
    """
    now = os.environ
    return now if type(now) in _PLAIN else ENVIRON
