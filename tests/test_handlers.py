"""What a handler of the user's raised in the middle of our code is told from what failed there."""

from __future__ import annotations

import pdb
import signal
import sys
from bdb import BdbQuit
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from dev_analytics import NOTICE
from dev_analytics.analytics import Analytics
from dev_analytics.consent.store import ConsentStore
from dev_analytics.process.handlers import is_of_handler

SIGNAL = signal.SIGINT if sys.platform == "win32" else signal.SIGUSR1


def limit(number: int, frame: FrameType | None) -> None:
    raise TimeoutError


def limit_once(number: int, frame: FrameType | None) -> None:
    signal.signal(SIGNAL, signal.SIG_IGN)
    raise TimeoutError


def limit_unused(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise TimeoutError


def limit_any(*given: object) -> None:
    signal.signal(SIGNAL, signal.SIG_IGN)
    raise TimeoutError


def limit_named(prefix: str, number: int, frame: FrameType | None) -> None:
    signal.signal(SIGNAL, signal.SIG_IGN)
    (lambda: frame)()
    raise TimeoutError


class Limit:
    """A handler that is an object."""

    def __call__(self, number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    def method(self, number: int, frame: FrameType | None) -> None:
        limit_once(number, None)


HANDLERS = {
    "a function": limit,
    "a function that sets another one": limit_once,
    "a function that deletes its arguments": limit_unused,
    "a function of any arguments": limit_any,
    "a part of a function": partial(limit_named, "of the user's"),
    "an object": Limit(),
    "a method that calls another function": Limit().method,
}


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = signal.getsignal(SIGNAL)
    yield
    signal.signal(SIGNAL, before)


@pytest.fixture
def analytics(data: Path) -> Analytics:
    ConsentStore(data).agree(NOTICE, date(2026, 11, 22))
    analytics = Analytics(data, delivery=None)
    event(analytics)
    return analytics


def event(analytics: Analytics) -> None:
    analytics.event("kernel_action", action="start", status="success")


@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS)
def test_a_time_limit_reaches_the_user_s_code_whatever_handles_the_signal(
    analytics: Analytics,
    handler: Callable[[int, FrameType | None], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def accept(*given: object) -> None:
        signal.raise_signal(SIGNAL)

    signal.signal(SIGNAL, handler)
    monkeypatch.setattr(analytics.pipeline.sink, "accept", accept)
    with pytest.raises(TimeoutError):
        event(analytics)
    assert analytics.drops.counts == {"failure inside": 1}


def test_a_debugger_that_the_user_quits_ends_the_user_s_code(analytics: Analytics) -> None:
    debugger = pdb.Pdb(readrc=False, stdin=StringIO("step\n" * 20 + "quit\n"), stdout=StringIO())
    debugger.reset()
    before = sys.gettrace()
    try:
        with pytest.raises(BdbQuit):  # noqa: PT012, the debugger begins with the next line
            sys.settrace(debugger.trace_dispatch)
            event(analytics)
    finally:
        sys.settrace(before)
    assert analytics.drops.counts == {"failure inside": 1}


def test_a_failure_of_ours_is_no_handler_s(analytics: Analytics) -> None:
    """Code of ours is given frames, too."""

    def looks_at(frame: FrameType | None) -> None:
        raise TimeoutError

    signal.signal(SIGNAL, limit)
    with pytest.raises(TimeoutError) as raised:
        looks_at(sys._getframe(1))
    assert not is_of_handler(raised.value)
