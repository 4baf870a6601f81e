"""Whether a person can answer, and how: at a terminal, or through a kernel's request."""

from __future__ import annotations

import os
import sys
from typing import Any, Literal, TypeAlias

from dev_analytics.process.ancestors import belongs_to_kernel, is_fed
from dev_analytics.process.handlers import pass_on
from dev_analytics.process.native import BELOW_KERNEL
from dev_analytics.process.request import allows_input, cell_id, is_vscode, request

Presence: TypeAlias = Literal["nobody", "terminal", "console", "notebook"]
"""Who can answer, and how they can be asked.

``"notebook"`` is a front end with cells, which can show a dialog; ``"console"`` is one that takes
input from a kernel's user but cannot show a dialog. VS Code counts as a console. Once a kernel
has made a widget, VS Code runs no further cell until a page has taken the widget, which is for
ever where the extension that renders widgets is missing. And a change below a cell that has
ended removes the cell's number and tick.
"""


def presence(shell: Any) -> Presence:
    """Return who can answer at `shell` now.

    A kernel's user is there if the request that runs allows input. Those of ``nbconvert``,
    papermill and other batch runs do not; one from a console whose input is a pipe does, although
    nobody is there. A terminal's user is there if a window shows both its input and its output and
    the shell is interactive, which ``ipython -c`` and a script are not.
    """
    if hasattr(shell, "kernel"):
        running = request(shell)
        if not allows_input(running):
            return "nobody"
        if cell_id(running) and not is_vscode(running):
            return "notebook"
        return "nobody" if is_fed() else "console"
    interactive = getattr(shell.parent, "interact", False) or getattr(
        shell, "embedded_active", False
    )
    return "terminal" if interactive and at_terminal() else "nobody"


def is_user_cell(result: Any) -> bool:
    """Return whether the ExecutionResult `result` is that of a cell that a user has written."""
    info = None if result is None else result.info
    return info is not None and info.store_history and bool(info.raw_cell.strip())


def terminal_descriptors() -> tuple[int, int] | None:
    """Return the descriptors on which a person types and reads, or None if no window shows both.

    Where ``script``, ``ssh -tt`` or ``docker run -t`` run without a terminal, the one that they
    make has no size, and nobody reads it. An object that replaces ``sys.stdout`` may claim to be a
    terminal, so the process's own output must be one too. And a program can make a terminal just to
    type on: a person types on the one that they read.
    """
    if not (_is_tty(sys.stdin) and _is_tty(sys.stdout)) or sys.__stdout__ is None:
        return None
    try:
        keyboard, screen = sys.stdin.fileno(), sys.__stdout__.fileno()
        # The input of a Windows console has no size.
        sized = (screen,) if sys.platform == "win32" else (keyboard, screen)
        if not (os.isatty(keyboard) and os.isatty(screen) and _are_one(keyboard, screen)):
            return None
        return (keyboard, screen) if all(min(os.get_terminal_size(e)) for e in sized) else None
    except (AttributeError, OSError, ValueError) as error:
        pass_on(error)
        return None


def _are_one(keyboard: int, screen: int) -> bool:
    """Return whether both are the same terminal; one of them may be ``/dev/tty``."""
    if sys.platform == "win32" or os.fstat(keyboard).st_rdev == os.fstat(screen).st_rdev:
        return True
    # Only the terminal of this process's session has a foreground group, by whatever name.
    return os.tcgetpgrp(keyboard) == os.tcgetpgrp(screen)


def started_by_cell() -> bool:
    """Return whether a cell started this process, as a line with ``!`` does.

    Nobody types in the terminal that was made for it, and a notebook keeps what it prints.
    """
    return BELOW_KERNEL or belongs_to_kernel()


def at_terminal() -> bool:
    """Return whether a person is at the terminal of this process."""
    return not started_by_cell() and terminal_descriptors() is not None


def _is_tty(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except Exception:
        return False
