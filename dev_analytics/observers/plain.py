"""Looks up names in dictionaries of the user's, and runs none of the user's code for it.

A key of a class derived from str may be equal to any name, and says so in a method of its own,
which a look-up calls.
"""

from __future__ import annotations

from itertools import islice
from types import FrameType
from typing import Any, Final

MAX_NAMES: Final = 64
"""How many names in the globals of a frame are looked at: Python sets that of the module first."""


def plain(given: dict[Any, Any]) -> dict[Any, Any]:
    """Return a dictionary, or, if it has other keys than plain strings, one without these.

    No method of a class derived from dict is called. A look-up in one must be one of dict.
    """
    for key in dict.keys(given):
        if type(key) is not str:
            return {key: value for key, value in dict.items(given) if type(key) is str}
    return given


def module_of(frame: FrameType) -> str | None:
    """Return the name of the module that a frame's globals are of; None if they name none.

    Code of the user's may run in globals of a class of their own, and name itself anything.
    """
    for key, value in islice(dict.items(frame.f_globals), MAX_NAMES):
        if type(key) is str and key == "__name__":
            return value if type(value) is str else None
    return None
