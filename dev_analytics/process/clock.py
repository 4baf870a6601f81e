"""The time of the machine's real clock, even where a test library has replaced it.

freezegun replaces the functions of `time` in the globals of every module, so here they belong to a
class. time-machine changes the functions themselves, but not all of them: the results of two are
compared. Under libfaketime all of them are wrong, and the kernel is asked. The machine's clock
itself may be wrong: an impossible time is reported as none.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from dev_analytics.process.native import environ_now, made_anew

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
