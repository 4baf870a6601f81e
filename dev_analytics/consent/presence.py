"""Whether somebody can answer, and how: at a terminal, or behind a kernel's request."""

from __future__ import annotations

import os
import sys
from enum import Enum
from typing import Any, Final

_KERNEL_VARIABLE: Final = "JPY_PARENT_PID"
"""What a kernel is started with, and what the processes that its cells start inherit."""


class Presence(Enum):
    """Who can answer, and how they can be asked.

    ``NOTEBOOK`` is a front end with cells, which can show a dialog; ``CONSOLE`` one that takes
    input from a kernel's user but has no cells to show one in.
    """

    NOBODY = "nobody"
    TERMINAL = "terminal"
    CONSOLE = "console"
    NOTEBOOK = "notebook"


def presence(shell: Any) -> Presence:
    """Tell who is at `shell` now.

    A kernel's user is there if the request that runs takes input; ``nbconvert``, papermill and
    other batch runs say that theirs does not. A terminal's is there if both ends are ttys and the
    shell is interactive, which ``ipython -c`` and a script are not.
    """
    if hasattr(shell, "kernel"):
        running = request(shell)
        if _part(running, "content").get("allow_stdin") is not True:
            return Presence.NOBODY
        return Presence.NOTEBOOK if cell_id(running) else Presence.CONSOLE
    interactive = getattr(shell.parent, "interact", False) or getattr(
        shell, "embedded_active", False
    )
    if interactive and not of_a_cell() and _is_tty(sys.stdin) and _is_tty(sys.stdout):
        return Presence.TERMINAL
    return Presence.NOBODY


def of_a_cell() -> bool:
    """Return whether a cell started this process, as ``!`` does.

    Its terminal is made for it and nobody types there, and a notebook keeps what it prints.
    """
    return _KERNEL_VARIABLE in os.environ


def request(shell: Any) -> Any:
    """Give the message that a kernel's `shell` handles now; empty if there is none."""
    return shell.get_parent() if hasattr(shell, "get_parent") else shell.parent_header


def cell_id(request: Any) -> str:
    """Give the front end's name of the cell that `request` runs; empty if it names none.

    It may hold a path, so it is looked at and never kept.
    """
    cell = _part(request, "metadata").get("cellId")
    return cell if type(cell) is str else ""


def _part(request: Any, name: str) -> dict[str, Any]:
    part = request.get(name) if isinstance(request, dict) else None
    return part if isinstance(part, dict) else {}


def _is_tty(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except Exception:
        return False
