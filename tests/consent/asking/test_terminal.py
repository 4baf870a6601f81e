"""The line of a terminal: what waits there, what is read, and where there is none."""

from __future__ import annotations

import builtins
import fcntl
import os
import subprocess
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from dev_analytics.consent.asking import terminal
from dev_analytics.consent.asking.prompt import FrontEndLine, Line
from dev_analytics.consent.asking.terminal import line_of


class Pty:
    """A pseudo-terminal that is standard input and output.

    Attributes
    ----------
    stdout
        What stands in place of ``sys.stdout``.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.keyboard, self.end = os.openpty()
        termios.tcsetwinsize(self.end, (24, 80))
        self.file = os.fdopen(self.end, "r")
        self.screen = os.fdopen(os.dup(self.end), "w")
        self.stdout: Any = self.screen
        monkeypatch.setattr(sys, "stdin", self.file)
        monkeypatch.setattr(sys, "__stdout__", self.screen)
        self.shell: Any = SimpleNamespace()

    @property
    def line(self) -> Line:
        # Not before: pytest puts its own in place of it when a test begins.
        self._patch.setattr(sys, "stdout", self.stdout)
        return line_of(self.shell)

    def types(self, keys: bytes) -> None:
        os.write(self.keyboard, keys)


@pytest.fixture
def pty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pty]:
    """A pseudo-terminal as standard input of this process."""
    one = Pty(monkeypatch)
    yield one
    os.close(one.keyboard)
    one.file.close()
    with suppress(OSError):
        one.screen.close()


def test_what_waits_is_returned_and_gone(pty: Pty) -> None:
    pty.types(b"y\r\nx = 1\nunfinished")
    line = pty.line
    assert line.discard() == ["y", "", "x = 1"]
    assert line.discard() == []
    pty.types(b"n\n")
    assert line.read("? ") == "n", "also the end that had no Enter behind it"
    assert not line.has_more()


def test_a_program_that_types_without_end_is_not_read_for_ever(
    pty: Pty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "_MAX_CHUNKS", 1)
    pty.types(b"y\n" * 3)
    assert pty.line.discard() == ["y"]
    assert pty.line.discard() == []


def test_more_lines_than_one_are_seen(pty: Pty) -> None:
    pty.types(b"y\nn\n")
    line = pty.line
    assert line.read("? ") == "y"
    assert line.has_more()
    assert line.discard() == ["n"]
    assert not line.has_more()


def arrived(terminal: int) -> int:
    """Return how many bytes can be read: the mode holds for what arrives, not for what is sent."""
    waiting = fcntl.ioctl(terminal, termios.FIONREAD, b"\0" * 4)
    return int.from_bytes(waiting, sys.byteorder)


def test_what_was_typed_in_raw_mode_is_split_into_its_lines(
    pty: Pty, until: Callable[..., None]
) -> None:
    before = termios.tcgetattr(pty.end)
    tty.setraw(pty.end)
    pty.types(b"y\rn\r\n")
    until(lambda: arrived(pty.end) == len(b"y\rn\r\n"))
    termios.tcsetattr(pty.end, termios.TCSANOW, before)
    line = pty.line
    assert line.read("? ") == "y"
    assert line.has_more()
    assert line.discard() == ["n"]


@pytest.mark.parametrize(("key", "error"), [(b"\x03", KeyboardInterrupt), (b"\x04", EOFError)])
def test_a_terminal_in_raw_mode_can_be_left(
    pty: Pty, key: bytes, error: type[BaseException]
) -> None:
    tty.setraw(pty.end)
    pty.types(b"y" + key)
    with pytest.raises(error):
        pty.line.read("? ")


def test_an_end_of_input_that_came_before_ends_the_question(pty: Pty) -> None:
    pty.types(b"y\n\x04")
    line = pty.line
    assert line.discard() == ["y"]
    with pytest.raises(EOFError):
        line.read("? ")


def test_the_keys_that_ipythons_prompt_has_read_are_thrown_away(pty: Pty) -> None:
    from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
    from prompt_toolkit.input.vt100 import Vt100Input
    from prompt_toolkit.key_binding import KeyPress
    from prompt_toolkit.keys import Keys

    keyboard = Vt100Input(pty.file)
    pty.shell.pt_app = SimpleNamespace(input=keyboard)
    store_typeahead(
        keyboard, [KeyPress("y"), KeyPress(Keys.ControlM, "\r"), KeyPress("x"), KeyPress("\r")]
    )
    assert pty.line.discard() == ["y", "x"]
    assert get_typeahead(keyboard) == []


@pytest.mark.parametrize("size", [(0, 0), (24, 0), (0, 80)])
def test_a_terminal_that_no_window_shows_has_nothing_to_read(
    pty: Pty, size: tuple[int, int]
) -> None:
    assert pty.line.has_default
    termios.tcsetwinsize(pty.end, size)
    pty.types(b"y\n")
    with pytest.raises(EOFError):
        pty.line.read("? ")


def test_what_is_asked_is_shown_whatever_stands_in_place_of_the_output(
    pty: Pty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtins, "print", lambda *given, **options: None)
    pty.stdout = SimpleNamespace(isatty=lambda: True, flush=lambda: None, write=len)
    line = pty.line
    line.write("The question")
    pty.types(b"y\n")
    assert line.read("? ") == "y"
    assert os.read(pty.keyboard, 1000).replace(b"\r", b"").startswith(b"The question\n")


def test_an_output_that_only_claims_to_be_a_terminal_is_none(
    pty: Pty, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(os.devnull, "w") as nowhere:
        monkeypatch.setattr(sys, "__stdout__", nowhere)
        with pytest.raises(EOFError):
            pty.line.read("? ")


def _without_descriptor(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    return SimpleNamespace()


def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115
    return SimpleNamespace()


def _a_kernel(monkeypatch: pytest.MonkeyPatch) -> object:
    return SimpleNamespace(kernel=None)


@pytest.mark.parametrize("shell_of", [_without_descriptor, _no_terminal, _a_kernel])
def test_where_no_terminal_can_be_read_there_is_no_default(
    monkeypatch: pytest.MonkeyPatch, shell_of: Callable[[pytest.MonkeyPatch], object]
) -> None:
    line = line_of(shell_of(monkeypatch))
    assert isinstance(line, FrontEndLine)
    assert not line.has_default
    with pytest.raises(EOFError):
        line.read("? ")


WINDOWS = """
import builtins, os, re, select, sys, time, types
import dev_analytics.consent.asking.question
keys = list("y\\rx")
sys.modules["termios"] = None
sys.modules["msvcrt"] = types.SimpleNamespace(kbhit=lambda: bool(keys), getwch=lambda: keys.pop(0))
sys.platform = "win32"
from dev_analytics.consent.asking import terminal
line = terminal._TerminalLine(0, 1, lambda: "typed\\r")
builtins.input = lambda prompt: "n"
print(line.discard(), line.has_more(), line.read("? "), line.has_default)
"""


def test_it_works_where_there_is_no_termios() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WINDOWS], capture_output=True, text=True, check=False
    )
    assert done.stdout == "['typed', 'y', 'x'] False n True\n", done.stderr
