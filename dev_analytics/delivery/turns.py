"""Lets one sender at a time work for each destination, by a lock.

A sender that is stopped or hangs keeps its lock, and delays only its own destination. The file's
modification time is that of the sender's last sign of life.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from dev_analytics.catalogue.record import iso
from dev_analytics.delivery.locks import Holder, holder_of, locked
from dev_analytics.destinations import ARCHIVE
from dev_analytics.process.handlers import Refusals, pass_on
from dev_analytics.process.native import seconds

LOOK_SECONDS: Final = 0.1
"""How long to wait for a lock that another process may only be testing, in seconds."""

QUIET_SECONDS: Final = 300.0
"""How long a sender without a sign of life is waited for, in seconds: far beyond any pause."""


class Turn(NamedTuple):
    """A sender at work.

    Attributes
    ----------
    destination
        Its name in the spool.
    pid
        The sender, if that can be known.
    since
        When it last showed a sign of life; RFC 3339, UTC.
    trouble
        ``"stopped"`` or ``"hanging"``; empty while it works.
    """

    destination: str
    pid: int | None
    since: str
    trouble: str


def lock_file(data: Path, destination: str) -> Path:
    """Return the file that the sender for `destination` locks."""
    return data / ("sender.lock" if destination == ARCHIVE else f"sender-{destination}.lock")


@contextmanager
def turn(data: Path, destination: str) -> Iterator[None]:
    """Become the one sender for `destination`.

    Raises
    ------
    TimeoutError
        Another one is at work.
    OSError
        There can be no lock.
    """
    with locked(lock_file(data, destination), wait=LOOK_SECONDS):
        sign_of_life(data, destination)
        yield


def sign_of_life(data: Path, destination: str) -> None:
    """Record that the sender for `destination`, the caller, is alive."""
    with Refusals():
        os.utime(lock_file(data, destination))


def turns(data: Path) -> list[Turn]:
    """Return the senders at work, each with what is wrong with it."""
    found = []
    for file in sorted(data.glob("sender*.lock")):
        holder = holder_of(file)
        if holder.held:
            with Refusals():
                seen = file.stat().st_mtime
                destination = file.stem.partition("-")[2] or ARCHIVE
                trouble = _trouble(holder, seconds() - seen)
                found.append(Turn(destination, holder.pid, iso(int(seen)), trouble))
    return found


def _trouble(holder: Holder, quiet: float) -> str:
    if holder.pid is not None and _is_stopped(holder.pid):
        return "stopped"
    return "hanging" if quiet > QUIET_SECONDS else ""


def _is_stopped(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError as error:
        pass_on(error)
        return False
    return state.rpartition(")")[2].split()[:1] in (["T"], ["t"])
