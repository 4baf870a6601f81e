"""Values that a caller may pass: private ones, and ones that raise, lie or are huge."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from dev_analytics.testing.marks import DISGUISES, Marks

_METHODS = (
    *("__str__", "__repr__", "__format__", "__eq__", "__hash__", "__bool__", "__len__", "__iter__"),
    *("__int__", "__float__", "__index__", "__round__", "__lt__", "__le__", "__gt__", "__ge__"),
    *("__contains__", "__getitem__", "__fspath__", "__bytes__", "__reduce_ex__", "__getattr__"),
)


def values(marks: Marks, word: str) -> Iterator[tuple[str, object]]:
    """Return hostile values, each with the place that its mark represents.

    Some pretend to be `word`, which the property knows.
    """
    for name, disguise in DISGUISES.items():
        place = f"a text, {name}"
        yield place, disguise(marks(place))
    for before, after in (
        (f"{word} ", ""),
        ("", f" {word}"),
        (word, ""),
        ("1.2.3+", ""),
        ("1.", ""),
    ):
        place = f"a text beside {before or after!r}"
        yield place, f"{before}{marks(place)}{after}"
    for name, base, value in (
        ("a subclass of str", str, word),
        ("a subclass of int", int, 7),
        ("a subclass of float", float, 1.5),
    ):
        yield f"{name} that raises", _hostile(base, marks(f"{name} that raises"), _raise)(value)
        yield f"{name} that lies", _hostile(base, marks(f"{name} that lies"), _lie)(value)
    for name, act in (("raises", _raise), ("lies", _lie)):
        yield f"an object that {name}", _hostile(object, marks(f"an object that {name}"), act)()
    place = "the class of an object"
    yield place, type(marks(place), (), {marks(place): marks(place)})()
    place = "an exception"
    yield place, ValueError(marks(place))
    for name, wrap in _WRAPS.items():
        place = f"in a {name}"
        yield place, wrap(marks(place))
    yield from _numbers(marks)


def _numbers(marks: Marks) -> Iterator[tuple[str, object]]:
    place = "a number that spells it"
    yield place, int.from_bytes(marks(place).encode())
    for number in (10**400, -1, 2**63, math.nan, math.inf, -math.inf, 1e308, -0.0, 1j, True, None):
        yield "a number", number


_WRAPS: dict[str, Callable[[str], object]] = {
    "list": lambda mark: [mark],
    "tuple": lambda mark: (mark, mark, 1),
    "dict": lambda mark: {mark: mark},
    "set": lambda mark: {mark},
    "bytes": str.encode,
    "bytearray": lambda mark: bytearray(mark.encode()),
    "long text": lambda mark: mark * 10_000,
    "broken text": lambda mark: f"{mark}\ud800\x00\x1b[2J\n",
}


def _raise(mark: str) -> object:
    raise RuntimeError(mark)


def _lie(mark: str) -> object:
    return mark


def _hostile(base: type, mark: str, act: Callable[[str], object]) -> Any:
    def method(this: object, *given: object) -> object:
        return act(mark)

    return type(mark, (base,), {**dict.fromkeys(_METHODS, method), "mark": mark})
