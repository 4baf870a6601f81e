"""The kinds of value a property may have: number, boolean, version, word, place in our source.

Each kind converts a value to one that may leave, or refuses it. It also describes the possible
values: in words, as a JSON Schema, and by their number. There is no kind for free text.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import ClassVar, Final, NoReturn

from dev_analytics.catalogue.versions import installed_version
from dev_analytics.catalogue.vocabulary import OTHER, Vocabulary

MAX_INTEGER: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""

MAX_DURATION: Final = 10**12
"""The longest duration, in its unit."""

MAX_TOKENS: Final = 10**7
"""More than any model reads or writes in one request."""

COUNT_DIGITS: Final = 3
"""Significant digits of a count: an exact one could be matched with a provider's log."""

MAX_FRAMES: Final = 8

MAX_LISTED: Final = 20
"""The size up to which a vocabulary's words are listed in descriptions."""

EVERYDAY_WORDS: Final = 64
EVERYDAY_COUNT: Final = 100_000
EVERYDAY_SECONDS: Final = 3600
EVERYDAY_RELEASES: Final = 16

_NUMBERS: Final = "[0-9]{1,4}(\\.[0-9]{1,4}){0,2}"


class RefusedValueError(ValueError):
    """A property cannot have the value that it was given."""


_put: Final = object.__setattr__


class _Declared:
    """What every kind of value declares; it cannot be changed.

    A dataclass takes a hundred times longer to create than the plain classes below, and msgspec
    longer to import than all modules that the first event needs. With slots ``%autoreload`` could
    not give an object the newer class.
    """

    meaning: str
    since: int

    def __init__(self, meaning: str, since: int = 1) -> None:
        _put(self, "meaning", meaning)
        _put(self, "since", since)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot be changed")


class Word(_Declared):
    """A member of a closed vocabulary; anything else becomes ``"other"``.

    Parameters
    ----------
    meaning
        What the property means, for the documents.
    vocabularies
        The vocabularies in which a value is looked up, in this order.
    """

    title: ClassVar[str] = "word from a closed list"
    unit: ClassVar[str] = ""
    vocabularies: tuple[Vocabulary, ...]

    def __init__(self, meaning: str, vocabularies: tuple[Vocabulary, ...], since: int = 1) -> None:
        super().__init__(meaning, since)
        _put(self, "vocabularies", vocabularies)

    def accept(self, value: object) -> object:
        """Return the first vocabulary's member that equals `value`."""
        if type(value) is str:
            for vocabulary in self.vocabularies:
                if (member := vocabulary.get(value)) is not None:
                    return member
        return OTHER

    @property
    def size(self) -> int:
        """How many words there are."""
        return len(frozenset().union(*(each.members for each in self.vocabularies)))

    @property
    def everyday_size(self) -> int:
        """How many different values it has in everyday use."""
        return min(self.size, EVERYDAY_WORDS)

    @property
    def allowed(self) -> str:
        """Which values it can have, in words."""
        return f"{', '.join(map(_listed, self.vocabularies))} or {OTHER}"

    @property
    def schema(self) -> Mapping[str, object]:
        """Which values it can have, as a JSON Schema."""
        # The lists are in ``$defs``, each once; the name is quoted as part of a URI.
        lists = [{"$ref": f"#/$defs/{each.name.replace(' ', '%20')}"} for each in self.vocabularies]
        return lists[0] if len(lists) == 1 else {"anyOf": lists}

    @property
    def typical(self) -> object:
        """What may be given for it."""
        return self.vocabularies[0].words[0]


class Flag(_Declared):
    """Yes or no."""

    title: ClassVar[str] = "yes or no"
    unit: ClassVar[str] = ""
    vocabularies: ClassVar[tuple[Vocabulary, ...]] = ()

    def accept(self, value: object) -> object:
        """Return `value`, if it is a boolean."""
        if type(value) is not bool:
            raise RefusedValueError(f"not a boolean but {_kind(value)}")
        return value

    @property
    def size(self) -> int:
        """Two."""
        return 2

    @property
    def everyday_size(self) -> int:
        """Two."""
        return 2

    @property
    def allowed(self) -> str:
        """Which values it can have, in words."""
        return "true or false"

    @property
    def schema(self) -> Mapping[str, object]:
        """Which values it can have, as a JSON Schema."""
        return {"type": "boolean"}

    @property
    def typical(self) -> object:
        """What may be given for it."""
        return True


class Count(_Declared):
    """A whole number from 0 to `most`, rounded to three significant digits.

    Parameters
    ----------
    capped
        Whether a number above `most` counts as `most`; otherwise it is refused.
    """

    title: ClassVar[str] = "whole number, three digits"
    vocabularies: ClassVar[tuple[Vocabulary, ...]] = ()
    unit: str
    most: int
    capped: bool

    def __init__(
        self, meaning: str, unit: str, since: int = 1, most: int = MAX_INTEGER, capped: bool = False
    ) -> None:
        super().__init__(meaning, since)
        _put(self, "unit", unit)
        _put(self, "most", most)
        _put(self, "capped", capped)

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

    @property
    def everyday_size(self) -> int:
        """How many different values it has in everyday use."""
        return Count("", "", most=min(self.most, EVERYDAY_COUNT)).size

    @property
    def allowed(self) -> str:
        """Which values it can have, in words."""
        up_to = f" to {self.most}" if self.most < MAX_INTEGER else ""
        return f"whole number from 0{up_to}, three significant digits"

    @property
    def schema(self) -> Mapping[str, object]:
        """Which values it can have, as a JSON Schema."""
        return {"type": "integer", "minimum": 0, "maximum": self.most}

    @property
    def typical(self) -> object:
        """What may be given for it."""
        return min(12, self.most)


class Duration(_Declared):
    """A time span, rounded to two significant digits so that it is no fingerprint.

    Parameters
    ----------
    unit
        ``"ms"`` or ``"s"``.
    decimals
        The maximum number of decimals; 0 for a whole number.
    """

    title: ClassVar[str] = "time, two digits"
    vocabularies: ClassVar[tuple[Vocabulary, ...]] = ()
    unit: str
    decimals: int

    def __init__(self, meaning: str, unit: str, since: int = 1, decimals: int = 0) -> None:
        super().__init__(meaning, since)
        _put(self, "unit", unit)
        _put(self, "decimals", decimals)

    def accept(self, value: object) -> object:
        """Return `value` rounded, if it is a number from 0 to `MAX_DURATION`."""
        if type(value) is not float and type(value) is not int:
            raise RefusedValueError(f"not a number but {_kind(value)}")
        if not 0 <= value <= MAX_DURATION:
            raise RefusedValueError(f"not from 0 to {MAX_DURATION}")
        if self.decimals:
            # Otherwise minus zero would be a second zero.
            return abs(round(float(f"{value:.2g}"), self.decimals))
        # Formatting it as text takes up to twice as long.
        step = 1
        while value >= 100 * step:
            step *= 10
        return round(value / step) * step

    @property
    def size(self) -> int:
        """How many there are up to `MAX_DURATION`."""
        return len(durations(self.decimals))

    @property
    def everyday_size(self) -> int:
        """How many different values it has in everyday use."""
        longest = EVERYDAY_SECONDS * (1000 if self.unit == "ms" else 1)
        return len(durations(self.decimals, longest))

    @property
    def allowed(self) -> str:
        """Which values it can have, in words."""
        if not self.decimals:
            return "whole number, two significant digits"
        return f"number, two significant digits, at most {self.decimals} decimals"

    @property
    def schema(self) -> Mapping[str, object]:
        """Which values it can have, as a JSON Schema."""
        number = "number" if self.decimals else "integer"
        return {"type": number, "minimum": 0, "maximum": MAX_DURATION}

    @property
    def typical(self) -> object:
        """What may be given for it."""
        return 1.2


class Version(_Declared):
    """The version of an installed distribution, three numbers at most.

    It is read from the distribution. A given value is only compared with it, and never passed on:
    any other becomes ``"other"``.

    Parameters
    ----------
    distribution
        The name of the distribution; empty for Python itself.
    """

    title: ClassVar[str] = "version number"
    unit: ClassVar[str] = ""
    vocabularies: ClassVar[tuple[Vocabulary, ...]] = ()
    distribution: str

    def __init__(self, meaning: str, since: int = 1, distribution: str = "") -> None:
        super().__init__(meaning, since)
        _put(self, "distribution", distribution)

    def accept(self, value: object) -> object:
        """Return the version that is installed if `value` equals it, or ``"other"``."""
        return self.read() if type(value) is str and value == self.read() else OTHER

    def read(self) -> str:
        """Return the installed version; ``"other"`` if it is unknown."""
        return installed_version(self.distribution)

    @property
    def size(self) -> int:
        """How many there can be, of up to three numbers of four digits."""
        return 10_000 + 10_000**2 + 10_000**3 + 1

    @property
    def everyday_size(self) -> int:
        """How many different values it has in everyday use."""
        return EVERYDAY_RELEASES

    @property
    def allowed(self) -> str:
        """Which values it can have, in words."""
        return f"up to three numbers with points between them or {OTHER}"

    @property
    def schema(self) -> Mapping[str, object]:
        """Which values it can have, as a JSON Schema."""
        return {"type": "string", "pattern": f"^({_NUMBERS}|{OTHER})$"}

    @property
    def typical(self) -> object:
        """What may be given for it."""
        return "1.2.3"


class Frames(_Declared):
    """Places ``module:function:line`` in the source of packages registered as open.

    A place is kept only if the shipped source has it: a module, a function in it, and a line of
    that function. The module that reads the source is loaded with the first place.
    """

    title: ClassVar[str] = "places in public source"
    unit: ClassVar[str] = ""
    vocabularies: ClassVar[tuple[Vocabulary, ...]] = ()

    def accept(self, value: object) -> object:
        """Return the places that exist, innermost last, and `MAX_FRAMES` at most."""
        if type(value) is not list and type(value) is not tuple:
            raise RefusedValueError(f"not a list of places but {_kind(value)}")
        from dev_analytics.catalogue.source import places

        return list(places(value))[-MAX_FRAMES:]

    @property
    def size(self) -> int:
        """How many lists of places there can be."""
        from dev_analytics.catalogue.source import count_places

        return sum(int(count_places() ** number) for number in range(MAX_FRAMES + 1))

    @property
    def everyday_size(self) -> int:
        """How many different values it has in everyday use."""
        return EVERYDAY_WORDS

    @property
    def allowed(self) -> str:
        """Which values it can have, in words."""
        return f"list of at most {MAX_FRAMES} places module:function:line"

    @property
    def schema(self) -> Mapping[str, object]:
        """Which values it can have, as a JSON Schema."""
        from dev_analytics.catalogue.source import OPEN

        form = f"^({'|'.join(OPEN)})(\\.[A-Za-z0-9_]+)*:[A-Za-z0-9_.<>]+:[0-9]+$"
        place = {"type": "string", "pattern": form}
        return {"type": "array", "items": place, "maxItems": MAX_FRAMES}

    @property
    def typical(self) -> object:
        """What may be given for it."""
        return []


def rounded(number: int) -> int:
    """Round a whole number to three significant digits, so that sums of many stay right."""
    step = 1
    while number >= 10**COUNT_DIGITS * step:
        step *= 10
    # `round` rounds halves to even, so that rounding errors do not add up.
    return number if step == 1 else round(number / step) * step


@cache
def durations(decimals: int, longest: int = MAX_DURATION) -> frozenset[float]:
    """Return every duration up to `longest` with two significant digits and at most `decimals`."""
    exponents = range(-decimals - 2, len(str(longest)))
    numbers = {
        round(float(f"{digits}e{exponent}"), decimals)
        for digits in range(100)
        for exponent in exponents
    }
    return frozenset(number for number in numbers if number <= longest)


def _listed(vocabulary: Vocabulary) -> str:
    words = vocabulary.words
    if len(words) <= MAX_LISTED:
        return ", ".join(words)
    return f"one of the {len(words)} words of {vocabulary.name}"


def _kind(value: object) -> str:
    """Return the name of the type of `value`, for a developer, without touching the value."""
    return type.__dict__["__name__"].__get__(type(value))  # type: ignore[no-any-return]
