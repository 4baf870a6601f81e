"""The process that we are in and its system, and which systems are not supported.

There analytics are off, nothing is stored and nobody is asked.
"""

from __future__ import annotations

import sys
from typing import Final

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
