"""Whether somebody is there who can answer: at a terminal, or behind a notebook's request."""

from __future__ import annotations

import sys
from enum import Enum
from typing import Any


class Presence(Enum):
    """Who can answer, and how they can be asked."""

    NOBODY = "nobody"
    TERMINAL = "terminal"
    KERNEL = "kernel"


def presence(shell: Any) -> Presence:
    """Tell who is at `shell` now.

    A kernel's user is there if the request that runs takes input; ``nbconvert``, papermill and
    other batch runs say that theirs does not. A terminal's is there if both ends are ttys and the
    shell is interactive, which ``ipython -c`` and a script are not.
    """
    if hasattr(shell, "kernel"):
        return Presence.KERNEL if _takes_input(shell) else Presence.NOBODY
    interactive = getattr(shell.parent, "interact", False) or getattr(
        shell, "embedded_active", False
    )
    if interactive and _is_tty(sys.stdin) and _is_tty(sys.stdout):
        return Presence.TERMINAL
    return Presence.NOBODY


def _takes_input(shell: Any) -> bool:
    request = shell.get_parent() if hasattr(shell, "get_parent") else shell.parent_header
    content = request.get("content") if isinstance(request, dict) else None
    return isinstance(content, dict) and content.get("allow_stdin") is True


def _is_tty(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except Exception:
        return False
