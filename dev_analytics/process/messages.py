"""What our commands say, on whatever output there is: a name of a file may be no text at all."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO


def plain(path: Path | str) -> str:
    """Return the name of a file as text that can be written; what is not UTF-8 in it is replaced.

    Old names are in Latin-1, and Python keeps their bytes as halves of characters.
    """
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def from_home(path: Path) -> str:
    """Return the name of a file as `plain` does, from ``~`` on if it lies in the user's home."""
    try:
        return plain(f"~/{path.relative_to(Path.home())}")
    except (ValueError, RuntimeError):
        return plain(path)


def say(text: str, stream: TextIO | None = None) -> None:
    """Write a line to `stream`, or to standard output; what its encoding lacks is replaced.

    Raises
    ------
    OSError
        It takes nothing.
    """
    out = sys.stdout if stream is None else stream
    encoding = getattr(out, "encoding", None)
    try:
        text = text.encode(encoding, "replace").decode(encoding)  # type: ignore[arg-type]
    except (LookupError, TypeError, ValueError):
        # One that somebody put there may have none.
        text = text.encode("utf-8", "replace").decode()
    print(text, file=out)
