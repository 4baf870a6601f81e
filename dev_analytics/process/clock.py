"""The time, by the machine's clock and by none that was put in its place.

freezegun replaces the functions of `time` in every module that has them by their names, so here
they are a class's. time-machine changes what the functions themselves do, but not all of them: what
one says is compared with what another one says. Below libfaketime all of them lie, and the kernel
is asked. A machine's clock may be wrong by itself: a time that cannot be is none.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from dev_analytics.process.native import environ_now, made_anew

EARLIEST: Final = 1_767_225_600.0
"""No version of this package was there before 2026, in seconds since the epoch."""

LATEST: Final = 4_102_444_800.0
"""Nor will one be in 2100."""

DRIFT_SECONDS: Final = 0.5
"""How far the clock may go apart from the steady one before it is looked at again, in seconds."""

_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_PRELOADED: Final = ("LD_PRELOAD", "DYLD_INSERT_LIBRARIES")


class Clock:
    """The functions of `time`, and the class of dates, as Python made them.

    Attributes
    ----------
    is_faked
        Whether the C library lies to this process, also about the times of files. `monotonic` and
        `perf_counter` then are the kernel's.
    """

    _made: Final[Any] = made_anew("time")
    time: Callable[[], float] = _made.time
    monotonic: Callable[[], float] = _made.monotonic
    perf_counter: Callable[[], float] = _made.perf_counter
    sleep: Callable[[float], None] = _made.sleep
    ctime: Callable[..., str] = _made.ctime
    gmtime: Callable[[float], Any] = _made.gmtime
    localtime: Callable[[float], Any] = _made.localtime
    mktime: Callable[[Any], float] = _made.mktime
    strftime: Callable[[str, Any], str] = _made.strftime
    # The last but one of what any date is an instance of.
    date: type[datetime.date] = datetime.date.__mro__[-2]
    is_faked = False


_least = _most = 0.0
"""How far the clock may be ahead of the steady one, as it was when it was last looked at."""


def seconds() -> float:
    """Return the seconds since the epoch; 0 where the time that the machine has cannot be."""
    now = Clock.time()
    if _least < now - Clock.monotonic() < _most:
        return now
    now = _checked(now)
    return now if EARLIEST <= now < LATEST else 0.0


def today() -> datetime.date:
    """Return the day where the user is."""
    year, month, day, *_ = Clock.localtime(seconds())
    return Clock.date(year, month, day)


def _checked(now: float) -> float:
    """Return `now` if the machine says so too, as it was set or slept, or else what that says."""
    global _least, _most
    if Clock.is_faked:
        return now
    said = Clock.ctime()
    try:
        # A second may end between the two, and this one reads a coarser clock.
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
    """Return the time that `ctime` writes, in seconds since the epoch."""
    _, month, day, clock, year = said.split()
    hours, minutes, rest = map(int, clock.split(":"))
    date = int(year), _MONTHS.index(month) + 1, int(day)
    return Clock.mktime((*date, hours, minutes, rest, 0, 0, -1))


def _ask_kernel() -> None:
    """Take all times from the kernel, which writes them as text; without it there is none."""
    Clock.is_faked = True
    try:
        lines = Path("/proc/stat").read_text("ascii").splitlines()
        (booted,) = (float(line.split()[1]) for line in lines if line.startswith("btime "))
        _uptime()
    except (OSError, ValueError):
        Clock.time = lambda: 0.0
    else:
        Clock.time = lambda: booted + _uptime()
        Clock.monotonic = Clock.perf_counter = _uptime


def _uptime() -> float:
    return float(Path("/proc/uptime").read_text("ascii").split()[0])


if any("faketime" in environ_now().get(name, "") for name in _PRELOADED):
    _ask_kernel()
