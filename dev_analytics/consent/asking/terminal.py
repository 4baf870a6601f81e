"""The line of a terminal on which a question is answered.

Lines are read from the terminal itself, past the buffers of ``sys.stdin``, C's stdin, readline and
prompt_toolkit: nothing that one of them holds can become an answer. What is asked is written to the
terminal itself too: who answers has it before them. The terminal stays in the mode that it is in.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import Any, Final

from dev_analytics.consent.asking.presence import window
from dev_analytics.consent.asking.prompt import FrontEndLine, Line

SETTLE_SECONDS: Final = 0.1
"""How long a line must be the last one: pasted lines come within less, a person's next does not."""

_CHUNK: Final = 4096
_MAX_CHUNKS: Final = 64
_LINE_END: Final = re.compile(b"\r\n|\r|\n")


def line_of(shell: Any) -> Line:
    """Return the line on which the user of `shell` can be asked; None for a command's terminal.

    Behind a kernel what was typed ahead cannot be told from an answer, so that such a line has no
    default. Where no window shows a terminal there is nothing to read from.
    """
    if hasattr(shell, "kernel"):
        return FrontEndLine(shell.kernel)
    descriptors = window()
    if descriptors is None:
        return FrontEndLine(None)
    return _TerminalLine(*descriptors, lambda: _typed_ahead(shell))


def _typed_ahead(shell: Any) -> str:
    """Return the keys that IPython's prompt has read beyond its last line."""
    prompt = getattr(shell, "pt_app", None)
    typeahead: Any = sys.modules.get("prompt_toolkit.input.typeahead")
    if prompt is None or typeahead is None:
        return ""
    return "".join(key.data for key in typeahead.get_typeahead(prompt.input))


def _show(screen: int, text: str) -> None:
    """Write to the terminal itself, past what stands in place of ``print`` and ``sys.stdout``."""
    sys.stdout.flush()
    with open(screen, "w", encoding="utf-8", errors="replace", closefd=False) as terminal:
        terminal.write(text)


def _lines(typed: bytes) -> list[str]:
    """Split what was typed; an end that has no Enter behind it counts if there is something."""
    *finished, rest = _LINE_END.split(typed)
    lines = [*finished, rest] if rest else finished
    return [line.decode(errors="replace") for line in lines]


if sys.platform == "win32":
    import msvcrt
    import time

    class _TerminalLine:
        """The console of Windows."""

        has_default = True

        def __init__(self, descriptor: int, screen: int, typed_ahead: Callable[[], str]) -> None:
            self._screen = screen
            self._typed_ahead = typed_ahead

        def write(self, text: str) -> None:
            """Write a line."""
            _show(self._screen, f"{text}\n")

        def discard(self) -> list[str]:
            """Discard what waits, and return its lines."""
            typed = self._typed_ahead()
            while msvcrt.kbhit():
                typed += msvcrt.getwch()
            return _lines(typed.encode(errors="replace"))

        def read(self, prompt: str) -> str:
            """Read one line."""
            return input(prompt)

        def has_more(self) -> bool:
            """Return whether more came together with the line that was read."""
            time.sleep(SETTLE_SECONDS)
            return msvcrt.kbhit()

else:
    import select
    import termios

    class _TerminalLine:
        """A POSIX terminal.

        Parameters
        ----------
        descriptor
            The file descriptor from which it is read.
        screen
            The file descriptor to which it is written.
        typed_ahead
            Takes what IPython's own prompt has read and not used.
        """

        has_default = True

        def __init__(self, descriptor: int, screen: int, typed_ahead: Callable[[], str]) -> None:
            self._descriptor = descriptor
            self._screen = screen
            self._typed_ahead = typed_ahead
            self._rest = b""
            self._ended = False

        def write(self, text: str) -> None:
            """Write a line."""
            _show(self._screen, f"{text}\n")

        def discard(self) -> list[str]:
            """Discard what waits, and return its lines."""
            typed = self._typed_ahead().encode(errors="replace") + self._rest
            self._rest = b""
            for _ in range(_MAX_CHUNKS):
                if not self._waits(0):
                    break
                chunk = os.read(self._descriptor, _CHUNK)
                if not chunk:
                    # It was typed, or the terminal is gone: nothing may come that could be read.
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
                There is none. A terminal in raw mode gives the keys for these as characters.
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
            """Return whether more came together with the line that was read."""
            return bool(self._rest) or self._waits(SETTLE_SECONDS)

        def _waits(self, seconds: float) -> bool:
            return bool(select.select([self._descriptor], [], [], seconds)[0])
