"""The spool's writer: one file for each process, one ``write`` for each record, purged at once."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fake_posthog import to_posthog
from processes import descriptors

from dev_analytics import NOTICE
from dev_analytics.analytics import Analytics
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import LIVE, Delivery
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.bounds import bound
from dev_analytics.delivery.launcher import Launcher
from dev_analytics.delivery.ledger import add_to_ledger, read_ledger
from dev_analytics.delivery.lines import LOOK_SECONDS, LineFile
from dev_analytics.delivery.locks import holding
from dev_analytics.delivery.pending import Change
from dev_analytics.delivery.progress import lines
from dev_analytics.delivery.spool import MAX_BYTES, Spool
from dev_analytics.delivery.writers import writers
from dev_analytics.destinations import ARCHIVE
from dev_analytics.destinations.posthog import HOST
from dev_analytics.drops import DropLedger
from dev_analytics.process.native import Clock

Until = Callable[[Callable[[], bool]], None]

USER = "5c1b0b3e-0000-4000-8000-000000000000"


class Started(Launcher):
    """A launcher that counts instead of starting a process."""

    def __init__(self, data: Path) -> None:
        super().__init__(data, DropLedger(), lambda: self.told)
        self.told = Delivery()
        self.times = 0

    def start(self) -> None:
        self.times += 1

    start_at_exit = start_at_unload = start


@pytest.fixture
def launcher(data: Path) -> Started:
    return Started(data)


@pytest.fixture
def spool(data: Path, launcher: Started) -> Iterator[Spool]:
    spool = Spool(data, launcher)
    yield spool
    spool.purge()


def due(launcher: Started, seconds: float) -> None:
    launcher.told = Delivery(flush_seconds=seconds)


def names(data: Path) -> list[str]:
    return [file.name for file in Backlog(data).files()]


def waiting(data: Path) -> list[bytes]:
    return list(Backlog(data).records())


def test_a_record_is_on_disk_when_accept_returns(data: Path, spool: Spool) -> None:
    spool.accept(b"one", USER, ARCHIVE)
    spool.accept(b"two", USER, ARCHIVE)
    (file,) = Backlog(data).files()
    assert file.read_bytes() == b"one\ntwo\n"
    assert file.name.endswith(LIVE)


def test_no_file_is_handed_over_while_a_thread_appends_to_it(
    data: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.accept(b"one", USER, ARCHIVE)
    append, other = LineFile.append_held, threading.Thread(target=spool.rest)

    def slowly(file: LineFile, line: bytes, now: float) -> None:
        other.start()
        other.join(0.1)
        append(file, line, now)

    monkeypatch.setattr(LineFile, "append_held", slowly)
    spool.accept(b"two", USER, ARCHIVE)
    other.join()
    (file,) = Backlog(data).files()
    assert file.read_bytes() == b"one\ntwo\n"
    assert not file.name.endswith(LIVE)


def test_folder_and_file_are_the_user_s_alone_whatever_the_umask(data: Path, spool: Spool) -> None:
    before = os.umask(0)
    try:
        spool.accept(b"one", USER, ARCHIVE)
    finally:
        os.umask(before)
    (file,) = Backlog(data).files()
    assert stat.S_IMODE(data.joinpath("spool").stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


WRITES = """
import sys
from pathlib import Path
from dev_analytics.delivery.spool import Spool
from dev_analytics.delivery.launcher import Launcher
from dev_analytics.delivery import Delivery
from dev_analytics.drops import DropLedger
data = Path(sys.argv[1])
spool = Spool(data, Launcher(data, DropLedger(), Delivery))
spool.accept(b"first", "user", "archive")
import os, posix
from dev_analytics.delivery import lines
seen = []
write = lines.append_now
assert write is posix.write
lines.append_now = lambda at, content: seen.append(bytes(content)) or write(at, content)
opened = []
sys.addaudithook(lambda name, of: opened.append(of) if name == "open" else None)
for number in range(100):
    spool.accept(b"record %d" % number, "user", "archive")
assert seen == [b"record %d\\n" % number for number in range(100)], seen
assert opened == [], opened
import fcntl
flags = fcntl.fcntl(spool._file.descriptor, fcntl.F_GETFL)
assert flags & os.O_APPEND
assert not os.get_inheritable(spool._file.descriptor)
loaded = {"sqlite3", "mmap", "filelock", "posthog", "requests", "socket", "ssl"} & set(sys.modules)
print(sorted(loaded))
"""


def test_a_record_is_one_write_to_an_open_file_and_needs_no_database(data: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WRITES, data], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_kernel_maps_no_file_of_the_data_directory(kernel: Any, data: Path) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    running = kernel()
    running.run("%load_ext dev_analytics")
    running.run("1 / 0")
    assert waiting(data)
    process = running.manager.provisioner.pid
    assert str(data) not in Path(f"/proc/{process}/maps").read_text()
    held = {one for one in descriptors(process) if one.startswith(str(data))}
    # The folder of the consent is open while that is two seconds old.
    assert held - {str(data / "consent")} == {str(Backlog(data).files()[0])}
    shown = running.run("import sys; print({'posthog', 'requests', 'httpx'} & set(sys.modules))")
    assert shown.text == "set()\n"


def test_each_process_writes_a_file_of_its_own(data: Path) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    code = """
from dev_analytics import get_analytics
get_analytics().event("cell_executed", outcome="ok", duration_ms=1)
"""
    for _ in range(3):
        subprocess.run([sys.executable, "-c", code], check=True)
    assert len(names(data)) == len(waiting(data)) == 3


def test_a_forked_child_writes_its_own_file_and_lets_go_of_its_parent_s(
    data: Path, spool: Spool
) -> None:
    spool.accept(b"parent", USER, ARCHIVE)
    (file,) = Backlog(data).files()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            spool.after_fork()
            held = {os.path.realpath(one) for one in Path("/proc/self/fd").iterdir()}
            spool.accept(b"child", USER, ARCHIVE)
            os.write(writing, b"let go" if str(file) not in held else b"kept")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with open(reading, "rb") as answer:
        assert answer.read() == b"let go"
    spool.accept(b"parent again", USER, ARCHIVE)
    assert file.read_bytes() == b"parent\nparent again\n"
    assert sorted(waiting(data)) == [b"child", b"parent", b"parent again"]


def test_a_torn_last_line_and_an_empty_one_are_no_records(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"whole\n\nlast whole\ntor")
    assert list(lines(tmp_path / "file")) == [b"whole", b"last whole"]


def test_a_live_file_is_its_writer_s_alone(data: Path, spool: Spool) -> None:
    spool.accept(b"one", USER, ARCHIVE)
    (file,) = Backlog(data).files()
    assert Backlog(data).ready() == []
    with holding(file) as held:
        assert not held
    assert Backlog(data).files() == [file]


def test_nothing_is_due_before_its_time(data: Path, spool: Spool, launcher: Started) -> None:
    due(launcher, 3600)
    for _ in range(10):
        spool.accept(b"record", USER, ARCHIVE)
    assert launcher.times == 0
    assert Backlog(data).ready() == []


def test_after_its_time_a_file_is_the_sender_s(data: Path, spool: Spool, launcher: Started) -> None:
    due(launcher, 0)
    spool.accept(b"record", USER, ARCHIVE)
    assert launcher.times == 1
    (file,) = Backlog(data).ready()
    assert file.read_bytes() == b"record\n"
    with holding(file) as held:
        assert held, "the writer still has the lock"


def test_a_process_that_handed_a_file_over_is_still_seen_to_record(
    data: Path, spool: Spool, launcher: Started
) -> None:
    due(launcher, 0)
    spool.accept(b"record", USER, ARCHIVE)
    states = sorted((each.state, each.waiting) for each in writers(data))
    assert states == [("ended", 1), ("recording", 0)]
    assert len(names(data)) == 1, "a file without records is none that waits"
    spool.close(at_exit=True)
    assert [(each.state, each.waiting) for each in writers(data)] == [("ended", 1)]
    assert len(list((data / "spool").iterdir())) == 1


def test_one_that_is_off_is_not_and_what_it_recorded_before_waits(
    data: Path, spool: Spool, launcher: Started
) -> None:
    spool.accept(b"record", USER, ARCHIVE)
    spool.rest()
    assert [(each.state, each.waiting) for each in writers(data)] == [("ended", 1)]
    spool.close(at_exit=True)
    assert launcher.times == 1


def test_the_empty_file_of_a_process_that_is_gone_is_deleted(data: Path, spool: Spool) -> None:
    (data / "spool").mkdir(parents=True)
    (data / "spool" / f"gone{LIVE}").touch()
    assert writers(data) == []
    assert Backlog(data).ready() == []
    assert list((data / "spool").iterdir()) == []


def test_a_record_waits_from_when_it_came_and_not_from_when_its_file_was_made(
    data: Path, spool: Spool, launcher: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    for now, started in ((0.0, 0), (60.0, 1), (300.0, 1), (360.0, 2)):
        monkeypatch.setattr(Clock, "monotonic", lambda now=now: now)
        spool.accept(b"record", USER, ARCHIVE)
        assert launcher.times == started
        for file in Backlog(data).ready():
            file.unlink()


@pytest.mark.parametrize(("seconds", "started"), [(1, 1), (3600, 0)])
def test_a_shorter_interval_holds_for_what_already_waits(
    data: Path,
    spool: Spool,
    launcher: Started,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    started: int,
) -> None:
    spool.accept(b"record", USER, ARCHIVE)
    due(launcher, seconds)
    spool.accept(b"record", USER, ARCHIVE)
    later = Clock.monotonic() + 2
    monkeypatch.setattr(Clock, "monotonic", lambda: later)
    spool.accept(b"record", USER, ARCHIVE)
    assert launcher.times == started


def test_no_second_small_file_is_handed_over_while_the_first_waits(
    data: Path, spool: Spool, launcher: Started
) -> None:
    due(launcher, 0)
    for number in range(10):
        spool.accept(b"record %d" % number, USER, ARCHIVE)
    assert len(Backlog(data).ready()) == 1
    assert len(names(data)) == 2
    assert launcher.times == 10
    Backlog(data).ready()[0].unlink()
    spool.accept(b"one more", USER, ARCHIVE)
    (file,) = Backlog(data).ready()
    assert file.read_bytes().count(b"\n") == 10


def test_what_waits_for_another_destination_holds_nothing_back(
    data: Path, spool: Spool, launcher: Started
) -> None:
    due(launcher, 3600)
    spool.accept(b"for the archive", USER, ARCHIVE)
    launcher.told = Delivery(flush_seconds=0, recipient=to_posthog(HOST))
    spool.accept(b"for PostHog", USER, to_posthog(HOST))
    assert len(Backlog(data).ready("archive")) == 1
    assert len(Backlog(data).ready(launcher.told.destination)) == 1


def test_large_files_are_handed_over_one_after_the_other(
    data: Path, spool: Spool, launcher: Started
) -> None:
    due(launcher, 3600)
    record = b"x" * (MAX_BYTES // 4)
    for _ in range(13):
        spool.accept(record, USER, ARCHIVE)
    assert len(Backlog(data).ready()) == 3
    assert len(waiting(data)) == 13
    assert launcher.times == 0


def test_the_end_hands_over_what_is_left_and_starts_a_sender(
    data: Path, spool: Spool, launcher: Started
) -> None:
    due(launcher, 3600)
    spool.accept(b"record", USER, ARCHIVE)
    spool.close(at_exit=True)
    assert launcher.times == 1
    assert len(Backlog(data).ready()) == 1


def test_the_end_of_a_process_that_has_nothing_starts_no_sender(
    data: Path, spool: Spool, launcher: Started
) -> None:
    spool.close(at_exit=True)
    assert launcher.times == 0
    assert not data.exists()


def test_a_new_process_sees_to_what_an_earlier_one_left(
    data: Path, spool: Spool, launcher: Started
) -> None:
    spool.resume()
    assert launcher.times == 0
    spool.accept(b"record", USER, ARCHIVE)
    Spool(data, launcher).resume()
    assert launcher.times == 1
    launcher.told = Delivery(recipient=to_posthog(HOST))
    Spool(data, launcher).resume()
    assert launcher.times == 1, "what waits is for the archive"


def test_what_the_sender_may_not_open_or_lock_is_not_offered_to_it(data: Path) -> None:
    """Otherwise it would try again without end."""
    (data / "spool" / "folder.jsonl").mkdir(parents=True)
    held, free = data / "spool" / "held.jsonl", data / "spool" / "free.jsonl"
    held.write_bytes(b"record\n")
    free.write_bytes(b"record\n")
    with holding(held):
        assert Backlog(data).ready() == [free]
    assert set(Backlog(data).ready()) == {free, held}


def test_trimming_drops_the_oldest_first(data: Path) -> None:
    (data / "spool").mkdir(parents=True)
    for number, age in enumerate((500, 400, 300, 200, 100)):
        file = data / "spool" / f"{number * 7 % 5}.jsonl"
        file.write_bytes(b"%d\n" % age * 3)
        os.utime(file, (1e9 - age, 1e9 - age))
    assert Backlog(data).trim(40) == 6
    assert waiting(data) == [b"300"] * 3 + [b"200"] * 3 + [b"100"] * 3
    assert Backlog(data).trim(40) == 0
    assert Backlog(data).trim(0) == 9
    assert waiting(data) == []


def test_trimming_takes_no_file_that_is_written_or_sent(data: Path, spool: Spool) -> None:
    spool.accept(b"live", USER, ARCHIVE)
    sent = data / "spool" / "sent.jsonl"
    sent.write_bytes(b"sent\n")
    with holding(sent):
        assert Backlog(data).trim(0) == 0
    assert Backlog(data).trim(0) == 1
    assert waiting(data) == [b"live"]


def test_what_was_trimmed_is_counted_and_stays_counted(data: Path, until: Until) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    (data / "spool").mkdir()
    (data / "spool" / "old.jsonl").write_bytes(b'{"old": 1}\n' * 20_000)
    analytics = Analytics(data)
    analytics.delivery = Delivery(max_mib=0.1)
    analytics.event("cell_executed", outcome="ok", duration_ms=1)
    analytics.pipeline.sink.close(at_exit=True)
    assert analytics.drops.counts == {"spool full": 20_000}
    until(lambda: read_ledger(data).delivered == 1)
    assert read_ledger(data).dropped == {"spool full": 20_000}


def test_another_identifier_begins_another_file_and_the_old_records_are_gone(
    data: Path, spool: Spool
) -> None:
    spool.accept(b"old", USER, ARCHIVE)
    before = names(data)
    spool.accept(b"new", USER.replace("5", "6"), ARCHIVE)
    assert waiting(data) == [b"new"]
    assert names(data) != before


def test_what_is_purged_is_closed_and_gone(data: Path, spool: Spool, launcher: Started) -> None:
    spool.accept(b"record", USER, ARCHIVE)
    spool.purge()
    assert list((data / "spool").iterdir()) == []
    spool.close(at_exit=True)
    assert launcher.times == 0


def deleted_but_open(process: int) -> list[str]:
    held = descriptors(process)
    return [one for one in held if one.endswith("(deleted)") and "spool" in one]


def test_an_opt_out_purges_every_running_kernel_at_its_next_event(
    kernel: Any, data: Path, everything: Callable[[Path], bytes]
) -> None:
    user_id = ConsentStore(data).agree(NOTICE, date.today()).user_id
    assert user_id is not None
    kernels = [kernel(), kernel()]
    for each in kernels:
        each.run("%load_ext dev_analytics")
        each.run("1")
    assert len(names(data)) == 2
    assert user_id.encode() in everything(data)
    kernels[0].run("%dev_analytics disable", answers=("y",))
    assert names(data) == []
    assert user_id.encode() not in everything(data)
    for each in kernels:
        each.run("2")
        each.run("3")
        assert deleted_but_open(each.manager.provisioner.pid) == []
        each.stop()
    assert names(data) == []
    assert user_id.encode() not in everything(data)
    assert not (data / "archive.sqlite").exists()


def test_after_a_reset_a_new_yes_has_a_new_file_and_the_old_records_never_go_out(
    kernel: Any, data: Path, until: Until
) -> None:
    store = ConsentStore(data)
    old = store.agree(NOTICE, date.today()).user_id
    running = kernel()
    running.run("%load_ext dev_analytics")
    until(lambda: waiting(data) != [])
    before = names(data)
    store.reset()
    new = store.agree(NOTICE, date.today()).user_id
    assert new != old
    running.run("'first of the new'")
    assert {json.loads(record)["distinct_id"] for record in waiting(data)} == {new}
    assert names(data) != before
    assert deleted_but_open(running.manager.provisioner.pid) == []
    # What a file of the old identifier would hold is dropped by the sender too.
    (data / "spool" / "late.jsonl").write_bytes(
        waiting(data)[0].replace(str(new).encode(), str(old).encode()) + b"\n"
    )
    running.stop()
    until(lambda: read_ledger(data).delivered > 0 and not names(data))
    assert read_ledger(data).dropped == {"consent withdrawn": 1}
    assert str(old).encode() not in (data / "archive.sqlite").read_bytes()


def take_away(file: Path) -> None:
    file.unlink()


def move_away(file: Path) -> None:
    file.rename(file.parent.parent / file.name)


def put_another_there(file: Path) -> None:
    new = file.with_suffix(".other")
    new.touch()
    new.replace(file)


@pytest.mark.parametrize("away", [take_away, move_away, put_another_there])
def test_a_file_that_is_gone_is_noticed_and_what_was_lost_with_it_is_counted(
    data: Path, spool: Spool, launcher: Started, monkeypatch: pytest.MonkeyPatch, away: Any
) -> None:
    for number in range(3):
        spool.accept(b"lost %d" % number, USER, ARCHIVE)
    away(data / "spool" / names(data)[0])
    later = Clock.monotonic() + LOOK_SECONDS
    monkeypatch.setattr(Clock, "monotonic", lambda: later)
    spool.accept(b"kept", USER, ARCHIVE)
    assert waiting(data) == [b"kept"]
    assert launcher.drops.counts == {"deleted from the spool by somebody": 3}
    spool.accept(b"and more", USER, ARCHIVE)
    assert waiting(data) == [b"kept", b"and more"]


def test_what_was_lost_with_the_last_file_is_counted_at_the_end(
    data: Path, spool: Spool, launcher: Started
) -> None:
    spool.accept(b"lost", USER, ARCHIVE)
    (data / "spool" / names(data)[0]).unlink()
    spool.close(at_exit=True)
    assert launcher.drops.counts == {"deleted from the spool by somebody": 1}
    assert list((data / "spool").iterdir()) == []


def test_what_came_too_late_for_a_sender_on_another_machine_is_written_again(
    data: Path, spool: Spool, launcher: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its locks are not ours: it took the file while it was written, and deleted it at the end."""
    monkeypatch.setattr("dev_analytics.delivery.lines.LOOK_SECONDS", 0.0)
    spool.accept(b"in time", USER, ARCHIVE)
    live = data / "spool" / names(data)[0]
    ready = live.rename(live.with_name(live.name.removesuffix(LIVE) + ".jsonl"))
    spool.accept(b"in time, too", USER, ARCHIVE)
    end = ready.stat().st_size
    spool.accept(b"late", USER, ARCHIVE)
    add_to_ledger(data, Change(file=ready.name, end=end, delivered=2))
    ready.unlink()
    spool.accept(b"later", USER, ARCHIVE)
    assert waiting(data) == [b"late", b"later"]
    assert launcher.drops.counts == {}


@pytest.mark.parametrize("is_reused", [True, False])
def test_a_descriptor_that_a_daemon_closed_gets_no_record_and_loses_none(
    data: Path, spool: Spool, launcher: Started, tmp_path: Path, is_reused: bool
) -> None:
    spool.accept(b"before", USER, ARCHIVE)
    (held,) = [
        int(one.name)
        for one in Path("/proc/self/fd").iterdir()
        if os.path.realpath(one).startswith(str(data))
    ]
    os.close(held)
    if not is_reused:
        spool.accept(b"after", USER, ARCHIVE)
        assert waiting(data) == [b"before", b"after"]
        return
    descriptor = os.open(tmp_path / "the user's", os.O_CREAT | os.O_RDWR)
    assert descriptor == held
    try:
        spool.accept(b"after", USER, ARCHIVE)
        spool.purge()
        os.write(descriptor, b"theirs")
    finally:
        os.close(descriptor)
    assert (tmp_path / "the user's").read_bytes() == b"theirs"
    assert waiting(data) == [b"before"]
    assert launcher.drops.counts == {}


@pytest.mark.parametrize("settings", [None, Delivery(max_mib=1.0, flush_seconds=1e6)])
def test_the_spool_stays_within_its_bound_though_no_sender_ever_starts(
    data: Path, settings: Delivery | None, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script without settings, and a session that never flushes."""
    if settings is None:
        monkeypatch.setattr(Delivery, "max_mib", 1.0)
    drops = DropLedger()
    spool = Spool(data, Launcher(data, drops, lambda: settings))
    for number in range(30_000):
        spool.accept(b"%06d" % number + b"x" * 94, USER, ARCHIVE)

    kept: list[bytes] = []

    def is_told() -> bool:
        kept[:] = waiting(data)
        dropped = {"spool full": 30_000 - len(kept)}
        told = read_ledger(data).dropped == drops.counts == dropped and not drops.unstored()
        return told and size(data) <= 2**20

    # A thread that trims may be at work still, and begin once more; it is none that `threading`
    # knows. So all is looked at again and again until it agrees.
    until(is_told)
    assert len(kept) > 5_000
    assert kept[-1].startswith(b"029999")
    spool.purge()


def size(data: Path) -> int:
    return sum(file.stat().st_size for file in Backlog(data).files())


def test_room_is_left_in_the_spool_for_the_file_that_is_written(data: Path) -> None:
    settings = Delivery(max_mib=0.1, flush_seconds=1e6)
    launcher = Launcher(data, DropLedger(), lambda: settings)
    at_once = partial(launcher.bound_spool, at_once=True)
    launcher.bound_spool = at_once  # type: ignore[method-assign]
    spool, sizes = Spool(data, launcher), []
    for number in range(2_000):
        spool.accept(b"%06d" % number + b"x" * 94, USER, ARCHIVE)
        sizes.append(size(data))
    assert 0.8 * 0.1 * 2**20 < max(sizes) <= 0.1 * 2**20
    spool.purge()


def test_short_processes_that_start_no_sender_keep_the_spool_within_its_bound(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers of a pool end at once, before they have written much and a thread has its turn."""
    monkeypatch.setattr(Delivery, "max_mib", 0.1)
    for _ in range(30):
        worker = os.fork()
        if worker == 0:
            spool = Spool(data, Launcher(data, DropLedger(), lambda: None))
            for _ in range(50):
                spool.accept(b"x" * 99, USER, ARCHIVE)
            os._exit(0)
        assert os.waitpid(worker, 0) == (worker, 0)
    assert size(data) <= 0.1 * 2**20
    assert read_ledger(data).dropped["spool full"] + len(waiting(data)) == 30 * 50


def test_a_file_whose_records_are_all_too_old_goes_though_no_sender_comes(data: Path) -> None:
    """By the time of the records: that of the file may be of a clock that was wrong."""
    (data / "spool").mkdir(parents=True)
    record = (
        b'{"event": "e", "distinct_id": "i", "uuid": "u", "timestamp": "%s", "properties": {}}\n'
    )
    old, new = record % b"2020-01-01T00:00:00+00:00", record % b"2099-01-01T00:00:00+00:00"
    for name, content in (
        ("old", old * 3), ("of-a-killed-one.live", old), ("mixed", old + new), ("new", new)
    ):  # fmt: skip
        file = data / "spool" / f"{name}.jsonl"
        file.write_bytes(content)
        os.utime(file, (0, 0))
    assert bound(Backlog(data), Delivery()) == {"expired": 4}
    assert sorted(names(data)) == ["mixed.jsonl", "new.jsonl"]


NO_LOCKS = """
import fcntl, os, sys, warnings
from pathlib import Path
def flock(*arguments): raise OSError({number}, os.strerror({number}))
fcntl.flock = flock
warnings.simplefilter("error")
from dev_analytics.analytics import Analytics
from dev_analytics.delivery import Delivery
analytics = Analytics(Path(sys.argv[1]), delivery=Delivery(flush_seconds=0), strict=True)
for _ in range(3):
    analytics.event("cell_executed", outcome="ok", duration_ms=1)
analytics.pipeline.sink.close(at_exit=True)
from dev_analytics.views.status import status
print(status(analytics, analytics.gate.now()[0]))
"""


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_files_cannot_be_locked_nothing_is_said_but_by_the_status(
    data: Path, number: int
) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    done = subprocess.run(
        [sys.executable, "-c", NO_LOCKS.format(number=number), data], capture_output=True, text=True
    )
    assert done.stderr == ""
    assert f"files in it cannot be locked ({os.strerror(number)})" in done.stdout
    assert read_ledger(data).dropped == {"disk error": 3}
    assert not list((data / "spool").glob("*"))


def test_a_file_that_can_be_locked_the_next_time_is_tried_again_at_once(
    data: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> bool:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr("dev_analytics.delivery.spool.lock", refuse)
        with pytest.raises(OSError, match="Input/output"):
            spool.accept(b"lost", USER, ARCHIVE)
    assert list((data / "spool").iterdir()) == []
    spool.accept(b"kept", USER, ARCHIVE)
    assert waiting(data) == [b"kept"]


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_file_that_a_sender_elsewhere_took_while_a_daemon_closed_it_is_begun_anew(
    data: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch, is_deleted: bool
) -> None:
    monkeypatch.setattr("dev_analytics.delivery.lines.LOOK_SECONDS", 0.0)
    spool.accept(b"before", USER, ARCHIVE)
    live = data / "spool" / names(data)[0]
    assert spool._file is not None
    os.close(spool._file.descriptor)
    ready = live.rename(live.with_name(live.name.removesuffix(LIVE) + ".jsonl"))
    if is_deleted:
        ready.unlink()
    spool.accept(b"after", USER, ARCHIVE)
    assert waiting(data) == ([b"after"] if is_deleted else [b"before", b"after"])


@pytest.mark.parametrize("then", ["nothing", "another yes"])
def test_a_writer_that_an_opt_out_found_stopped_begins_no_new_file(
    data: Path, launcher: Started, everything: Callable[[Path], bytes], then: str
) -> None:
    """It had looked at the consent before it was stopped, and writes when it goes on."""
    store = ConsentStore(data)
    user_id = store.agree(NOTICE, date.today()).user_id
    assert user_id is not None
    spool = Spool(data, launcher, lambda user: store.current().user_id == user)
    spool.accept(user_id.encode(), user_id, ARCHIVE)
    store.opt_out()
    if then == "another yes":
        store.reset()
        store.agree(NOTICE, date.today())
    time.sleep(LOOK_SECONDS)  # how often a writer looks whether its file is there
    for _ in range(2):
        spool.accept(user_id.encode(), user_id, ARCHIVE)
    spool.close(at_exit=False)
    assert user_id.encode() not in everything(data)
    assert names(data) == []
    assert launcher.drops.unstored()["consent withdrawn"] == 2


def test_a_session_asks_for_consent_when_its_file_is_begun(
    data: Path, agreed: None, everything: Callable[[Path], bytes]
) -> None:
    analytics = Analytics(data, delivery=None)
    analytics.event("cell_executed", outcome="ok", duration_ms=1)
    user_id = analytics.gate.store.read().user_id
    assert user_id is not None
    ConsentStore(data).opt_out()
    time.sleep(LOOK_SECONDS)
    analytics.pipeline.sink.accept(user_id.encode(), user_id, ARCHIVE)
    assert user_id.encode() not in everything(data)
