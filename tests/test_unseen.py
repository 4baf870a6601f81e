"""A sender is nobody's child: the user's code sees none of ours, whatever it does to see them."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from dev_analytics import NOTICE
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.process import unseen_child
from dev_analytics.process.native import system
from dev_analytics.process.unseen_child import adopts_orphans, run_unseen

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux knows children whose end is told to nobody"
)


@pytest.fixture(autouse=True)
def agreed(data: Path) -> None:
    ConsentStore(data).agree(NOTICE, date.today())


SESSION = """
import asyncio, multiprocessing, os, signal, sys, threading, time
from dev_analytics import get_analytics
from dev_analytics.delivery.ledger import read_ledger
from dev_analytics.delivery import Delivery

analytics = get_analytics()
analytics.delivery = Delivery(flush_seconds=1e6)
launcher = analytics.pipeline.launcher
blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
seen = []

def deliver(start):
    before = read_ledger(analytics.data).delivered
    analytics.event("cell_executed", outcome="ok", duration_ms=1)
    analytics.pipeline.sink.rest()
    start()
    deadline = time.monotonic() + 120
    while read_ledger(analytics.data).delivered == before:
        assert time.monotonic() < deadline, launcher.failure
        time.sleep(0.01)
"""

WAITED_FOR = """
signal.signal(signal.SIGCHLD, lambda *given: seen.append("SIGCHLD"))
over = threading.Event()

def wait():
    while not over.is_set():
        try:
            seen.append(("wait", os.wait()))
        except ChildProcessError:
            time.sleep(0.0001)

waiting = threading.Thread(target=wait)
waiting.start()
for start in (launcher.start_at_exit, launcher.start):
    deliver(start)
    seen += multiprocessing.active_children()
over.set()
waiting.join()
assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == blocked
print(seen, launcher.failure)
"""

IGNORED = """
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
deliver(launcher.start_at_exit)
print(seen, launcher.failure)
"""

WATCHED = """
import logging
# It waits for any child, and says so where it gets one that it does not know.
logging.basicConfig(level="WARNING", stream=sys.stdout)
kind = getattr(asyncio, "FastChildWatcher", None)

async def main():
    if kind is not None:
        watcher = kind()
        watcher.attach_loop(asyncio.get_running_loop())
        asyncio.set_child_watcher(watcher)
    for number in range(5):
        own = await asyncio.create_subprocess_exec("/bin/sh", "-c", f"exit {number}")
        deliver(launcher.start_at_exit)
        assert await own.wait() == number

asyncio.run(main())
print(seen, launcher.failure)
"""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SESSION + code],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


GONE = """
import tempfile
gone = tempfile.mkdtemp()
os.chdir(gone)
os.rmdir(gone)
for start in (launcher.start_at_exit, launcher.start):
    deliver(start)
print(seen, launcher.failure)
"""


@pytest.mark.parametrize(
    "code", [WAITED_FOR, IGNORED, WATCHED, GONE], ids=["waits", "ignores", "loop", "folder is gone"]
)
def test_nobody_sees_the_process_that_starts_a_sender(code: str) -> None:
    assert run(code) == "[] \n"


ADOPTS = """
import ctypes
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
signal.signal(signal.SIGCHLD, lambda *given: seen.append("SIGCHLD"))
analytics.event("cell_executed", outcome="ok", duration_ms=1)
analytics.pipeline.sink.rest()
launcher._start()
assert launcher.failure
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print(seen, launcher.failure)
"""


def test_a_process_that_gets_what_others_leave_is_given_no_sender(data: Path) -> None:
    """The first process of a container, and who asked for it."""
    why = "it would become a child of this process, and is started at its end"
    assert run(ADOPTS) == f"[] {why}\n"
    assert Backlog(data).count() == 1


REFUSES = """
def refuse(event, given):
    if event in ("os.posix_spawn", "subprocess.Popen", "os.fork"):
        raise PermissionError(1, "no process from here")
sys.addaudithook(refuse)
analytics.event("cell_executed", outcome="ok", duration_ms=1)
analytics.pipeline.sink.rest()
launcher.start_at_exit()
print(seen, launcher.failure)
"""


def test_an_audit_hook_that_refuses_processes_refuses_this_one(data: Path) -> None:
    assert run(REFUSES) == "[] no process from here\n"
    assert Backlog(data).count() == 1


def test_where_the_system_has_no_such_child_it_is_over_at_once(
    data: Path,
) -> None:
    code = (
        SESSION
        + "from dev_analytics.process import detached\ndetached.run_unseen = lambda command: 0\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code + "deliver(launcher.start_at_exit)\nprint(os.wait())"],
        capture_output=True,
        text=True,
    )
    assert "ChildProcessError" in done.stderr, "it was waited for"
    assert Backlog(data).count() == 0


def test_an_interrupt_that_comes_as_signals_are_blocked_leaves_none_blocked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python raises what is due as it blocks signals, and has blocked them by then."""
    block = signal.pthread_sigmask
    before = block(signal.SIG_BLOCK, [])

    def interrupted(how: int, mask: Iterable[int]) -> set[int | signal.Signals]:
        blocked = block(how, mask)
        if how == signal.SIG_BLOCK and mask:
            raise KeyboardInterrupt
        return blocked

    monkeypatch.setattr(signal, "pthread_sigmask", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_unseen("true")
    assert block(signal.SIG_BLOCK, []) == before


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The C library, of which a test can replace functions."""
    found = ctypes.CDLL(None, use_errno=True)
    own = SimpleNamespace(clone=found.clone, system=found.system, prctl=found.prctl)
    monkeypatch.setattr(unseen_child, "_library", lambda: own)
    return own


def test_a_shell_that_could_not_be_started_is_an_error(library: SimpleNamespace) -> None:
    library.system = ctypes.CDLL(None).atoi
    assert run_unseen("0")
    with pytest.raises(OSError, match=os.strerror(errno.EAGAIN)):
        run_unseen("1")


def test_a_system_that_makes_no_such_child_is_told_from_one_that_makes_no_more(
    library: SimpleNamespace,
) -> None:
    def refused(number: int) -> Callable[..., int]:
        return lambda *given: min(-1, ctypes.set_errno(number))

    library.clone = refused(errno.ENOSYS)
    assert not run_unseen("true")
    library.clone = refused(errno.ENOMEM)
    with pytest.raises(OSError, match=os.strerror(errno.ENOMEM)):
        run_unseen("true")


def test_the_first_process_of_a_container_adopts_orphans(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not adopts_orphans()
    monkeypatch.setattr(system, "getpid", lambda: 1)
    assert adopts_orphans()


def test_without_a_c_library_no_child_is_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a Python that was linked statically."""

    def load(name: str | None, **options: object) -> None:
        raise OSError("dynamic loading is not supported")

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert not run_unseen("true")
    assert not adopts_orphans()
