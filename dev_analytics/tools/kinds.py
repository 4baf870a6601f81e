"""The kinds of number that another tool may declare: narrower than the core's own.

Each says how many different values it can have, so that what an event can say is known when it is
declared.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from dev_analytics.catalogue import values
from dev_analytics.catalogue.values import RefusedValueError
from dev_analytics.catalogue.vocabulary import OTHER
from dev_analytics.consent.scope import COUNT_DIGITS, LONGEST_SECONDS, rounded

_NUMBERS: Final = re.compile(r"\d{1,4}(?:\.\d{1,4}){0,2}(?!\d)", re.ASCII)


class Count(values.Count, frozen=True):
    """A whole number from 0 to `most`, rounded to three significant digits."""

    def accept(self, value: object) -> object:
        """Return `value` rounded, if it is a whole number from 0 to `most`."""
        super().accept(value)
        assert type(value) is int
        near = rounded(value, COUNT_DIGITS)
        return near if near <= self.most else _cut(value)

    @property
    def size(self) -> int:
        """How many different values it can have."""
        return _counts_up_to(self.most)


class Duration(values.Duration, frozen=True):
    """A time span of eleven days at most, rounded to two significant digits."""

    def accept(self, value: object) -> object:
        """Return `value` rounded, if it is a number from 0 to `longest`."""
        shortened = super().accept(value)
        assert isinstance(shortened, int | float)
        if shortened > self.longest:
            raise RefusedValueError(f"not from 0 to {self.longest}")
        # Minus zero is a second zero.
        return abs(shortened)

    @property
    def longest(self) -> int:
        """The longest one, in its unit."""
        return LONGEST_SECONDS * (1000 if self.unit == "ms" else 1)

    @property
    def size(self) -> int:
        """How many different values it can have."""
        return _durations_up_to(self.longest, self.decimals)


class Version(values.Version, frozen=True, kw_only=True):
    """The version of an installed distribution, read from its metadata and never handed over.

    Parameters
    ----------
    meaning
        What the property says, for the documents.
    distribution
        The name of the distribution. At most three leading numbers of its version are kept.
    """

    distribution: str = ""

    def accept(self, value: object) -> object:
        """Return up to three leading numbers of `value`, or ``"other"``."""
        found = _NUMBERS.match(value) if type(value) is str else None
        return ".".join(str(int(part)) for part in found[0].split(".")) if found else OTHER

    def read(self) -> object:
        """Return what the installed distribution says; ``"other"`` if there is none."""
        from importlib.metadata import version

        try:
            return self.accept(version(self.distribution))
        except Exception:
            # Its metadata is missing, or broken in a way of its own.
            return OTHER

    @property
    def size(self) -> int:
        """How many different values it can have."""
        return 10_000 + 10_000**2 + 10_000**3 + 1


def _cut(value: int) -> int:
    step = 1
    while value >= 10**COUNT_DIGITS * step:
        step *= 10
    return value // step * step


@cache
def _counts_up_to(most: int) -> int:
    """Count the whole numbers up to `most` with three significant digits."""
    number, step = min(most, 999) + 1, 10
    while 100 * step <= most:
        number += min(most // step, 999) - 99
        step *= 10
    return number


@cache
def _durations_up_to(longest: int, decimals: int) -> int:
    """Count the numbers up to `longest` with two significant digits and so many decimals."""
    exponents = range(-decimals - 2, len(str(longest)))
    numbers = {
        round(float(f"{digits}e{exponent}"), decimals)
        for digits in range(100)
        for exponent in exponents
    }
    return sum(number <= longest for number in numbers)
