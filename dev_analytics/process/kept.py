"""Objects that a process keeps however often our modules are loaded.

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
