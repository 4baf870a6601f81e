"""What a user puts in the place of the standard library's: nothing of ours calls it, or waits."""

from __future__ import annotations

import json
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
from dev_analytics.analytics import Analytics
from dev_analytics.consent import gate
from dev_analytics.consent.decision import Consent, Switch
from dev_analytics.consent.gate import Period
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import Delivery
from dev_analytics.delivery.spool import Spool
from dev_analytics.observers.cells import Cells
from dev_analytics.process.native import fresh_copy

sys.path.insert(0, str(Path(__file__).parent))

from interruptions import apart, raise_at

SECONDS = 240


def run(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a script to its end; one that hangs fails."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


REPLACED = """
import builtins, os, random, socket, sys, threading, time, uuid
from pathlib import Path
from dev_analytics.analytics import Analytics

analytics = Analytics(Path(sys.argv[1]), strict=True)
record = lambda: analytics.event("cell_executed", outcome="ok", duration_ms=1)
record()

called = []
def replace(module, name):
    def stand_in(*arguments, **options):
        called.append(name)
        raise SystemExit(name)
    setattr(module, name, stand_in)

kept = {(module, name): getattr(module, name) for module, names in {
    time: ("time", "time_ns", "monotonic", "perf_counter", "sleep", "gmtime", "strftime"),
    os: ("urandom", "write", "open", "lseek", "fstat", "lstat", "getpid", "close"),
    uuid: ("uuid4", "uuid1"),
    random: ("random", "getrandbits", "uniform"),
    socket: ("socket", "create_connection", "getaddrinfo"),
    builtins: ("open", "input", "print"),
    threading: ("Lock", "RLock", "Thread", "enumerate", "current_thread"),
}.items() for name in names}
for module, name in kept:
    replace(module, name)
for _ in range(100):
    record()
# Identifiers of the next session, and what is read when the consent changes.
analytics.gate.latest = None
analytics.gate.store._seen = None
analytics.gate._period = None
record()
for (module, name), value in kept.items():
    setattr(module, name, value)
assert not called, called
assert not analytics.drops.counts, analytics.drops.counts
for each in analytics.pipeline.preview:
    assert each.accepted
    print(each.record.decode())
"""


def test_nothing_that_a_user_replaces_is_called_by_a_record(data: Path) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    os.utime(data / "consent", (0, 0))
    ran = run(REPLACED, data)
    assert ran.stderr == ""
    records = list(map(json.loads, ran.stdout.splitlines()))
    assert len({record["uuid"] for record in records}) == len(records) == 102
    assert len({record["properties"]["$session_id"] for record in records}) == 2


def test_an_identifier_is_random_whatever_uuid_gives(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uuid.uuid4", lambda: "00000000-0000-4000-8000-000000000000")
    monkeypatch.setattr(os, "urandom", bytes)
    users = {ConsentStore(data / name).agree(NOTICE, date.today()).user_id for name in "ab"}
    assert len(users) == 2


class Loud(dict[str, str]):
    """A mapping of the user's: reading it is code of theirs."""

    def get(self, *given: Any) -> Any:
        raise SystemExit("read")

    items = keys = __getitem__ = __contains__ = get


def test_a_no_in_an_environment_that_was_replaced_is_heard(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    gate = Analytics(data).gate
    assert gate.now()[0].collecting
    monkeypatch.setattr(os, "environ", {**os.environ, "DO_NOT_TRACK": "1"})
    assert gate.now()[0].rule == "3, DO_NOT_TRACK"


@pytest.mark.parametrize("environ", [Loud(), None, {}])
def test_an_environment_that_is_none_changes_nothing(
    data: Path, monkeypatch: pytest.MonkeyPatch, environ: Any
) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    gate = Analytics(data).gate
    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", environ)
        rule = gate.now()[0].rule
    assert rule == "3, DO_NOT_TRACK"


GREEN = """
import sys
BEFORE = sys.argv[2] == "before"
def patch():
    from gevent import monkey
    monkey.patch_all()
if BEFORE:
    patch()
import gevent
from pathlib import Path
from dev_analytics.analytics import Analytics
from dev_analytics.delivery import Delivery
from dev_analytics.delivery.ledger import read_ledger
data = Path(sys.argv[1])
analytics = Analytics(data, delivery=Delivery(flush_seconds=0), strict=True)
record = lambda: analytics.event("cell_executed", outcome="ok", duration_ms=1)
record()
if not BEFORE:
    patch()
from gevent.monkey import get_original
sleep = get_original("time", "sleep")
def deliver():
    # A thread of gevent's would begin only when this one gives way, and it does not.
    for _ in range(600):
        if read_ledger(data).delivered:
            return True
        sleep(0.05)
delivered = deliver()
# Many greenlets, one of which is held up in the middle of a record.
def held_up(frame, event, argument):
    if frame.f_code.co_name == "append":
        sys.settrace(None)
        gevent.sleep(0.05)
def slow():
    sys.settrace(held_up)
    record()
    sys.settrace(None)
gevent.joinall([gevent.spawn(slow), *(gevent.spawn(record) for _ in range(20))], timeout=60)
record()
drops = dict(analytics.drops.counts)
print(delivered, len(analytics.pipeline.preview), drops)
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_greenlets_wait_for_nothing_of_ours_and_a_sender_starts_beside_them(
    data: Path, when: str
) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    ran = run(GREEN, data, when)
    assert (ran.stdout, ran.stderr) == ("True 23 {}\n", "")


HANDLER = """
import signal, sys, threading
from pathlib import Path
from dev_analytics.analytics import Analytics

from dev_analytics.delivery.lines import LineFile
from dev_analytics.delivery.launcher import Launcher
from dev_analytics.delivery import Delivery

Launcher.start = lambda launcher: None
data = Path(sys.argv[1])
analytics = Analytics(data, delivery=Delivery(flush_seconds=0), strict=True)
record = lambda *_: analytics.event("cell_executed", outcome="ok", duration_ms=1)
signal.signal(signal.SIGALRM, record)
# As where a debugger holds a thread in the middle of its start. A period looks at the threads.
held, go = threading.Event(), threading.Event()
def hold():
    with threading._active_limbo_lock:
        held.set()
        go.wait()
threading.Thread(target=hold, daemon=True).start()
held.wait()
signal.raise_signal(signal.SIGALRM)
go.set()
# And in the middle of a record, whose file it hands over.
append = LineFile.append_held
def interrupted(file, line, now):
    LineFile.append_held = append
    signal.raise_signal(signal.SIGALRM)
    append(file, line, now)
LineFile.append_held = interrupted
analytics.pipeline.sink._handed_over = None  # as a sender has taken that
record()
waiting = [line for file in (data / "spool").iterdir() for line in file.read_bytes().splitlines()]
assert len(waiting) == 3, waiting
print(len(analytics.pipeline.preview), dict(analytics.drops.counts))
"""


def test_a_signal_handler_that_records_waits_for_no_lock_of_the_standard_librarys(
    data: Path,
) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    ran = run(HANDLER, data)
    assert (ran.stdout, ran.stderr) == ("3 {}\n", "")


WAITING = """
import ctypes, resource, sys, threading, time
from pathlib import Path
from dev_analytics.analytics import Analytics
from dev_analytics.delivery import Delivery

analytics = Analytics(Path(sys.argv[1]), delivery=Delivery())
launcher = analytics.pipeline.launcher
launcher._next_start = time.monotonic() + float(sys.argv[2])
waiting = None
def run(*given):
    while True:
        pass
if sys.argv[2] == "0":
    launcher._start = run
launcher.start()
while waiting is None:
    waiting = next(iter(sys._current_frames().keys() - {threading.get_ident()}), None)
assert threading.enumerate() == [threading.main_thread()], "nobody counts or joins it"
"""

ENDED = """
while sys.platform == "linux" and "libgcc_s" not in Path("/proc/self/maps").read_text():
    time.sleep(0.01)
resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
"""

RAISED = """
raised = ctypes.py_object(type("Stop", (BaseException,), {}))
ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(waiting), raised)
while waiting in sys._current_frames():
    time.sleep(0.01)
assert not launcher._planned
"""


@pytest.mark.parametrize(
    ("then", "pause"), [(ENDED, "0"), (RAISED, "0.5")], ids=["nothing to open", "error"]
)
def test_a_thread_of_ours_ends_without_a_word_whatever_ends_it(
    data: Path, then: str, pause: str
) -> None:
    """The end of a process that can open nothing more, or what a user raises in all threads."""
    ran = run(WAITING + then, data, pause)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


class LateError(Exception):
    """What a user's time limit raises."""


def late(*_: object) -> None:
    raise LateError


def test_what_a_signal_handler_raises_at_any_line_of_an_event_reaches_its_caller(
    data: Path,
) -> None:
    """A time limit of the user's that is over while a tool records something is over."""
    ConsentStore(data).agree(NOTICE, date.today())
    analytics = Analytics(data, delivery=Delivery(flush_seconds=1e6))

    def record() -> None:
        analytics.event("cell_executed", outcome="ok", duration_ms=1)

    record()
    before = signal.signal(signal.SIGALRM, late)
    line = 0
    try:
        while True:
            line += 1
            try:
                with raise_at(line, lambda _: signal.raise_signal(signal.SIGALRM)) as reached:
                    next(apart(record))
            except LateError:
                assert reached
            else:
                assert not reached, reached
            if not reached:
                break
    finally:
        signal.signal(signal.SIGALRM, before)
    assert line > 50
    assert sys.exc_info() == (None, None, None), "a later test would see it"
    assert set(analytics.drops.counts) == {"failure inside"}
    assert analytics.drops.counts["failure inside"] <= line


class Odd(threading.Thread):
    """A thread whose comparison is code of the user's."""

    armed = False

    def __hash__(self) -> int:
        if self.armed:
            raise SystemExit("hashed")
        return id(self)

    def __eq__(self, other: object) -> bool:
        if self.armed:
            raise SystemExit("compared")
        return self is other


def test_which_threads_are_older_is_told_without_asking_them() -> None:
    go = threading.Event()
    older, younger = (Odd(target=go.wait) for _ in range(2))
    older.start()
    Odd.armed = True
    try:
        period = Period(Consent(user_id="user"), "archive")
        Odd.armed = False
        younger.start()
        Odd.armed = True
        assert period.is_older(older)
        assert period.is_older(threading.current_thread())
        assert not period.is_older(younger)
    finally:
        Odd.armed = False
        go.set()


def test_an_interrupt_at_any_line_of_a_cells_record_leaves_nobody_waiting(
    data: Path, shell: Any, capsys: Any
) -> None:
    """The cell has run; the next one is recorded, in this thread and in another one."""
    ConsentStore(data).agree(NOTICE, date.today())
    analytics = Analytics(data, delivery=Delivery(flush_seconds=1e6))
    cells = Cells(analytics, shell)
    cells.register()
    shell.run("x = 0")
    line = interrupted = 0
    while True:
        line += 1
        shell.user_ns["value"] = line
        with raise_at(line, KeyboardInterrupt) as reached:
            result = next(apart(lambda: shell.run("x = value")))
        assert result.success
        assert shell.user_ns["x"] == line
        if not reached:
            break
        if "/callbacks.py:" in reached[0]:
            capsys.readouterr()  # nothing can keep an interrupt in its own last line
            continue
        interrupted += 1
        shown = capsys.readouterr()
        assert shown.out + shown.err == "", reached
        other = threading.Thread(
            target=analytics.event,
            args=("cell_executed",),
            kwargs={"outcome": "ok", "duration_ms": 1},
            daemon=True,
        )
        other.start()
        other.join(SECONDS)
        assert not other.is_alive(), reached
    assert interrupted > 50
    shell.run("x = 0")
    assert isinstance(analytics.pipeline.sink, Spool)
    analytics.gate.switch = Switch(False, "the end")
    analytics.pipeline.sink.rest()


def test_threads_are_known_also_where_threading_has_no_list_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a later Python."""
    monkeypatch.setattr(gate, "vars", lambda module: {}, raising=False)
    assert gate._threads() == threading.enumerate()


def test_a_module_that_is_not_built_in_is_imported() -> None:
    """On some systems `time` is an extension."""
    assert fresh_copy("json") is json
    assert fresh_copy("_thread") is not sys.modules["_thread"]
