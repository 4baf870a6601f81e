"""Deletes the records of one identifier, and checks until none is left."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct

from dev_analytics.maintainer.http import RequestError
from dev_analytics.process.messages import printable

IDENTIFIER: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ForgetError(Exception):
    """The records cannot be deleted; the message says why in one line."""


class Count(Struct, frozen=True):
    """How many records an identifier has: distinct ones, by uuid, and rows.

    A record may be stored more than once.
    """

    records: int
    stored: int

    @classmethod
    def answered(cls, rows: Sequence[Sequence[Any]], by: Place) -> Count:
        """Return the counts in a place's answer, which is one row with both numbers.

        Raises
        ------
        ForgetError
            The answer is anything else.
        """
        try:
            ((records, stored),) = rows
            return cls(int(records), int(stored))
        except (ValueError, TypeError):
            answer = printable(str(rows))[:80]
            raise ForgetError(f"{by} does not answer with two numbers: {answer}") from None

    def __str__(self) -> str:
        twice = f", stored in {self.stored:,} rows" if self.stored != self.records else ""
        return f"{self.records:,} record{'' if self.records == 1 else 's'}{twice}"


class Place(Protocol):
    """A place where records are stored."""

    def __str__(self) -> str:
        """Return its name for messages."""

    def count(self, user: str) -> Count:
        """Count the records of an identifier."""

    def delete(self, user: str) -> str:
        """Delete them, and return a sentence on when they will be gone if that takes time."""

    def is_done(self, user: str) -> bool:
        """Return whether a requested deletion is complete."""


def identifier(text: str) -> str:
    """Return an identifier as a person typed it, in its standard form.

    Raises
    ------
    ValueError
        It is not an identifier.
    """
    user = text.strip().lower()
    if not IDENTIFIER.fullmatch(user):
        raise ValueError("an identifier has 32 hexadecimal digits: 8-4-4-4-12")
    return user


def forget(
    place: Place,
    user: str,
    *,
    seconds: float,
    pause: float = 5.0,
    say: Callable[[str], None] = lambda text: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Count:
    """Delete what an identifier sent, and return how many records are left.

    Parameters
    ----------
    place, user
        Where the records are, and the identifier.
    seconds, pause
        How long to wait until they are gone, and between two checks.
    say
        Called with each line about the progress.
    clock, sleep
        Return the time, and wait.

    Raises
    ------
    ForgetError
        The place cannot be reached, or refuses.
    """
    try:
        left = place.count(user)
        # A deletion that is still pending is not requested again.
        if left.stored and place.is_done(user):
            when = place.delete(user)
            say(f"{place}: deletion requested{f'; {when}' if when else ''}.")
        until = clock() + seconds
        while (left := place.count(user)).stored and clock() < until:
            sleep(pause)
            if place.is_done(user):
                left = place.count(user)
                break
        return left
    except RequestError as error:
        raise ForgetError(str(error)) from None
