"""A console has no cells to show a dialog in: one line says how to answer."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pexpect
import pytest
from traitlets.config import Config

from dev_analytics.consent.asking.prompt import READING_SECONDS
from dev_analytics.consent.asking.question import DISABLED, FIRST, ON
from dev_analytics.consent.store import ConsentStore

SECONDS = 240
PROMPT = r"In \[\d+\]: "


@pytest.fixture
def console(own_sockets: Callable[[], Config]) -> Iterator[pexpect.spawn]:
    """A real ``jupyter console``, with a kernel of its own."""
    # It tells its kernel's manager where to listen, whatever the configuration says.
    sockets = own_sockets()["KernelManager"]
    process = pexpect.spawn(
        sys.executable,
        [
            *("-m", "jupyter_console", "--simple-prompt"),
            *(f"--{name}={value}" for name, value in sockets.items()),
        ],
        env={**os.environ, "DEV_ANALYTICS": "on", "TERM": "dumb"},
        encoding="utf-8",
        timeout=SECONDS,
        dimensions=(40, 1000),
    )
    process.setecho(False)
    process.expect(PROMPT)
    # Otherwise it may take the end of its own start for that of the first cell.
    process.sendline(" ")
    process.expect(PROMPT)
    yield process
    # It says so where a process that was killed takes its time to be gone.
    with suppress(pexpect.ExceptionPexpect):
        process.close(force=True)


def run(console: pexpect.spawn, line: str) -> str:
    console.sendline(line)
    console.expect(PROMPT)
    return str(console.before)


def asked_again(console: pexpect.spawn, line: str, last: str) -> str:
    """Type a line that is no answer, then the last one, and return all that came in between.

    A console reads what is shown and what is asked from two channels. On a busy machine it asks
    first, and shows the text above the question only once that is answered.
    """
    console.sendline(line)
    console.expect_exact(FIRST.unchosen.prompt)
    return str(console.before) + run(console, last)


def test_one_line_says_how_to_answer(console: pexpect.spawn, data: Path) -> None:
    assert FIRST.notice in run(console, "%load_ext dev_analytics")
    assert FIRST.notice not in run(console, "1 + 1")
    assert ConsentStore(data).read().asked_on is not None


@pytest.mark.parametrize(("typed", "then"), [("y", ON), ("n", DISABLED)])
def test_on_asks_at_the_prompt(console: pexpect.spawn, data: Path, typed: str, then: str) -> None:
    run(console, "%load_ext dev_analytics")
    console.sendline("%dev_analytics on")
    console.expect_exact(FIRST.unchosen.prompt)
    time.sleep(READING_SECONDS)
    assert then in run(console, typed)
    consent = ConsentStore(data).read()
    assert (consent.user_id is not None, consent.opted_out) == (typed == "y", typed == "n")


def test_a_pipe_into_a_console_is_no_answer(own_sockets: Callable[[], Config], data: Path) -> None:
    sockets = own_sockets()["KernelManager"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "jupyter_console", "--simple-prompt"),
            *(f"--{name}={value}" for name, value in sockets.items()),
        ],
        input="\n%load_ext dev_analytics\n%dev_analytics on\ny\n1\nyes\nexit\n",
        env={**os.environ, "DEV_ANALYTICS": "off"},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    # At whatever pace it is fed: its kernel is on no terminal that somebody types on.
    assert FIRST.unchosen.prompt not in done.stdout, done
    assert "nobody here can" in done.stdout, done
    assert ConsentStore(data).read().user_id is None


def test_enter_alone_is_no_answer(console: pexpect.spawn, data: Path) -> None:
    run(console, "%load_ext dev_analytics")
    console.sendline("%dev_analytics on")
    console.expect_exact(FIRST.unchosen.prompt)
    shown = asked_again(console, "", "q")
    assert FIRST.possible in shown
    assert "No answer" in shown
    assert ConsentStore(data).read().user_id is None


def test_a_question_mark_shows_what_would_be_sent(console: pexpect.spawn, data: Path) -> None:
    run(console, "%load_ext dev_analytics")
    console.sendline("%dev_analytics on")
    console.expect_exact(FIRST.unchosen.prompt)
    assert "# would have been sent" in asked_again(console, "?", "n")
    assert ConsentStore(data).read().opted_out


def test_the_status_is_text(console: pexpect.spawn) -> None:
    run(console, "%load_ext dev_analytics")
    shown = run(console, "%dev_analytics")
    assert "to change" in shown
    assert "<" not in shown
