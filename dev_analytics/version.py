"""The versions of the package and of its catalogue."""

from typing import Final

__version__ = "1.0.0"

RELEASES: Final = frozenset({"1.0.0"})
"""Every version that was released, this one too: a record names one of them, and no other text."""

NOTICE: Final = 1
"""The catalogue's version: the notice that a yes is given to."""
