"""Forgetting: what one identifier sent is counted, deleted, and counted again until it is gone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Final, Protocol

from msgspec import Struct

from dev_analytics.maintainer.http import RequestError

IDENTIFIER: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ForgetError(Exception):
    """It cannot be done; the message says why, in one line."""


class Count(Struct, frozen=True):
    """How many records there are of an identifier.

    Attributes
    ----------
    records
        Different ones, by uuid.
    stored
        Rows: a record may be stored more than once.
    """

    records: int
    stored: int

    def __str__(self) -> str:
        twice = f", stored in {self.stored:,} rows" if self.stored != self.records else ""
        return f"{self.records:,} record{'' if self.records == 1 else 's'}{twice}"


class Place(Protocol):
    """Where records may be."""

    def __str__(self) -> str:
        """Return its name, for a person."""

    def count(self, user: str) -> Count:
        """Count the records of an identifier."""

    def delete(self, user: str) -> str:
        """Delete them, and say when they will be gone if that is not at once."""

    def is_done(self, user: str) -> bool:
        """Return whether a deletion that was asked for is over."""


def identifier(said: str) -> str:
    """Return the identifier that somebody wrote.

    Raises
    ------
    ValueError
        It is none.
    """
    user = said.strip().lower()
    if not IDENTIFIER.fullmatch(user):
        raise ValueError("an identifier has 32 hexadecimal digits: 8-4-4-4-12")
    return user


def forget(
    place: Place,
    user: str,
    *,
    seconds: float,
    pause: float = 5.0,
    tell: Callable[[str], None] = lambda text: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Count:
    """Delete what an identifier sent, and give what is left of it.

    Parameters
    ----------
    place
        Where.
    user
        The identifier.
    seconds, pause
        How long to wait for the end, and how long between two looks.
    tell
        Is told what goes on, a line at a time.
    clock, sleep
        Time, and how to let it pass.

    Raises
    ------
    ForgetError
        It is refused.
    """
    try:
        left = place.count(user)
        # What was asked for before and is not over yet is not asked for again.
        if left.stored and place.is_done(user):
            when = place.delete(user)
            tell(f"{place}: the deletion is asked for{f'; {when}' if when else ''}.")
        until = clock() + seconds
        while (left := place.count(user)).stored and clock() < until:
            sleep(pause)
            if place.is_done(user):
                left = place.count(user)
                break
        return left
    except RequestError as error:
        raise ForgetError(str(error)) from None
