"""Original functions of the standard library, whatever has replaced them since.

Users replace `os.urandom` for reproducible runs, or `os.environ`; gevent and eventlet replace locks
and threads with their own, which wait for a loop that may never run. Recording an event uses none
of these: the functions are bound here, once, from fresh copies of the modules.

The time is that of the machine's real clock, even where a test library has replaced it. freezegun
replaces the functions of `time` in the globals of every module, so here they belong to a class.
time-machine changes the functions themselves, but not all of them: the results of two are compared.
Under libfaketime all of them are wrong, and the kernel is asked. The machine's clock itself may be
wrong: an impossible time is reported as none.
"""

from __future__ import annotations

import datetime
import importlib
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cache
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    BuiltinImporter,
    ExtensionFileLoader,
    FileFinder,
)
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any, Final


def fresh_copy(name: str) -> Any:
    """Return a fresh copy of a module of the interpreter, which nothing has changed.

    Where it is not found among these, it is imported.
    """
    return fresh_copy_in_c(name) or importlib.import_module(name)


def fresh_copy_in_c(name: str) -> Any:
    """Return a fresh copy of a module that the interpreter has in C, or None if it has none.

    It is looked up neither in `sys.modules` nor on `sys.path`, where the user may have another.
    """
    spec = BuiltinImporter.find_spec(name)
    if spec is None:
        spec = _extensions().find_spec(name)
    if spec is None or spec.loader is None:
        return None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def _extensions() -> FileFinder:
    """Return what finds the interpreter's own extensions; it lists their folder once."""
    folder = Path(os.__file__).with_name("lib-dynload")
    return FileFinder(str(folder), (ExtensionFileLoader, EXTENSION_SUFFIXES))


_THREAD: Final = fresh_copy("_thread")
# Replacements are made in `os`, which only imports these functions from there.
if sys.platform == "win32" and os.name == "nt":
    import nt as _own
else:
    import posix as _own

system = _own

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

signal_handler: Final[Callable[[int], object]] = importlib.import_module("_signal").getsignal
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


def initial_variables(*names: str) -> dict[str, str]:
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


EARLIEST: Final = 1_767_225_600.0
"""The earliest possible time, in seconds since the epoch: there was no package before 2026."""

LATEST: Final = 4_102_444_800.0
"""The latest possible time: the year 2100."""

DRIFT_SECONDS: Final = 0.5
"""How far the clock may drift from the monotonic one before it is checked again, in seconds."""

_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_PRELOADED: Final = ("LD_PRELOAD", "DYLD_INSERT_LIBRARIES")


class Clock:
    """The functions of `time`, and the class of dates, as Python made them.

    Attributes
    ----------
    is_faked
        Whether the C library's times are faked in this process, also those of files. `monotonic`
        and `perf_counter` then come from the kernel.
    """

    _made: Final[Any] = fresh_copy("time")
    time: Callable[[], float] = _made.time
    monotonic: Callable[[], float] = _made.monotonic
    perf_counter: Callable[[], float] = _made.perf_counter
    sleep: Callable[[float], None] = _made.sleep
    ctime: Callable[..., str] = _made.ctime
    gmtime: Callable[[float], Any] = _made.gmtime
    localtime: Callable[[float], Any] = _made.localtime
    mktime: Callable[[Any], float] = _made.mktime
    strftime: Callable[[str, Any], str] = _made.strftime
    # The last class but one in the MRO of any date.
    date: type[datetime.date] = datetime.date.__mro__[-2]
    is_faked = False


_least = _most = 0.0
"""How far the clock may be ahead of the monotonic one, from the last check."""


def seconds() -> float:
    """Return the seconds since the epoch, or 0 if the machine's time is impossible."""
    now = Clock.time()
    if _least < now - Clock.monotonic() < _most:
        return now
    now = _checked(now)
    return now if EARLIEST <= now < LATEST else 0.0


def today() -> datetime.date:
    """Return the day in the user's time zone."""
    year, month, day, *_ = Clock.localtime(seconds())
    return Clock.date(year, month, day)


def _checked(now: float) -> float:
    """Return `now` if the machine's other functions agree, or else the time that they report."""
    global _least, _most
    if Clock.is_faked:
        return now
    said = Clock.ctime()
    try:
        # A second may end between the two calls, and this one reads a coarser clock.
        is_right = said in (Clock.ctime(now), Clock.ctime(now + 1), Clock.ctime(now - 1))
    except (OSError, OverflowError, ValueError):
        is_right = False
    if is_right:
        if EARLIEST <= now < LATEST:
            ahead = now - Clock.monotonic()
            _least, _most = ahead - DRIFT_SECONDS, ahead + DRIFT_SECONDS
        return now
    return _understood(said)


def _understood(said: str) -> float:
    """Return the time in the output of `ctime`, in seconds since the epoch."""
    _, month, day, clock, year = said.split()
    hours, minutes, rest = map(int, clock.split(":"))
    date = int(year), _MONTHS.index(month) + 1, int(day)
    return Clock.mktime((*date, hours, minutes, rest, 0, 0, -1))


def _ask_kernel() -> None:
    """Take all times from the kernel, which has them as text; without it there are none."""
    Clock.is_faked = True
    try:
        lines = Path("/proc/stat").read_text("utf-8").splitlines()
        (booted,) = (float(line.split()[1]) for line in lines if line.startswith("btime "))
        _uptime()
    except (OSError, ValueError):
        Clock.time = lambda: 0.0
    else:
        Clock.time = lambda: booted + _uptime()
        Clock.monotonic = Clock.perf_counter = _uptime


def _uptime() -> float:
    return float(Path("/proc/uptime").read_text("utf-8").split()[0])


if any("faketime" in environ_now().get(name, "") for name in _PRELOADED):
    _ask_kernel()
