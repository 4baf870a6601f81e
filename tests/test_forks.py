"""A fork waits for an import of ours: its child would wait for that thread, for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path

import pytest

from dev_analytics.consent.store import ConsentStore
from dev_analytics.process import forks
from dev_analytics.process.forks import unforked
from dev_analytics.version import NOTICE

SECONDS = 240

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no forks")

FORKED = """
import os, signal, sys, threading
from pathlib import Path
from dev_analytics.analytics import Analytics
from dev_analytics.delivery.settings import Delivery
from dev_analytics.observers.threads import Threads

data, module, begin = sys.argv[1:]
analytics = Analytics(Path(data), delivery=Delivery())
cell = lambda: analytics.event("cell_executed", outcome="ok", duration_ms=1)
call = lambda: analytics.event("message_send", model="gpt-4o", provider="openai")
if begin != "cell":
    cell()
Threads(analytics).register()
imports, forked = threading.Event(), threading.Event()
class Slow:
    # As a disk that takes its time, just when the user's thread forks.
    def find_spec(self, name, path=None, target=None):
        if name == module and threading.current_thread() is not threading.main_thread():
            imports.set()
            forked.wait(0.5)
sys.modules.pop(module, None)
sys.meta_path.insert(0, Slow())
if begin == "launcher":
    analytics.pipeline.launcher.start()
else:
    sys.stderr = None
    target = {"cell": cell, "call": call, "error": lambda: 1 / 0}[begin]
    thread = threading.Thread(target=target)
    thread.start()
assert imports.wait(60), "it is not imported there"
child = os.fork()
if child == 0:
    signal.alarm(20)
    __import__(module)
    os._exit(0)
forked.set()
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.parametrize(
    ("module", "begin"),
    [
        ("ctypes", "launcher"),
        ("dev_analytics.delivery.sendable", "launcher"),
        ("dev_analytics.pipeline", "cell"),
        ("dev_analytics.consent.files", "cell"),
        ("dev_analytics.catalogue.models", "call"),
        ("dev_analytics.observers.errors", "error"),
    ],
)
def test_a_child_waits_for_no_import_of_its_parents_thread(
    tmp_path: Path, module: str, begin: str
) -> None:
    ConsentStore(tmp_path).agree(NOTICE, date.today())
    ran = subprocess.run(
        [sys.executable, "-c", FORKED, str(tmp_path), module, begin],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == ("0\n", "")


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
                # Not for ever: a garbage collector's callback would swallow the exception.
                for _ in range(100_000):
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
