"""The kinds of value a property may have: number, boolean, version, word, place in our source.

Each kind turns what is given into what may leave, or refuses it. There is no kind for free text.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from itertools import compress
from operator import methodcaller
from typing import Final, Protocol

from msgspec import Struct

from dev_analytics.catalogue.source import count_places, places
from dev_analytics.catalogue.vocabulary import OTHER, Vocabulary
from dev_analytics.process.native import open_file

LARGEST: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""

LONGEST: Final = 10**12
"""The longest duration, in its unit."""

MAX_TOKENS: Final = 10**7
"""More than any model reads or writes in one request."""

COUNT_DIGITS: Final = 3
"""Significant digits of a count: an exact one would stand in a provider's log, too."""

MAX_DIGITS: Final = 4
"""A longer number in a version is a date or a hash."""

MOST_FRAMES: Final = 8


class RefusedValueError(ValueError):
    """A property was given a value of a kind that it cannot have."""


class Kind(Protocol):
    """What a property declares beside its type."""

    @property
    def meaning(self) -> str:
        """What the property says, for the documents."""

    @property
    def since(self) -> int:
        """The notice that first names it."""

    @property
    def size(self) -> int:
        """How many different values it can have."""

    def accept(self, value: object) -> object:
        """Return what may leave for `value`.

        Raises
        ------
        RefusedValueError
            `value` is of another kind.
        """


class Word(Struct, frozen=True):
    """A member of a closed vocabulary; what is no member becomes ``"other"``.

    Parameters
    ----------
    meaning
        What the property says, for the documents.
    *vocabularies
        Where it is looked up, in this order.
    """

    meaning: str
    vocabularies: tuple[Vocabulary, ...]
    since: int = 1

    def accept(self, value: object) -> object:
        """Return the first vocabulary's member that equals `value`."""
        for vocabulary in self.vocabularies:
            if (member := vocabulary.find(value)) is not None:
                return member
        return OTHER

    @property
    def size(self) -> int:
        """How many words there are."""
        return len(frozenset().union(*(each.members for each in self.vocabularies)))


class Flag(Struct, frozen=True):
    """Yes or no."""

    meaning: str
    since: int = 1

    def accept(self, value: object) -> object:
        """Return `value`, if it is a boolean."""
        if type(value) is not bool:
            raise RefusedValueError(f"not a boolean but {_kind(value)}")
        return value

    @property
    def size(self) -> int:
        """Two."""
        return 2


class Count(Struct, frozen=True):
    """A whole number from 0 to `most`, rounded to three significant digits.

    Parameters
    ----------
    capped
        A larger number counts as `most`; otherwise it is refused.
    """

    meaning: str
    unit: str
    since: int = 1
    most: int = LARGEST
    capped: bool = False

    def accept(self, value: object) -> object:
        """Return `value` rounded, if it is a whole number from 0, and not too large."""
        if type(value) is not int:
            raise RefusedValueError(f"not a whole number but {_kind(value)}")
        if value < 0 or (value > self.most and not self.capped):
            raise RefusedValueError(f"not from 0 to {self.most}")
        return rounded(min(value, self.most))

    @property
    def size(self) -> int:
        """How many whole numbers up to `most` have three significant digits."""
        number, step = min(self.most, 10**COUNT_DIGITS - 1) + 1, 10
        while 10 ** (COUNT_DIGITS - 1) * step <= self.most:
            number += min(self.most // step, 10**COUNT_DIGITS - 1) - 10 ** (COUNT_DIGITS - 1) + 1
            step *= 10
        return number


class Duration(Struct, frozen=True):
    """A time span, rounded to two significant digits so that it is no fingerprint.

    Parameters
    ----------
    unit
        ``"ms"`` or ``"s"``.
    decimals
        How many digits behind the point are kept at most; without any it is a whole number.
    """

    meaning: str
    unit: str
    since: int = 1
    decimals: int = 0

    def accept(self, value: object) -> object:
        """Return `value` rounded, if it is a number from 0 to `LONGEST`."""
        if type(value) is not float and type(value) is not int:
            raise RefusedValueError(f"not a number but {_kind(value)}")
        if not 0 <= value <= LONGEST:
            raise RefusedValueError(f"not from 0 to {LONGEST}")
        if self.decimals:
            # Minus zero is a second zero.
            return abs(round(float(f"{value:.2g}"), self.decimals))
        # Not by way of text, which takes up to twice as long.
        step = 1
        while value >= 100 * step:
            step *= 10
        return round(value / step) * step

    @property
    def size(self) -> int:
        """How many there are up to `LONGEST`."""
        return len(durations(self.decimals))


class Version(Struct, frozen=True):
    """A release number as an installed distribution says it, three numbers at most.

    It is read here. A text that somebody passes in is compared with it, and never passed on: any
    other one becomes ``"other"``.

    Parameters
    ----------
    distribution
        The name of the distribution; empty for Python itself.
    """

    meaning: str
    since: int = 1
    distribution: str = ""

    def accept(self, value: object) -> object:
        """Return the version that is installed if `value` equals it, or ``"other"``."""
        return self.read() if type(value) is str and value == self.read() else OTHER

    def read(self) -> str:
        """Return the version that is installed; ``"other"`` where nothing says so."""
        return installed_version(self.distribution)

    @property
    def size(self) -> int:
        """How many there can be, of up to three numbers of four digits."""
        return 10_000 + 10_000**2 + 10_000**3 + 1


class Frames(Struct, frozen=True):
    """Places ``module:function:line`` in the source of packages registered as open.

    A place is rebuilt from the shipped source: a module and a function that it does not hold, or a
    line outside that function, are left out, whoever claims them.
    """

    meaning: str
    since: int = 1

    def accept(self, value: object) -> object:
        """Return the places of `value` that exist, innermost last, `MOST_FRAMES` at most."""
        if type(value) is not list and type(value) is not tuple:
            raise RefusedValueError(f"not a list of places but {_kind(value)}")
        return list(places(value))[-MOST_FRAMES:]

    @property
    def size(self) -> int:
        """How many lists of places there can be."""
        return sum(int(count_places() ** number) for number in range(MOST_FRAMES + 1))


def rounded(number: int) -> int:
    """Return a whole number with three significant digits; sums of many stay right."""
    step = 1
    while number >= 10**COUNT_DIGITS * step:
        step *= 10
    # Halves go to the even neighbour, so that they do not add up.
    return number if step == 1 else round(number / step) * step


@cache
def durations(decimals: int, longest: int = LONGEST) -> frozenset[float]:
    """Return every duration up to `longest` with two significant digits and so many decimals."""
    exponents = range(-decimals - 2, len(str(longest)))
    numbers = {
        round(float(f"{digits}e{exponent}"), decimals)
        for digits in range(100)
        for exponent in exponents
    }
    return frozenset(number for number in numbers if number <= longest)


@cache
def installed_version(distribution: str) -> str:
    """Return up to three leading numbers of what a distribution, or Python, says of itself."""
    if not distribution:
        return ".".join(map(str, sys.version_info[:3]))
    try:
        said = _header_version(distribution) or _version_of_metadata(distribution)
    except Exception:
        # Its metadata is missing, or broken in a way of its own.
        return OTHER
    return _leading_numbers(said) or OTHER


def _leading_numbers(version: str) -> str:
    """Return up to three numbers, of four digits at most, that a version begins with.

    Compiling a pattern takes longer than the versions of all that is recorded.
    """
    numbers: list[str] = []
    for part in version.split(".")[:3]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not 0 < len(digits) <= MAX_DIGITS:
            break
        numbers.append(str(int(digits)))
        if digits != part:
            break
    return ".".join(numbers)


def _header_version(distribution: str) -> str:
    """Return the version in the header of the installed metadata; empty if it is not found.

    ``importlib.metadata`` imports ``email``, which takes longer than loading the extension.
    """
    parts = distribution.lower().replace("-", "_").replace(".", "_").split("_")
    begin = "_".join(part for part in parts if part) + "-"
    for folder in sys.path:
        try:
            entries = os.listdir(folder or os.curdir)  # noqa: PTH208, quicker than objects
            # A loop over hundreds of names takes longer, and so does compiling a pattern.
            if begin not in "/".join(entries).lower():
                continue
            begins = map(methodcaller("startswith", begin), map(str.lower, entries))
            for entry in compress(entries, begins):
                if not entry.endswith(".dist-info"):
                    continue
                file = os.path.join(folder, entry, "METADATA")  # noqa: PTH118
                with open_file(file, encoding="utf-8") as metadata:
                    for line in metadata:
                        if line.lower().startswith("version:"):
                            return line[len("version:") :].strip()
                        if not line.strip():
                            break
        except (OSError, ValueError):
            continue
    return ""


def _version_of_metadata(distribution: str) -> str:
    from importlib.metadata import version

    return version(distribution)


def _kind(value: object) -> str:
    """Name the type of `value` for a developer, without touching the value."""
    return type.__dict__["__name__"].__get__(type(value))  # type: ignore[no-any-return]
