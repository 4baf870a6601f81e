"""The ancestors of this process, by the names of the programs that they run.

Names, and the variables that a program was started with, are only compared with closed lists.
Without another library, only Linux reports them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Final

from dev_analytics.process.handlers import pass_on
from dev_analytics.process.native import KERNEL_VARIABLE, environ_of, open_file

MAX_ANCESTORS: Final = 12
"""How many ancestors are looked at."""

_KERNELS: Final = frozenset(
    {"ipykernel_launcher", "ipykernel", "spyder_kernels.console", "colab_kernel_launcher"}
    | {"xpython", "xpython-raw"}
)
_CONSOLES: Final = ("jupyter-console", "jupyter_console", "jupyter-run")
_ONLY_LOOK: Final = os.O_RDONLY | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_NONBLOCK", 0)
_BYTES: Final = 4096
"""How much of a file is read; the name of the program is at the beginning of a command line."""

_TAKE_ONE: Final = ("-W", "-X", "--check-hash-based-pycs")
"""Python's options that are followed by a value."""


def programs() -> Iterator[str]:
    """Return the programs of this process and its ancestors by name, the nearest first.

    A name is that of the program's file, or for Python that of the script or module that it runs;
    empty if it is unknown.
    """
    return (name for _, name in _processes())


@cache
def belongs_to_kernel() -> bool:
    """Return whether this process is a kernel, or was started by a cell of one.

    That follows from its ancestors and from the variables that they were started with, which no
    cell can change.
    """
    sign = f"\0{KERNEL_VARIABLE}=".encode()
    return any(name in _KERNELS or sign in b"\0" + environ_of(pid) for pid, name in _processes())


def is_fed() -> bool:
    """Return whether this process was started by a terminal front end that reads from no person.

    What it passes on as typed comes from a pipe or a file, or from a terminal that no window shows.
    """
    above = list(islice(_processes(), 1, 2))
    if not above or above[0][1] not in _CONSOLES:
        return False
    try:
        descriptor = os.open(f"/proc/{above[0][0]}/fd/0", _ONLY_LOOK)
        try:
            return not min(os.get_terminal_size(descriptor))
        finally:
            os.close(descriptor)
    except OSError as error:
        pass_on(error)
        return True


def _processes() -> Iterator[tuple[int, str]]:
    """Return the numbers and programs of this process and its ancestors, the nearest first."""
    if sys.platform != "linux":
        return
    pid = os.getpid()
    for _ in range(MAX_ANCESTORS):
        if pid <= 1:
            return
        try:
            line = _read(pid, "cmdline")
            # The name in parentheses may contain anything.
            above = int(_read(pid, "stat").rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError) as error:
            pass_on(error)
            return
        yield pid, program(line.decode(errors="replace").split("\0"))
        pid = above


def _read(pid: int, name: str) -> bytes:
    """Return the beginning of a file that the system has about a process."""
    # Neither a path object nor a buffer: they take longer than the reading.
    with open_file(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
        return file.read(_BYTES)


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
