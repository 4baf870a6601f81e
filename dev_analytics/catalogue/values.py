"""The kinds of value a property may have: number, boolean, version, word, place in our source.

Each kind turns what is given into what may leave, or refuses it. There is no kind for free text.
"""

from __future__ import annotations

import re
from typing import Final, Protocol

from msgspec import Struct

from dev_analytics.catalogue.source import places
from dev_analytics.catalogue.vocabulary import OTHER, Vocabulary

LARGEST: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""

LONGEST: Final = 10**12
"""The longest duration, in its unit."""

MOST_FRAMES: Final = 8
_VERSION: Final = re.compile(r"\d{1,4}(?:\.\d{1,4}){0,3}", re.ASCII)


class RefusedValueError(ValueError):
    """A property was given a value of a kind that it cannot have."""


class Kind(Protocol):
    """What a property declares beside its type.

    Attributes
    ----------
    meaning
        What the property says, for the documents.
    since
        The notice that first names it.
    """

    meaning: str
    since: int

    def accept(self, value: object) -> object:
        """Give what may leave for `value`.

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
        """Give the first vocabulary's member that equals `value`."""
        for vocabulary in self.vocabularies:
            if (member := vocabulary.find(value)) is not None:
                return member
        return OTHER


class Flag(Struct, frozen=True):
    """Yes or no."""

    meaning: str
    since: int = 1

    def accept(self, value: object) -> object:
        """Give `value`, if it is a boolean."""
        if type(value) is not bool:
            raise RefusedValueError(f"not a boolean but {_kind(value)}")
        return value


class Count(Struct, frozen=True):
    """A whole number from 0 to `most`, as it is."""

    meaning: str
    unit: str
    since: int = 1
    most: int = LARGEST

    def accept(self, value: object) -> object:
        """Give `value`, if it is a whole number from 0 to `most`."""
        if type(value) is not int:
            raise RefusedValueError(f"not a whole number but {_kind(value)}")
        if not 0 <= value <= self.most:
            raise RefusedValueError(f"not from 0 to {self.most}")
        return value


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
        """Give `value` rounded, if it is a number from 0 to `LONGEST`."""
        if type(value) is not float and type(value) is not int:
            raise RefusedValueError(f"not a number but {_kind(value)}")
        if not 0 <= value <= LONGEST:
            raise RefusedValueError(f"not from 0 to {LONGEST}")
        if self.decimals:
            return round(float(f"{value:.2g}"), self.decimals)
        # Not by way of text, which takes up to twice as long.
        step = 1
        while value >= 100 * step:
            step *= 10
        return round(value / step) * step


class Version(Struct, frozen=True):
    """A release number, of which only the leading numbers are kept.

    A build's local part (``+acme.17``) is somebody's own text, and is cut off.
    """

    meaning: str
    since: int = 1

    def accept(self, value: object) -> object:
        """Give up to four leading numbers of `value`, or ``"other"``."""
        found = _VERSION.match(value) if type(value) is str else None
        return ".".join(str(int(part)) for part in found[0].split(".")) if found else OTHER


class Frames(Struct, frozen=True):
    """Places ``module:function:line`` in the source of packages registered as open.

    A place is rebuilt from the shipped source: a module and a function that it does not hold, or a
    line outside that function, are left out, whoever claims them.
    """

    meaning: str
    since: int = 1

    def accept(self, value: object) -> object:
        """Give the places of `value` that exist, innermost last, `MOST_FRAMES` at most."""
        if type(value) is not list and type(value) is not tuple:
            raise RefusedValueError(f"not a list of places but {_kind(value)}")
        return list(places(value))[-MOST_FRAMES:]


def _kind(value: object) -> str:
    """Name the type of `value` for a developer, without touching the value."""
    return type.__dict__["__name__"].__get__(type(value))  # type: ignore[no-any-return]
