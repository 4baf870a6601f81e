"""A fork waits for an import of another thread, not for ever; its child waits for nobody."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from dev_analytics.process import forks
from dev_analytics.process.forks import unforked


def enter() -> None:
    with unforked():
        pass


def succeeds_in_child() -> bool:
    """Fork, import in the child as our code does, and return whether that came to its end."""
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        with unforked():
            os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def test_a_child_waits_for_no_thread_that_its_fork_did_not_wait_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forks, "MAX_WAIT_SECONDS", 0.05)
    inside, over = threading.Event(), threading.Event()

    def import_for_long() -> None:
        with unforked():
            inside.set()
            over.wait()

    thread = threading.Thread(target=import_for_long)
    thread.start()
    inside.wait()
    try:
        assert succeeds_in_child()
    finally:
        over.set()
        thread.join()


def test_a_child_that_is_forked_inside_goes_on() -> None:
    with unforked():
        child = os.fork()
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    assert succeeds_in_child()


def test_an_exception_of_a_signal_handler_leaves_it_free() -> None:
    class LateError(Exception):
        pass

    def handler(*given: object) -> None:
        raise LateError

    errors: list[LateError] = []
    before = signal.signal(signal.SIGALRM, handler)
    try:
        while len(errors) < 500:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0002)
                while True:
                    with unforked():
                        pass
            except LateError as error:
                errors.append(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    thread = threading.Thread(target=enter, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
