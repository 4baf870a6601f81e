"""The line of a terminal on which a question is answered.

Lines are read from the terminal itself, not from the buffers of ``sys.stdin``, C's stdin, readline
and prompt_toolkit: nothing that one of them holds can become an answer. The question is written to
the terminal itself too, so that whoever answers has seen it. The mode of the terminal is not
changed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import Any, Final

from dev_analytics.consent.asking.presence import terminal_descriptors
from dev_analytics.consent.asking.prompt import FrontEndLine, Line, confirm
from dev_analytics.process.request import is_vscode, request

SETTLE_SECONDS: Final = 0.1
"""How long nothing may follow a line: pasted lines follow sooner, a person's next line later."""

_CHUNK: Final = 4096
_MAX_CHUNKS: Final = 64
_LINE_END: Final = re.compile(b"\r\n|\r|\n")


def line_of(shell: Any) -> Line:
    """Return the line on which to ask the user of `shell`; None stands for a command's terminal.

    What was typed ahead cannot be distinguished from an answer where a kernel is asked, so its line
    has no default. Where no window shows a terminal, nothing can be read.
    """
    if hasattr(shell, "kernel"):
        return FrontEndLine(shell.kernel, empty_cancels=is_vscode(request(shell)))
    descriptors = terminal_descriptors()
    if descriptors is None:
        return FrontEndLine(None)
    return _TerminalLine(*descriptors, lambda: _typed_ahead(shell))


def confirmed(question: str) -> bool:
    """Return whether the user of a command confirms it at their terminal."""
    try:
        return confirm(question, line_of(None))
    except (EOFError, KeyboardInterrupt):
        print()
        return False


def _typed_ahead(shell: Any) -> str:
    """Return the keys that IPython's prompt has read after its last line."""
    prompt = getattr(shell, "pt_app", None)
    typeahead: Any = sys.modules.get("prompt_toolkit.input.typeahead")
    if prompt is None or typeahead is None:
        return ""
    return "".join(key.data for key in typeahead.get_typeahead(prompt.input))


def _show(screen: int, text: str) -> None:
    """Write to the terminal itself, whatever ``print`` and ``sys.stdout`` are by now."""
    sys.stdout.flush()
    with open(screen, "w", encoding="utf-8", errors="replace", closefd=False) as terminal:
        terminal.write(text)


def _lines(typed: bytes) -> list[str]:
    """Split what was typed into lines; a last one without Enter counts unless it is empty."""
    *finished, rest = _LINE_END.split(typed)
    lines = [*finished, rest] if rest else finished
    return [line.decode(errors="replace") for line in lines]


class _Terminal:
    """What the terminals of all systems have in common.

    Parameters
    ----------
    descriptor
        The file descriptor from which lines are read.
    screen
        The file descriptor to which the question is written.
    typed_ahead
        Takes from IPython's own prompt what it has read and not used, and returns it.
    """

    has_default = True
    empty_cancels = False

    def __init__(self, descriptor: int, screen: int, typed_ahead: Callable[[], str]) -> None:
        self._descriptor = descriptor
        self._screen = screen
        self._typed_ahead = typed_ahead

    def write(self, text: str) -> None:
        """Write a line."""
        _show(self._screen, f"{text}\n")


if sys.platform == "win32":
    import msvcrt
    import time

    class _TerminalLine(_Terminal):
        """A Windows console."""

        def discard(self) -> list[str]:
            """Discard the input that waits, and return its lines."""
            typed = self._typed_ahead()
            while msvcrt.kbhit():
                typed += msvcrt.getwch()
            return _lines(typed.encode(errors="replace"))

        def read(self, prompt: str) -> str:
            """Read one line."""
            return input(prompt)

        def has_more(self) -> bool:
            """Return whether more input came together with the line that was read."""
            time.sleep(SETTLE_SECONDS)
            return msvcrt.kbhit()

else:
    import select
    import termios

    class _TerminalLine(_Terminal):
        """A POSIX terminal."""

        _rest = b""
        _ended = False

        def discard(self) -> list[str]:
            """Discard the input that waits, and return its lines."""
            typed = self._typed_ahead().encode(errors="replace") + self._rest
            self._rest = b""
            for _ in range(_MAX_CHUNKS):
                if not self._waits(0):
                    break
                chunk = os.read(self._descriptor, _CHUNK)
                if not chunk:
                    # What waits was typed, or the terminal is gone: nothing else may follow.
                    self._ended = True
                    break
                typed += chunk
            termios.tcflush(self._descriptor, termios.TCIFLUSH)
            return _lines(typed)

        def read(self, prompt: str) -> str:
            """Read one line.

            Raises
            ------
            EOFError, KeyboardInterrupt
                There is no line. A terminal in raw mode passes the keys for these on as characters.
            """
            _show(self._screen, prompt)
            if self._ended:
                raise EOFError
            typed = b""
            while not (end := _LINE_END.search(typed)):
                chunk = os.read(self._descriptor, _CHUNK)
                if b"\x03" in chunk:
                    raise KeyboardInterrupt
                if not chunk or b"\x04" in chunk or len(typed) > _CHUNK * _MAX_CHUNKS:
                    raise EOFError
                typed += chunk
            self._rest = typed[end.end() :]
            return typed[: end.start()].decode(errors="replace")

        def has_more(self) -> bool:
            """Return whether more input came together with the line that was read."""
            return bool(self._rest) or self._waits(SETTLE_SECONDS)

        def _waits(self, seconds: float) -> bool:
            return bool(select.select([self._descriptor], [], [], seconds)[0])
