"""The kinds of number that another tool may declare, which are narrower than the core's own.

Each knows how many different values it can have, so that the information of an event is known when
it is declared.
"""

from __future__ import annotations

import re
from typing import Final

from dev_analytics.catalogue import values
from dev_analytics.catalogue.kind import Kind
from dev_analytics.catalogue.values import RefusedValueError
from dev_analytics.catalogue.vocabulary import OTHER
from dev_analytics.consent.scope import COUNT_DIGITS, MAX_SECONDS

_NUMBERS: Final = re.compile(r"\d{1,4}(?:\.\d{1,4}){0,2}(?!\d)", re.ASCII)


class Count(values.Count):
    """A whole number from 0 to `most`, rounded to three significant digits."""

    def accept(self, value: object) -> object:
        """Return `value` rounded, if it is a whole number from 0 to `most`."""
        near = super().accept(value)
        assert isinstance(near, int)
        return near if near <= self.most else _cut(self.most)


class Duration(values.Duration):
    """A time span of at most eleven days, rounded to two significant digits."""

    def accept(self, value: object) -> object:
        """Return `value` rounded, if it is a number from 0 to `longest`."""
        shortened = super().accept(value)
        assert isinstance(shortened, int | float)
        if shortened > self.longest:
            raise RefusedValueError(f"not from 0 to {self.longest}")
        return shortened

    @property
    def longest(self) -> int:
        """The longest duration, in its unit."""
        return MAX_SECONDS * (1000 if self.unit == "ms" else 1)

    @property
    def size(self) -> int:
        """How many different values it can have."""
        return len(values.durations(self.decimals, self.longest))


class Version(values.Version):
    """The version of an installed `distribution`, read from its metadata and never given.

    At most its three leading numbers are kept.
    """

    def accept(self, value: object) -> object:
        """Return up to three leading numbers of `value`, or ``"other"``."""
        found = _NUMBERS.match(value) if type(value) is str else None
        return ".".join(str(int(part)) for part in found[0].split(".")) if found else OTHER


def held_type(kind: Kind) -> type:
    """Return the type of the values that a kind gives."""
    if isinstance(kind, Duration):
        return float if kind.decimals else int
    return bool if isinstance(kind, values.Flag) else int if isinstance(kind, Count) else str


def _cut(value: int) -> int:
    step = 1
    while value >= 10**COUNT_DIGITS * step:
        step *= 10
    return value // step * step
