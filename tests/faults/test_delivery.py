"""Full disks, read-only folders, wrong clocks, newer versions: no crash, no word, all counted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from processes import senders

from dev_analytics import NOTICE
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.ledger import Ledger, change_ledger, read_ledger

Until = Callable[[Callable[[], bool]], None]

YEAR = 365 * 86_400

EVENTS = """
import os, sys, time
from pathlib import Path
from dev_analytics import Analytics
analytics = Analytics()
data = Path(os.environ["DEV_ANALYTICS_DIR"])
def events(number):
    for _ in range(number):
        analytics.event("cell_executed", outcome="ok", duration_ms=1)
def dropped():
    return {**analytics.drops.counts}
"""


@pytest.fixture(autouse=True)
def agreed(data: Path) -> Iterator[ConsentStore]:
    store = ConsentStore(data)
    store.agree(NOTICE, date.today())
    yield store
    for process in senders(data):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def run(code: str, **options: Any) -> str:
    """Run a process with events; what it says beside its own words fails."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [sys.executable, "-c", EVENTS + code], capture_output=True, text=True, **options
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def rows(data: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(data / "archive.sqlite", timeout=60)) as archive:
        return archive.execute(query).fetchall()


def delivered(data: Path, until: Until, number: int) -> None:
    until(lambda: read_ledger(data).delivered == number)
    until(lambda: not Backlog(data).files())
    assert rows(data, "SELECT count(*) FROM events") == [(number,)]


FULL = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
events(1)
(file,) = (data / "spool").iterdir()
one = file.stat().st_size
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (one * 10 + one // 2, limit[1]))
events(20)
assert file.read_bytes().endswith(b"\\n")
assert file.read_bytes().count(b"\\n") in (9, 10), file.read_bytes().count(b"\\n")
kept = file.read_bytes().count(b"\\n")
resource.setrlimit(resource.RLIMIT_FSIZE, limit)
events(5)
assert file.read_bytes().count(b"\\n") == kept + 5
assert dropped() == {"disk error": 21 - kept}, dropped()
analytics.pipeline.sink.close(at_exit=True)
print(kept)
"""


def test_a_full_disk_loses_and_counts_what_did_not_fit_and_nothing_else(
    data: Path, until: Until
) -> None:
    kept = int(run(FULL))
    delivered(data, until, kept + 5)
    assert read_ledger(data).dropped == {"disk error": 21 - kept}


def test_a_kernel_on_a_full_disk_shows_nothing(kernel: Any, data: Path, until: Until) -> None:
    running = kernel(None, "--HistoryManager.hist_file=:memory:")
    running.run("%load_ext dev_analytics")
    running.run(
        """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, limit[1]))
"""
    )
    shown = running.run("1 + 1")
    assert (shown.status, shown.text) == ("ok", "2")
    shown = running.run("1 / 0")
    assert shown.text.count("Traceback") == 1
    assert "dev_analytics" not in shown.text
    shown = running.run("resource.setrlimit(resource.RLIMIT_FSIZE, limit)")
    assert (shown.status, shown.text) == ("ok", "")
    running.stop()
    until(lambda: read_ledger(data).dropped.get("disk error", 0) >= 2)
    until(lambda: not Backlog(data).files())
    assert ("exited",) in rows(data, "SELECT event FROM events")


@pytest.fixture
def nobody_s(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data directory of a user whom modes bind, also where the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="dev-analytics-"))
    folder.chmod(0o755)
    data = folder / "data"
    ConsentStore(data).agree(NOTICE, date.today())
    (data / "spool").mkdir()
    if os.geteuid() == 0:
        for path in (folder, data, *data.rglob("*")):
            os.chown(path, 65534, 65534)
    monkeypatch.setenv("DEV_ANALYTICS_DIR", str(data))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(folder))
    yield data
    subprocess.run(["chmod", "-R", "u+rwx", str(folder)], check=True)
    shutil.rmtree(folder)


# The import is done before, as another user may not read where the package is.
NOBODY = """
import filelock, sqlite3, dev_analytics.pipeline
from dev_analytics.destinations.archive_file import Archive
from dev_analytics.delivery.ledger import read_ledger
from dev_analytics.delivery.sender import Sender
if os.geteuid() == 0:
    os.setgid(65534); os.setuid(65534)
"""


def test_a_read_only_spool_takes_nothing_and_that_is_counted_for_later(nobody_s: Path) -> None:
    shown = run(
        NOBODY
        + """
(data / "spool").chmod(0o500)
events(3)
analytics.pipeline.sink.resume()
analytics.pipeline.sink.close(at_exit=True)
assert dropped() == {"disk error": 3}, dropped()
print(read_ledger(data).dropped)
""",
        cwd="/",
    )
    assert shown == "{'disk error': 3}"
    assert list((nobody_s / "spool").iterdir()) == []


def test_a_spool_that_becomes_read_only_keeps_what_it_has(nobody_s: Path) -> None:
    """What may not be renamed or deleted stays; nothing is written to the terminal for it."""
    shown = run(
        NOBODY
        + """
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery import Delivery
import time
from dev_analytics.delivery import spool
events(3)
(data / "spool" / "other.jsonl").write_bytes(b"x\\n" * 2000)
(data / "spool").chmod(0o500)
events(2)
analytics.delivery = Delivery(flush_seconds=0, max_mib=0.001)
spool.MAX_BYTES = 10
events(1)
analytics.pipeline.launcher.bound_spool(at_once=True)
events(2)
analytics.pipeline.sink.close(at_exit=True)
deadline = time.monotonic() + 120
while Backlog(data).ready() != [data / "spool" / "other.jsonl"]:
    assert time.monotonic() < deadline, "a thread that bounds the spool has it for a moment"
print(Backlog(data).count(), dropped())
""",
        cwd="/",
    )
    assert shown == "2006 {'disk error': 2}"


def test_a_file_of_another_user_in_the_spool_is_left_alone(nobody_s: Path) -> None:
    """As ``sudo ipython`` leaves one: the sender does not try for it without end."""
    foreign = nobody_s / "spool" / "foreign.jsonl"
    foreign.write_bytes(b"{}\n")
    foreign.chmod(0)
    shown = run(
        NOBODY
        + """
events(3)
analytics.pipeline.launcher.start_at_exit = lambda: None
analytics.pipeline.sink.close(at_exit=True)
Sender(data, Archive(data), max_days=30).run()
print(read_ledger(data).delivered)
""",
        cwd="/",
        timeout=240,
    )
    assert shown == "3"
    assert foreign.exists()


def test_a_kernel_whose_data_directory_is_deleted_goes_on_without_a_word(
    kernel: Any, data: Path
) -> None:
    running = kernel(None, "--DevAnalytics.flush_interval=0")
    running.run("%load_ext dev_analytics")
    running.run("1")
    shutil.rmtree(data, ignore_errors=True)
    shutil.rmtree(data, ignore_errors=True)
    shown = running.run("1 + 1")
    assert (shown.status, shown.text) == ("ok", "2")
    assert "ZeroDivisionError" in running.run("1 / 0").text
    running.stop()
    assert not list(data.rglob("*.jsonl")), "the yes is gone with it"


@pytest.mark.parametrize("when", ["before the first event", "between two"])
def test_a_deleted_spool_is_made_again(data: Path, until: Until, when: str) -> None:
    run(
        f"""
import shutil
from dev_analytics.delivery import Delivery
events({1 if when == "between two" else 0})
shutil.rmtree(data / "spool", ignore_errors=True)
analytics.delivery = Delivery(flush_seconds=0)
analytics.pipeline.sink._due = 0.0
events(1)
analytics.delivery = Delivery()
events(3)
analytics.pipeline.sink.close(at_exit=True)
assert set(dropped()) <= {{"deleted from the spool by somebody"}}, dropped()
"""
    )
    total = 5 if when == "between two" else 4

    def counted() -> bool:
        ledger = read_ledger(data)
        return ledger.delivered + sum(ledger.dropped.values()) == total

    until(counted)
    assert read_ledger(data).delivered in (3, 4)
    until(lambda: not Backlog(data).files())


CLOCK = """
from dev_analytics.process.native import Clock
real, written = Clock.time, Clock.ctime
Clock.time = lambda: real() + {shift}
Clock.ctime = lambda *seconds: written(*(seconds or (real() + {shift},)))
"""


@pytest.mark.parametrize("shift", [-YEAR, YEAR])
def test_a_clock_that_jumps_by_a_year_stops_no_writer(data: Path, until: Until, shift: int) -> None:
    """Half of the events before the jump: a time that may be is believed."""
    run(
        f"events(50)\n{CLOCK.format(shift=shift)}\nevents(50)\nanalytics.pipeline.sink.close(at_exit=True)"
    )
    if shift > 0:
        delivered(data, until, 100)
    else:
        delivered(data, until, 50)
        # There was no version of this package then.
        until(lambda: read_ledger(data).dropped == {"a time that cannot be": 50})


@pytest.mark.parametrize("shift", [-YEAR, YEAR])
def test_files_of_another_year_are_delivered(data: Path, until: Until, shift: int) -> None:
    run("events(10); os._exit(0)")
    (file,) = Backlog(data).files()
    when = file.stat().st_mtime + shift
    os.utime(file, (when, when))
    os.utime(data / "spool", (when, when))
    run("events(10); analytics.pipeline.sink.close(at_exit=True)")
    delivered(data, until, 20)


def test_an_opt_out_is_seen_whatever_the_clock_says(data: Path) -> None:
    run(
        f"""
from dev_analytics.consent.store import ConsentStore
events(5)
{CLOCK.format(shift=-YEAR)}
events(5)
assert list((data / "spool").iterdir())
ConsentStore(data).opt_out()
events(1)
analytics.pipeline.sink.close(at_exit=True)
assert not list((data / "spool").iterdir())
"""
    )


def test_a_clock_set_back_ends_no_delivery(data: Path, until: Until) -> None:
    """A pause that a destination asked for is never longer than a day."""
    import time

    change_ledger(data, lambda _: Ledger(not_before=int(time.time()) + YEAR))
    run("events(3); analytics.pipeline.sink.close(at_exit=True)")
    delivered(data, until, 3)


NEWER: dict[str, Any] = {
    "uuid": "00000000-0000-4000-8000-000000000001",
    "timestamp": "2099-01-01T00:00:00+00:00",
    "event": "holodeck entered",
    "new_field": [1, {"deep": None}],
    "properties": {
        "programme": 7,
        "$session_id": "01990000-0000-7000-8000-000000000000",
        "seq": 1,
        "$lib_version": "99.0.0",
    },
}


def test_records_of_a_newer_version_wait_for_a_sender_that_knows_them(
    data: Path, until: Until, agreed: ConsentStore
) -> None:
    """This one cannot tell what they may say, so it lets nothing of them out."""
    newer = {**NEWER, "distinct_id": agreed.read().user_id}
    known = {
        **newer,
        "uuid": "00000000-0000-4000-8000-000000000002",
        "event": "cell executed",
        "properties": {**NEWER["properties"], "outcome": "transcended", "duration_ms": "long"},
    }
    (data / "spool").mkdir()
    whole = [json.dumps(newer), json.dumps(known)]
    lines = [*whole, "[]", "\ufeff{", '{"event": 1}', "[" * 100_000]
    (data / "spool" / "newer.jsonl").write_text("\n".join(lines) + '\n{"torn": ')
    run("events(1); analytics.pipeline.sink.close(at_exit=True)")
    until(lambda: read_ledger(data).delivered == 1)
    until(lambda: read_ledger(data).dropped == {"invalid": 5})
    until(lambda: senders(data) == [])
    assert sorted(Backlog(data).records()) == sorted(line.encode() for line in whole)
    assert rows(data, "SELECT event FROM events") == [("cell executed",)]


FULL_QUARANTINE = """
import resource, signal
from dev_analytics.delivery.sender import Sender
from dev_analytics.destinations.transport import Unacceptable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
class Picky:
    batch_size = 50
    def deliver(self, records):
        if bad in records: raise Unacceptable("no")
        taken.extend(records)
taken = []
launcher = analytics.pipeline.launcher
launcher.start = launcher.start_at_exit = launcher.start_at_unload = lambda: None
events(100)
analytics.pipeline.sink.close(at_exit=False)
(file,) = (data / "spool").iterdir()
records = file.read_bytes().splitlines()
bad = records[50]
(data / "quarantine").write_bytes(b"x" * 30_000 + b"\\n")
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, limit[1]))
Sender(data, Picky(), max_days=30).run()
resource.setrlimit(resource.RLIMIT_FSIZE, limit)
waiting = [line for file in (data / "spool").glob("*") for line in file.read_bytes().splitlines()]
# Where nothing could be noted, it would be sent again by each sender.
assert set(taken) == (set(records) - {{bad}} if {room} else set())
assert bad in waiting, "it is nowhere else"
assert (data / "quarantine").stat().st_size == 30_001
taken.clear()
Sender(data, Picky(), max_days=30).run()
assert set(taken) == set(waiting) - {{bad}}
print(len(waiting))
"""


@pytest.mark.parametrize(("room", "left", "then"), [(30_010, 1, 1), (0, 100, 0)])
def test_what_cannot_be_put_aside_on_a_full_disk_stays(
    data: Path, room: int, left: int, then: int
) -> None:
    """Alone where there is room for one record, and else with all of its file.

    With room again, and others that are taken, it is put aside.
    """
    assert run(FULL_QUARANTINE.format(room=room)) == str(left)
    assert Backlog(data).count() == then
    assert (data / "quarantine").read_bytes().count(b"\n") == 2 - then


@pytest.mark.parametrize(
    "ledger", ['{"delivered": "many"}', "", "[]", '{"new": {"x": 1}, "delivered": 1}', "[" * 99_999]
)
def test_a_ledger_that_cannot_be_read_stops_nothing(data: Path, until: Until, ledger: str) -> None:
    (data / "ledger.json").write_text(ledger)
    before = 1 if '"delivered": 1' in ledger else 0
    run("events(3); analytics.pipeline.sink.close(at_exit=True)")
    until(lambda: read_ledger(data).delivered == before + 3)


def test_a_kernel_that_may_open_no_socket_delivers_all_the_same(
    kernel: Any, data: Path, until: Until
) -> None:
    running = kernel(None, "--DevAnalytics.flush_interval=0.2")
    running.run(
        """
import socket
def refuse(*arguments, **options): raise PermissionError("no socket for you")
socket.socket = socket.create_connection = socket.getaddrinfo = refuse
"""
    )
    assert running.run("%load_ext dev_analytics").text == ""
    assert running.run("socket.socket()").status == "error"
    shown = running.run(
        """
import time
from dev_analytics import get_analytics
for _ in range(100): get_analytics().event("cell_executed", outcome="ok", duration_ms=1)
get_analytics().drops.counts
"""
    )
    assert shown.text == "Counter()"
    running.stop()
    until(lambda: ("exited",) in rows(data, "SELECT event FROM events") if archive(data) else False)
    assert rows(data, "SELECT count(*) FROM events")[0][0] > 100


def archive(data: Path) -> bool:
    return read_ledger(data).delivered > 0


def test_drops_before_a_fork_are_counted_once(data: Path) -> None:
    """Parent and child both store what they counted."""
    run(
        """
events(1)
analytics.event("no such event")
child = os.fork()
events(1)
analytics.pipeline.launcher.store_drops()
if child:
    os.waitpid(child, 0)
else:
    os._exit(0)
"""
    )
    assert read_ledger(data).dropped == {"invalid": 1}


def test_drops_of_a_user_who_has_not_agreed_write_nothing(data: Path, agreed: ConsentStore) -> None:
    shutil.rmtree(data)
    run(
        'analytics.event("no such event"); analytics.pipeline.sink.close(at_exit=True)\n'
        "assert dropped()"
    )
    assert not data.exists()


def test_where_no_process_can_be_started_status_says_so(data: Path) -> None:
    shown = run(
        """
from dev_analytics.views.status import status
def refuse(event, given):
    if event == "os.posix_spawn":
        raise OSError(11, "Resource temporarily unavailable")
sys.addaudithook(refuse)
events(3)
analytics.pipeline.sink.close(at_exit=True)
assert analytics.pipeline.launcher.failure
print(status(analytics, analytics.gate.now()[0]))
"""
    )
    assert "Resource temporarily unavailable" in shown
    assert Backlog(data).count() == 3
