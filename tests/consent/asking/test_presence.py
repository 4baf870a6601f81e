"""Who is there, behind kernels that are not ipykernel, and shells that have less than IPython's."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, TextIO

import pexpect
import pytest

from dev_analytics.consent.asking.presence import Presence, presence, terminal_descriptors
from dev_analytics.process.request import handles_click, handles_comm_message, request

RUNS: dict[str, Any] = {
    "header": {"msg_type": "execute_request"},
    "content": {"allow_stdin": True},
    "metadata": {"cellId": "a cell"},
}


def kernel(**parts: Any) -> SimpleNamespace:
    return SimpleNamespace(**parts)


@pytest.mark.parametrize(
    ("shell", "expected"),
    [
        (kernel(kernel=None, get_parent=lambda: RUNS), "notebook"),
        (kernel(kernel=None, parent_header=RUNS), "notebook"),
        (kernel(kernel=kernel(get_parent=lambda: RUNS)), "notebook"),
        (kernel(kernel=kernel(), parent_header=RUNS), "notebook"),
        (kernel(kernel=kernel()), "nobody"),
        (kernel(kernel=None), "nobody"),
        (kernel(kernel=kernel(get_parent=lambda: None)), "nobody"),
        (kernel(kernel=None, parent_header="a text"), "nobody"),
    ],
)
def test_a_kernel_tells_what_it_runs_in_a_way_of_its_own_or_not_at_all(
    shell: Any, expected: Presence
) -> None:
    assert presence(shell) is expected
    assert not handles_comm_message(shell)


CLICKS: dict[str, Any] = {
    "header": {"msg_type": "comm_msg"},
    "content": {"comm_id": "yes", "data": {"method": "custom", "content": {"event": "click"}}},
}
VIEWS = {"comm_id": "yes", "data": {"method": "update", "state": {"_view_count": 1}}}
OTHER_BUTTON = {**CLICKS["content"], "comm_id": "see"}
HOVERS = {"comm_id": "yes", "data": {"method": "custom", "content": {"event": "hover"}}}


@pytest.mark.parametrize(
    ("handled", "is_click"),
    [
        (CLICKS, True),
        # What code of a cell that runs on finds as the latest message, when it calls our handler.
        (RUNS, False),
        ({**CLICKS, "content": VIEWS}, False),
        ({**CLICKS, "content": OTHER_BUTTON}, False),
        ({**CLICKS, "content": HOVERS}, False),
        ({**CLICKS, "header": RUNS["header"]}, False),
        ({"header": CLICKS["header"], "content": {"comm_id": "yes", "data": "click"}}, False),
        ({}, False),
    ],
)
def test_a_click_is_the_message_of_a_page_about_that_very_button(
    handled: dict[str, Any], is_click: bool
) -> None:
    shell = kernel(kernel=None, get_parent=lambda: handled)
    assert handles_click(shell, "yes") is is_click


@pytest.fixture
def terminals() -> Iterator[Callable[[], TextIO]]:
    """Make terminals that a window shows, as a person or a program has them."""
    masters: list[int] = []

    def terminal() -> TextIO:
        master, slave = pty.openpty()
        masters.append(master)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        return os.fdopen(slave, "r+b", buffering=0)  # type: ignore[return-value]

    yield terminal
    for master in masters:
        os.close(master)


def test_a_person_types_on_the_terminal_that_they_read(
    terminals: Callable[[], TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell can make a terminal of its own, and type on that while the question is on another."""
    with terminals() as screen, terminals() as forged:
        for name in ("stdout", "__stdout__", "stdin"):
            monkeypatch.setattr(sys, name, screen)
        assert terminal_descriptors() == (screen.fileno(), screen.fileno())
        monkeypatch.setattr(sys, "stdin", forged)
        assert terminal_descriptors() is None


def test_a_stream_that_cannot_say_what_it_is_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", object())
    assert terminal_descriptors() is None


ON_DEV_TTY = """
import sys
from dev_analytics.consent.asking.presence import terminal_descriptors
sys.stdin = open("/dev/tty")
print("asked:", terminal_descriptors() is not None)
"""


def test_the_terminal_of_a_session_has_a_second_name() -> None:
    """As in ``dev < /dev/tty``."""
    child = pexpect.spawn(sys.executable, ["-c", ON_DEV_TTY], encoding="utf-8", timeout=60)
    child.expect_exact("asked: True")
    child.close()


def test_a_shell_that_knows_no_request_has_an_empty_one() -> None:
    assert request(kernel()) == {}
