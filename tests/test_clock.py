"""The time that stands in records: the machine's, whoever changes what a cell is told of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import freezegun.config
import pytest
import time_machine
from freezegun import freeze_time

from dev_analytics.analytics import Analytics
from dev_analytics.consent.asking.question import Answer
from dev_analytics.delivery import Delivery
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.bounds import bound
from dev_analytics.observers.cells import Cells
from dev_analytics.process import native
from dev_analytics.process.native import EARLIEST, Clock, seconds, today

MINUTE = 60.0
FAKES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "freezegun, in the past": lambda: freeze_time("1987-03-14 05:06:07"),
    "freezegun, in the future": lambda: freeze_time("2050-03-14", tick=True),
    "time-machine, in the past": lambda: time_machine.travel("1987-03-14", tick=False),
    "time-machine, in the future": lambda: time_machine.travel("2050-03-14"),
    "time-machine, an hour ahead": lambda: time_machine.travel(int(time.time()) + 3600),
}


@pytest.fixture(autouse=True)
def modules_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """freezegun reads every attribute of every module: those of lazy packages import the rest."""
    loaded = {name.partition(".")[0] for name in sys.modules}
    others = loaded - sys.stdlib_module_names - {"dev_analytics", "IPython", Path(__file__).stem}
    names = [name for name in others if not name.startswith("test")]
    ignored = [*freezegun.config.settings.default_ignore_list, *names]
    monkeypatch.setattr(freezegun.config.settings, "default_ignore_list", ignored)


@pytest.fixture(params=list(FAKES))
def faked(request: pytest.FixtureRequest) -> Callable[[], AbstractContextManager[Any]]:
    """Begins another time, as a user does in one cell and ends it in a later one."""
    return FAKES[request.param]


def test_no_time_of_the_users_stands_in_a_record(
    analytics: Analytics, shell: Any, log: Any, faked: Any
) -> None:
    began = time.time()
    cells = Cells(analytics, shell)
    cells.register()
    shell.run("1")
    with faked():
        shell.run("import time; time.sleep(0.01)")
        analytics.event("exited", reason="unloaded", cells=1, duration=analytics.recording.duration)
    shell.run("2")

    for record in log.records:
        told = datetime.fromisoformat(record["timestamp"]).timestamp()
        assert began - 1 <= told <= time.time()
        opened = int(record["properties"]["$session_id"].replace("-", "")[:12], 16) / 1000
        assert began - 1 <= opened <= time.time()
    assert len(log.records) == 4
    assert all(each["duration_ms"] < MINUTE * 1000 for each in log.of("cell executed"))
    assert log.of("exited")[0]["duration"] < MINUTE
    assert not analytics.drops.counts


def test_a_cell_that_begins_before_a_clock_stands_still_lasts_as_long_as_it_does(
    analytics: Analytics, shell: Any, log: Any
) -> None:
    Cells(analytics, shell).register()
    shell.user_ns["frozen"] = freeze_time("1987-03-14")
    shell.run("import time; time.sleep(0.05); frozen.start()")
    shell.user_ns["frozen"].stop()
    (cell,) = log.of("cell executed")
    assert 50 <= cell["duration_ms"] < MINUTE * 1000


def test_nothing_is_lost_as_too_old_while_the_clock_is_in_the_future(
    data: Path, analytics: Analytics
) -> None:
    spool = data / "spool"
    spool.mkdir(parents=True)
    analytics.event("cell_executed", outcome="ok", duration_ms=1)
    (spool / "one.jsonl").write_bytes(analytics.pipeline.preview[-1].record + b"\n")
    os.utime(spool / "one.jsonl", (0, 0))  # only the record's own time says how old it is
    with time_machine.travel("2050-03-14"):
        assert not bound(Backlog(data), Delivery())
    with freeze_time("2050-03-14"):
        assert not bound(Backlog(data), Delivery())
    assert Backlog(data).count() == 1


def test_an_answer_has_the_day_on_which_it_was_given(data: Path, faked: Any) -> None:
    real = date.today()
    with faked():
        analytics = Analytics(data, strict=True)
        analytics.gate.answer(Answer.YES)
        assert analytics.gate.now()[0].collecting
    consent = Analytics(data).gate.now()[1]
    assert consent.answered_on in (real, date.today())


AT_LOAD = """
import sys
from pathlib import Path
from freezegun import freeze_time
frozen = freeze_time("1987-03-14")
frozen.start()
import time
from dev_analytics.process.native import Clock
began = Clock.monotonic(), Clock.perf_counter()
time.sleep(0.01)
assert Clock.monotonic() > began[0] and Clock.perf_counter() > began[1]
from dev_analytics.analytics import Analytics
from dev_analytics.consent.asking.question import Answer
analytics = Analytics(Path(sys.argv[1]), strict=True)
analytics.gate.answer(Answer.YES)
analytics.event("cell_executed", outcome="ok", duration_ms=1)
frozen.stop()
analytics.event("cell_executed", outcome="ok", duration_ms=1)
for each in analytics.pipeline.preview:
    assert each.accepted
    print(each.record.decode())
"""


def test_a_package_that_is_loaded_in_another_time_knows_the_real_one(data: Path) -> None:
    began = time.time()
    ran = subprocess.run(
        [sys.executable, "-c", AT_LOAD, data], capture_output=True, text=True, timeout=240
    )
    assert ran.stderr == ""
    records = list(map(json.loads, ran.stdout.splitlines()))
    assert len(records) == 2
    for record in records:
        assert datetime.fromisoformat(record["timestamp"]).timestamp() > began - 1


BELOW = """
import time
from dev_analytics.process.native import Clock, seconds
assert Clock.is_faked
began = Clock.monotonic()
time.sleep(0.05)
print(seconds(), Clock.perf_counter() - began)
"""


@pytest.mark.skipif(not Path("/proc/uptime").exists(), reason="no kernel that writes its times")
def test_below_a_c_library_that_lies_the_kernel_is_asked() -> None:
    """The library is not there: what counts is that none of its times is believed."""
    ran = subprocess.run(
        [sys.executable, "-c", BELOW],
        env={**os.environ, "LD_PRELOAD": "/nowhere/libfaketime.so.1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    now, lasted = map(float, ran.stdout.split())
    assert abs(now - time.time()) < MINUTE
    assert 0.03 <= lasted < MINUTE


def test_without_a_kernel_that_tells_a_time_there_is_no_record_but_a_count(
    analytics: Analytics, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Clock, "is_faked", True)
    monkeypatch.setattr(Clock, "time", lambda: 0.0)
    analytics.event("cell_executed", outcome="ok", duration_ms=1)
    assert log.records == []
    assert analytics.drops.counts == {"a time that cannot be": 1}


def test_a_kernel_without_times_in_text_tells_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that hides them."""

    def read(file: Path, encoding: str) -> str:
        raise FileNotFoundError(2, "No such file or directory")

    for name in ("time", "monotonic", "perf_counter", "is_faked"):
        monkeypatch.setattr(Clock, name, getattr(Clock, name))
    monkeypatch.setattr(Path, "read_text", read)
    native._ask_kernel()
    assert Clock.is_faked
    assert seconds() == 0


def test_a_time_that_no_calendar_has_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock, "time", lambda: 1e20)
    assert abs(seconds() - time.time()) < MINUTE


def set_to(monkeypatch: pytest.MonkeyPatch, now: float) -> None:
    """Set the machine's clock, as NTP or its user does: all that tells the time says so."""
    ahead, real, written = now - Clock.time(), Clock.time, Clock.ctime
    monkeypatch.setattr(Clock, "time", lambda: real() + ahead)
    monkeypatch.setattr(Clock, "ctime", lambda *at: written(*(at or (real() + ahead,))))


def test_a_clock_that_was_set_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    for now in (time.time() + 5, time.time() - 3600, EARLIEST + 86_400):
        with monkeypatch.context() as patch:
            set_to(patch, now)
            assert abs(seconds() - now) < MINUTE
            assert today() == date.fromtimestamp(seconds())


@pytest.mark.parametrize("now", [0.0, EARLIEST - 86_400, 5e9])
def test_a_time_that_cannot_be_is_counted_and_a_later_right_one_recorded(
    analytics: Analytics, log: Any, monkeypatch: pytest.MonkeyPatch, now: float
) -> None:
    """As on a small machine without a battery, until it has asked the network."""
    with monkeypatch.context() as patch:
        set_to(patch, now)
        analytics.event("cell_executed", outcome="ok", duration_ms=1)
    analytics.event("cell_executed", outcome="ok", duration_ms=1)
    assert [record["properties"]["seq"] for record in log.records] == [1]
    assert analytics.drops.counts == {"a time that cannot be": 1}


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/St_Johns", "no such zone"])
def test_another_time_zone_changes_no_time(
    analytics: Analytics, log: Any, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        with time_machine.travel("1987-03-14", tick=False):
            analytics.event("cell_executed", outcome="ok", duration_ms=1)
        analytics.event("cell_executed", outcome="ok", duration_ms=1)
    finally:
        monkeypatch.undo()
        time.tzset()
    for record in log.records:
        told = datetime.fromisoformat(record["timestamp"]).timestamp()
        assert abs(told - time.time()) < MINUTE


LOCALIZED = """
import locale, sys
from pathlib import Path
from dev_analytics.analytics import Analytics
from dev_analytics.process.native import Clock
locale.setlocale(locale.LC_ALL, "made")
assert locale.str(1.5) == "1,5", "it is in force"
analytics = Analytics(Path(sys.argv[1]), strict=True)
analytics.log_to(Path(sys.argv[1]) / "log.jsonl")
analytics.recording
begun = Clock.monotonic()
Clock.monotonic = lambda: begun + 60  # no time in a record is longer than its recording lasts
for _ in range(1000):
    analytics.event("cell_executed", outcome="ok", duration_ms=1)
analytics.event("exited", reason="unloaded", cells=1000, duration=1.5)
"""


@pytest.mark.skipif(
    not Path("/usr/share/i18n/locales/de_DE").exists(),
    reason="no sources of locales (Debian, Ubuntu: apt install locales)",
)
def test_another_locale_changes_no_record(tmp_path: Path) -> None:
    """One of a comma in its numbers and words of its own in its dates, made for the test."""
    made = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(tmp_path / "made")]
    subprocess.run(made, check=True, capture_output=True)
    env = {**os.environ, "LOCPATH": str(tmp_path)}
    subprocess.run([sys.executable, "-c", LOCALIZED, tmp_path], env=env, check=True)
    record = json.loads((tmp_path / "log.jsonl").read_bytes().splitlines()[-1])
    assert abs(datetime.fromisoformat(record["timestamp"]).timestamp() - time.time()) < MINUTE
    assert (record["properties"]["cells"], record["properties"]["duration"]) == (1000, 2)
