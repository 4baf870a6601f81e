"""A fork waits for an import of ours: its child would wait for that thread, for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dev_analytics import NOTICE
from dev_analytics.consent.store import ConsentStore
from dev_analytics.process import forks
from dev_analytics.process.forks import unforked

SECONDS = 240

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no forks")

BEGINNING = """
import os, signal, sys, threading, time
from pathlib import Path
alone = []
if sys.platform == "linux":
    # What is told first is called last: this is what Python counts to warn of a fork.
    os.register_at_fork(before=lambda: alone.append(len(os.listdir("/proc/self/task")) == 1))
else:
    os.register_at_fork(before=lambda: alone.append(len(sys._current_frames()) == 1))
def fork(child=lambda: None):
    number = os.fork()
    if number == 0:
        signal.alarm(20)
        child()
        os._exit(0)
    return os.waitpid(number, 0)[1]
"""

FORKED = """
from dev_analytics.analytics import Analytics
from dev_analytics.delivery import Delivery
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
print(fork(lambda: __import__(module)))
forked.set()
# The user's own thread is none that a fork waits for.
assert alone == [begin == "launcher"], alone
"""


@pytest.mark.parametrize(
    ("module", "begin"),
    [
        ("ctypes", "launcher"),
        ("dev_analytics.delivery.turns", "launcher"),
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
    assert run(FORKED, str(tmp_path), module, begin) == "0\n"


def run(code: str, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", BEGINNING + code, *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ran.stderr == ""
    return ran.stdout


GIVING_WAY = """
from dev_analytics.analytics import Analytics
from dev_analytics.delivery.ledger import read_ledger
from dev_analytics.delivery import Delivery
from dev_analytics.process.native import Clock

data = Path(sys.argv[1])
analytics = Analytics(data, delivery=Delivery(flush_seconds=1e6))
cell = lambda: analytics.event("cell_executed", outcome="ok", duration_ms=1)
cell()
launcher = analytics.pipeline.launcher
# One has been started just now, and the next one waits.
launcher._next_start = Clock.monotonic() + 600
launcher.start()
assert fork(lambda: launcher.gave_way and os._exit(1)) == 0
assert alone == [True] and launcher.gave_way and not launcher._planned
launcher._next_start = 0.0
analytics.pipeline.sink.rest()
cell()
assert not launcher.gave_way
while not read_ledger(data).delivered:
    time.sleep(0.01)

# One that is at work and never comes to its end: the fork goes on beside it.
import warnings
warnings.simplefilter("ignore")
at_work = threading.Event()
def work():
    at_work.set()
    threading.Event().wait()
launcher._next_start, launcher._start = 0.0, work
launcher.start()
at_work.wait()
took = []
for _ in range(2):
    began = time.monotonic()
    assert fork() == 0
    took.append(time.monotonic() - began)
assert alone == [True, False, False]
assert took[0] > 2 * took[1], took
"""


def test_a_fork_sees_no_thread_of_ours_and_what_gave_way_is_made_up_for(tmp_path: Path) -> None:
    """Python warns, from 3.12 on, of a fork beside threads that the user did not start."""
    ConsentStore(tmp_path).agree(NOTICE, date.today())
    assert run(GIVING_WAY, str(tmp_path)) == ""


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


@pytest.mark.xfail(
    sys.version_info[:2] == (3, 14),
    reason="CPython 3.14 may leave any lock held that a signal's handler raises at",
    strict=False,
)
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
    lock: Any = unforked()
    held = lock._is_owned()
    while lock._is_owned():  # the tests behind this one would wait for ever
        lock.release()
    assert not held


def test_a_system_that_lists_no_threads_counts_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "_LIST", "/nowhere/task")
    assert forks._number_of_threads() == 0


EARLY = """
import json
hooked = []
os.register_at_fork(**{sys.argv[2]: lambda: [each() for each in hooked]})
from dev_analytics.analytics import Analytics
from dev_analytics.delivery import Delivery

data, made = Path(sys.argv[1]), sys.argv[3]
analytics = Analytics(data, delivery=Delivery(flush_seconds=1e6), strict=True)
cell = lambda: analytics.event("cell_executed", outcome="ok", duration_ms=1)
if made == "made":
    cell()
hooked.append(cell)
assert fork(cell) == 0
hooked.clear()
cell()
assert analytics._pipeline is analytics._made is analytics.pipeline
records = [
    json.loads(line) for file in (data / "spool").iterdir() for line in file.open("rb")
]
assert len({each["uuid"] for each in records}) == len(records), records
sessions = {}
for each in records:
    sessions.setdefault(each["properties"]["$session_id"], []).append(each["properties"]["seq"])
print(sorted(sorted(numbers) for numbers in sessions.values()))
"""


@pytest.mark.parametrize("made", ["made", "not made"])
@pytest.mark.parametrize(
    ("hook", "parents", "childs"),
    [("before", 2, 1), ("after_in_parent", 2, 1), ("after_in_child", 1, 2)],
)
def test_an_event_in_a_hook_of_the_user_before_ours_has_its_own_process_recording(
    tmp_path: Path, hook: str, parents: int, childs: int, made: str
) -> None:
    ConsentStore(tmp_path).agree(NOTICE, date.today())
    parents += made == "made"
    expected = sorted(list(range(1, number + 1)) for number in (parents, childs))
    assert run(EARLY, str(tmp_path), hook, made) == f"{expected}\n"


UNPREPARED = """
import ctypes, json
data, how = Path(sys.argv[1]), sys.argv[2]
if how == "by a library, and the user has a mmap of their own":
    class Odd:
        def __getattr__(self, name):
            print("code of the user runs")
    sys.modules["mmap"] = Odd()
elif how == "by a library, and another mmap is on the path":
    (data / "mmap.py").write_text("print('code of the user runs')")
    sys.path.insert(0, str(data))
    sys.modules.pop("mmap", None)
elif how == "by a library, and no page is wiped":
    from dev_analytics.process import forks
    forks.WIPED_IN_CHILD = 10**6
elif how == "by a library, and a page is said to be wiped":
    from dev_analytics.process import forks
    forks.WIPED_IN_CHILD = forks.NO_ADVICE = 0
def cell():
    from dev_analytics.analytics import get_analytics
    get_analytics().event("cell_executed", outcome="ok", duration_ms=1)
if how.startswith("by a library"):
    cell()
    number = ctypes.CDLL(None).fork()
    if number == 0:
        signal.alarm(20)
        cell()
        os._exit(0)
    assert os.waitpid(number, 0)[1] == 0
else:
    os.register_at_fork(before=cell, after_in_child=cell)
    assert fork() == 0
cell()
records = [
    json.loads(line) for file in (data / "spool").iterdir() for line in file.open("rb")
]
assert len({each["uuid"] for each in records}) == len(records), records
numbers = [each["properties"]["seq"] for each in records]
print(sorted(numbers), len({each["properties"]["$session_id"] for each in records}))
"""


@pytest.mark.parametrize(
    "how",
    [
        "by a library",
        "by a library, and the user has a mmap of their own",
        "by a library, and another mmap is on the path",
        "by a library, and no page is wiped",
        "by a library, and a page is said to be wiped",
        "while it is imported",
    ],
)
def test_a_child_of_a_fork_that_nothing_prepared_has_its_own_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """As of a server that is no Python program, or of a hook that imports a tool."""
    monkeypatch.setenv("DEV_ANALYTICS_DIR", str(tmp_path))
    ConsentStore(tmp_path).agree(NOTICE, date.today())
    assert run(UNPREPARED, str(tmp_path), how) == "[1, 1, 2] 2\n"


WAITING = """
hooked = []
os.register_at_fork(before=lambda: [each() for each in hooked])
from dev_analytics.analytics import Analytics
from dev_analytics.delivery import Delivery
from dev_analytics.process.forks import unforked

analytics = Analytics(Path(sys.argv[1]), delivery=Delivery(flush_seconds=1e6), strict=True)
cell = lambda: analytics.event("cell_executed", outcome="ok", duration_ms=1)
cell()
held = threading.Event()
def decide():
    with analytics.gate._deciding:
        held.set()
        with unforked():
            pass
def record():
    analytics.gate.latest = None
    threading.Thread(target=decide).start()
    held.wait()
    {"event": cell, "beginning": analytics.gate.at_beginning}[sys.argv[2]]()
hooked.append(record)
signal.alarm(60)
print(fork())
"""


@pytest.mark.parametrize("what", ["event", "beginning"])
def test_nothing_in_a_hook_before_a_fork_waits_for_a_thread_that_waits_for_the_fork(
    tmp_path: Path, what: str
) -> None:
    """A call to a model asks for the state at its beginning."""
    ConsentStore(tmp_path).agree(NOTICE, date.today())
    assert run(WAITING, str(tmp_path), what) == "0\n"
