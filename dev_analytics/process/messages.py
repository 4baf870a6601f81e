"""Messages that can be written to any output, even if they contain file names that are no text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO


def plain(path: Path | str) -> str:
    """Return a file's name as text that can be written; what is not UTF-8 is replaced.

    Old names may be in Latin-1, and Python keeps their bytes as lone surrogates.
    """
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def printable(text: str) -> str:
    """Return `text` without what moves the cursor, changes the direction or cannot be encoded."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def from_home(path: Path) -> str:
    """Return a file's name as `plain` does, beginning with ``~`` if it is in the user's home."""
    try:
        return plain(f"~/{path.relative_to(Path.home())}")
    except (ValueError, RuntimeError):
        return plain(path)


def say(text: str, stream: TextIO | None = None) -> None:
    """Write a line to `stream` or to standard output; what its encoding lacks is replaced.

    Raises
    ------
    OSError
        It cannot be written to.
    """
    out = sys.stdout if stream is None else stream
    encoding = getattr(out, "encoding", None)
    try:
        text = text.encode(encoding, "replace").decode(encoding)  # type: ignore[arg-type]
    except (LookupError, TypeError, ValueError):
        # A stream that the user's code put there may have none.
        text = text.encode("utf-8", "replace").decode()
    print(text, file=out)
