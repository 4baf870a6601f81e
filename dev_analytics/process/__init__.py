"""The process that we share with the user: on which systems, and what it keeps.

On a system that is not supported analytics are off, nothing is stored and nobody is asked.

``%autoreload``, ``importlib.reload`` and a new import of the package give our modules new globals,
while shells, hooks and files still use the old ones. So objects that a process must have only once
are kept outside the package, in a module without a file, which is never reloaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, TypeVar

T = TypeVar("T")

HOME: Final = "_dev_analytics"

_WHY: Final = {
    "emscripten": "in a browser nothing is kept, so that a no would not stay a no",
    "wasi": "in WebAssembly nothing is kept, so that a no would not stay a no",
}


class UnservedError(RuntimeError):
    """The system is not supported; the message says why."""


def why_unserved() -> str:
    """Return why this system is not supported, in words; empty if it is."""
    return _WHY.get(sys.platform, "")


def line(why: str) -> str:
    """Return the one line that says so."""
    return f"dev_analytics: analytics are off, and nobody is asked: {why}."


def kept(name: str, make: Callable[[], T]) -> T:
    """Return the object that is kept under `name`; the first call makes it."""
    held = things()
    if name not in held:
        held.setdefault(name, make())
    found: T = held[name]
    return found


def things() -> dict[str, Any]:
    """Return all objects that are kept, by name."""
    home = sys.modules.get(HOME)
    if type(home) is not ModuleType:
        home = sys.modules[HOME] = ModuleType(HOME, "What dev_analytics keeps in this process.")
    return vars(home)
