"""One sender at a time for each destination: quickly decided, and told when it does nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_posthog import KEY, FakePostHog, hang, to_posthog
from processes import senders

from dev_analytics.analytics import Analytics
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import Delivery
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.launcher import Launcher
from dev_analytics.delivery.ledger import read_ledger
from dev_analytics.delivery.locks import holder_of
from dev_analytics.delivery.turns import QUIET_SECONDS, _is_stopped, lock_file, turn, turns
from dev_analytics.destinations import ARCHIVE
from dev_analytics.drops import DropLedger
from dev_analytics.process import detached
from dev_analytics.views.status import sender_trouble

Until = Callable[[Callable[[], bool]], None]

pytestmark = pytest.mark.usefixtures("agreed")


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When a process was started, each time."""
    times: list[float] = []
    spawn = detached.spawn

    def noted(*arguments: Any, **options: Any) -> None:
        times.append(time.monotonic())
        spawn(*arguments, **options)

    monkeypatch.setattr("dev_analytics.process.detached.spawn", noted)
    return times


def test_a_stopped_sender_holds_up_no_other_destination_no_trim_no_opt_out(
    data: Path, posthog: FakePostHog, spool_events: Any, start_sender: Any, until: Until
) -> None:
    spool_events(5, posthog.url)
    posthog.answer(hang)
    stopped = start_sender(posthog.url)
    assert posthog.arrived.wait(240)
    begun = time.time()
    stopped.send_signal(signal.SIGSTOP)
    until(lambda: [each.trouble for each in turns(data)] == ["stopped"])
    (trouble,) = sender_trouble(data)
    assert trouble.startswith(f"stopped (pid {stopped.pid}), no sign of life since 20")
    assert "what waits for PostHog is sent when it is continued" in trouble

    spool_events(3)
    spool_events(4, posthog.url)
    assert start_sender(posthog.url).wait(240) == 0
    assert read_ledger(data).delivered == 3
    assert Backlog(data).trim(0) == 4
    ConsentStore(data).opt_out()
    assert list((data / "spool").iterdir()) == []
    assert time.time() - begun < 60
    posthog.released.set()
    stopped.send_signal(signal.SIGCONT)
    assert stopped.wait(240) == 0
    assert turns(data) == []


def test_a_sender_that_gives_no_sign_of_life_for_long_is_told_of(data: Path) -> None:
    for destination, name in ((ARCHIVE, "the archive"), ("deadbeef", "PostHog")):
        with turn(data, destination):
            assert sender_trouble(data) == []
            long_ago = time.time() - QUIET_SECONDS - 10
            os.utime(lock_file(data, destination), (long_ago, long_ago))
            (trouble,) = sender_trouble(data)
            assert trouble.startswith("hangs")
            assert name in trouble


def test_a_process_that_has_ended_is_not_called_stopped() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not _is_stopped(ended.pid)


LOADED = """
import sys
import json
from dev_analytics.delivery.sender_process import run
run(**json.loads(sys.argv[1]))
print(sorted({"posthog", "requests", "filelock", "sqlite3", "ssl"} & set(sys.modules)))
"""


def test_who_finds_a_sender_at_work_ends_before_anything_heavy_is_imported(
    data: Path, spool_events: Any
) -> None:
    delivery = Delivery(recipient=to_posthog("http://127.0.0.1:9", KEY))
    spool_events(1, "http://127.0.0.1:9")
    spool_events(1)
    options = {"data": str(data), "max_days": 30, "recipient": delivery.recipient}
    with turn(data, delivery.destination), turn(data, ARCHIVE):
        done = subprocess.run(
            [sys.executable, "-P", "-c", LOADED, json.dumps(options)],
            capture_output=True,
            text=True,
        )
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert Backlog(data).count() == 2


def test_none_is_started_while_one_is_at_work(
    data: Path, spool_events: Any, spawned: list[float], until: Until
) -> None:
    launcher = Launcher(data, DropLedger(), Delivery)
    spool_events(1)
    with turn(data, ARCHIVE):
        launcher.start_at_exit()
        assert spawned == []
    launcher.start_at_exit()
    assert len(spawned) == 1
    until(lambda: read_ledger(data).delivered == 1)


def test_an_interval_of_nought_starts_one_in_a_while_and_leaves_nothing(
    data: Path, spawned: list[float], until: Until
) -> None:
    analytics = Analytics(data, delivery=Delivery(flush_seconds=0), strict=True)
    begun, most = time.monotonic(), 0
    for _ in range(100):
        analytics.event("cell_executed", outcome="ok", duration_ms=1)
        most = max(most, len(senders(data)))
    analytics.pipeline.sink.close(at_exit=False)
    until(lambda: Backlog(data).count() == 0)
    assert most <= 3, "one at work, one that starts, and its child"
    assert len(spawned) <= 2 + time.monotonic() - begun
    until(lambda: read_ledger(data).delivered == 100)


def test_a_forked_child_starts_senders_of_its_own(data: Path, until: Until) -> None:
    """A start that a thread of the parent had planned is none of the child's."""
    launcher = Launcher(data, DropLedger(), Delivery)
    launcher.start()
    launcher.start()
    analytics = Analytics(data, delivery=Delivery(flush_seconds=0), strict=True)
    analytics.event("cell_executed", outcome="ok", duration_ms=1)
    analytics.event("cell_executed", outcome="ok", duration_ms=1)
    child = os.fork()
    if child == 0:
        failed = 1
        try:
            analytics.event("cell_executed", outcome="ok", duration_ms=1)
            analytics.pipeline.sink.close(at_exit=False)
            ready = set(Backlog(data).ready())
            # The thread that starts its sender ends with it, and is none that `threading` knows.
            until(lambda: not ready & set(Backlog(data).ready()))
            failed = 0
        finally:
            os._exit(failed)
    assert os.waitpid(child, 0)[1] == 0
    analytics.pipeline.sink.close(at_exit=False)
    until(lambda: read_ledger(data).delivered == 3)


def test_a_child_that_is_forked_during_a_turn_does_not_hold_on_to_it(data: Path) -> None:
    """The user's own: it has every descriptor of its parent for as long as it lives."""
    lock = lock_file(data, ARCHIVE)
    reading, writing = os.pipe()
    with turn(data, ARCHIVE):
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
    assert not holder_of(lock).held
    os.close(writing)
    os.waitpid(child, 0)
    os.close(reading)
