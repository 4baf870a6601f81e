"""What a process keeps of ours however often its modules are loaded.

``%autoreload``, ``importlib.reload`` and a package that is imported anew give our modules new
globals, while shells, hooks and files go on with the old ones. What must be there once for a
process is therefore kept beside the package, in a module of no file that nobody reloads.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, TypeVar

T = TypeVar("T")

HOME: Final = "_dev_analytics"


def kept(name: str, make: Callable[[], T]) -> T:
    """Return what is kept under `name`; the first call makes it."""
    held = things()
    if name not in held:
        held.setdefault(name, make())
    found: T = held[name]
    return found


def things() -> dict[str, Any]:
    """Return all that is kept, by name."""
    home = sys.modules.get(HOME)
    if type(home) is not ModuleType:
        home = sys.modules[HOME] = ModuleType(HOME, "What dev_analytics keeps in this process.")
    return vars(home)
