"""The programs above this process, by the names that programs are started with.

A name is compared with a closed list and goes no further. Only Linux tells without another library.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from dev_analytics.process.native import open_file

MAX_ANCESTORS: Final = 12
"""How far up is looked."""

_PROC: Final = Path("/proc")
_BYTES: Final = 4096
"""How much of a command line is read: the name of the program is at its beginning."""

_TAKE_ONE: Final = ("-W", "-X", "--check-hash-based-pycs")
"""Options of Python's that are followed by their value."""


def programs() -> Iterator[str]:
    """Return the name of this process's program and of those above it, the nearest first.

    That is a program's file, and for Python the script or the module that it runs; empty if it
    cannot be told.
    """
    if sys.platform != "linux":
        return
    pid = os.getpid()
    for _ in range(MAX_ANCESTORS):
        if pid <= 1:
            return
        try:
            with open_file(_PROC / str(pid) / "cmdline", "rb") as file:
                line = file.read(_BYTES)
            # The name in parentheses may hold anything.
            status = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
            pid = int(status[1])
        except (OSError, ValueError, IndexError):
            return
        yield program(line.decode(errors="replace").split("\0"))


def program(arguments: Sequence[str]) -> str:
    """Return the name of the program that a command line runs; empty if it names none."""
    first, *rest = arguments
    name = first.rpartition("/")[2]
    if not name.startswith(("python", "pypy")):
        return name
    words = iter(rest)
    for word in words:
        if word == "-m":
            return next(words, "")
        if word in _TAKE_ONE:
            next(words, None)
        elif word == "-c":
            return ""
        elif not word.startswith("-"):
            return word.rpartition("/")[2]
    return ""
