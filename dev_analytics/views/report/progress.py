"""The progress of reading a long log, on a line that disappears afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, TextIO

from dev_analytics.process.native import Clock, urandom

_AFTER: Final = 0.7
_EVERY: Final = 0.2
_BAR: Final = 24


class Progress:
    """Shows progress, once something has taken a while; `show` replaces the line shown last."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._next = Clock.monotonic() + _AFTER

    def __call__(self, done: float | None, records: int) -> None:
        """Show the part that was read, from 0 to 1, and how many records that was."""
        now = Clock.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY
        read = f"{records:,} records read"
        if done is not None:
            full = int(done * _BAR)
            read = f"[{'#' * full}{'.' * (_BAR - full)}] {done:4.0%}  {read}"
        self._show(read)


class TerminalLine:
    """A line of a terminal that is overwritten again and again, and erased at the end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._width = 0

    def show(self, text: str) -> None:
        """Show a text that replaces the last one."""
        text = text.ljust(self._width)
        # Set before the text is written, in case of an interrupt right afterwards.
        self._width = len(text)
        self._stream.write(f"\r{text}")
        self._stream.flush()

    def wipe(self) -> None:
        """Erase the line."""
        if self._width:
            self._stream.write(f"\r{' ' * self._width}\r")
            self._stream.flush()
            self._width = 0


class CellOutput:
    """The output below a cell: a line that is replaced, in the end by what stays.

    Neither the line nor an empty output is left, as the last output replaces it. In a `shell`
    without a kernel, the line is on the terminal.
    """

    def __init__(self, shell: Any) -> None:
        self.rich = hasattr(shell, "kernel")
        self._shell = shell
        self._display = {"display_id": urandom(16).hex()}
        self._there = False
        self._terminal = TerminalLine(sys.stderr)

    def show(self, text: str) -> None:
        """Show a line that replaces the last one."""
        if self.rich:
            self.publish({"text/plain": text})
        elif sys.stderr.isatty():
            self._terminal.show(text)

    def publish(self, data: dict[str, str]) -> None:
        """Replace the line with `data`, a bundle by MIME type."""
        self._shell.display_pub.publish(data, transient=self._display, update=self._there)
        self._there = True

    def end(self, text: str) -> str:
        """Replace the line with a text; return the text if there was no line."""
        self._terminal.wipe()
        if not self._there:
            return text
        self.publish({"text/plain": text})
        return ""
