"""The versions of the package and of its catalogue."""

from typing import Final

__version__ = "1.0.0"

NOTICE: Final = 1
"""The catalogue's version: the notice that a yes is given to."""
