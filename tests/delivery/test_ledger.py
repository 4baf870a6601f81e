"""The ledger of delivery: shared by all processes, it loses no count and survives damage."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest
from filelock import FileLock, SoftFileLock

from dev_analytics.delivery.launcher import Launcher
from dev_analytics.delivery.ledger import (
    MAX_SETTLED,
    Ledger,
    add_to_ledger,
    change_ledger,
    changed,
    read_ledger,
)
from dev_analytics.delivery.locks import locked
from dev_analytics.delivery.pending import Change, put
from dev_analytics.drops import DropLedger
from dev_analytics.process import descriptors


def test_without_a_ledger_everything_is_nought(data: Path) -> None:
    assert read_ledger(data) == Ledger()
    assert not data.exists()


def test_what_was_counted_is_there_for_the_next_process(data: Path) -> None:
    data.mkdir()
    change_ledger(data, lambda ledger: ledger.add_dropped({"expired": 2, "invalid": 1}))
    change_ledger(data, lambda ledger: ledger.add_dropped({"expired": 3}))
    change_ledger(data, lambda ledger: ledger._replace(delivered=7, failure="a reason"))
    program = (
        "import sys; from pathlib import Path\n"
        "from dev_analytics.delivery.ledger import read_ledger\n"
        "print(read_ledger(Path(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(data)], capture_output=True, text=True, check=True
    )
    wanted = Ledger(delivered=7, dropped={"expired": 5, "invalid": 1}, failure="a reason")
    assert done.stdout.strip() == repr(wanted)
    assert (data / "ledger.json").stat().st_mode & 0o777 == 0o600


ADDER = """
import sys
from pathlib import Path
from dev_analytics.delivery.ledger import change_ledger
sys.stdin.readline()
for _ in range(100):
    change_ledger(Path(sys.argv[1]), lambda ledger: ledger.add_dropped({"invalid": 1}), wait=240)
"""


def test_processes_that_count_at_once_lose_nothing(data: Path) -> None:
    data.mkdir()
    adders = [
        subprocess.Popen([sys.executable, "-c", ADDER, str(data)], stdin=subprocess.PIPE)
        for _ in range(5)
    ]
    for adder in adders:
        assert adder.stdin
        adder.stdin.write(b"go\n")
        adder.stdin.close()
    assert [adder.wait(240) for adder in adders] == [0] * 5
    assert read_ledger(data).dropped == {"invalid": 500}


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"null", b"\xff", b"\0" * 100, b"[" * 100_000),
        *(b'{"delivered": "many"}', b'{"dropped": {"expired": -0.5}}', b'{"failure": "\xff"}'),
        *(b'{"delivered": true}', b'{"merged": [1]}', b'{"settled": {"a": null}}', b"7"),
        *(b'{"delivered": -1}', b'{"dropped": {"expired": 9007199254740992}}'),
        *(b'{"not_before": 1%s}' % (b"0" * 400), b'{"settled": {"a": 1%s}}' % (b"0" * 30)),
    ],
    ids=lambda content: repr(content[:24]),
)
def test_a_damaged_ledger_is_empty_and_begins_anew(data: Path, content: bytes) -> None:
    data.mkdir()
    (data / "ledger.json").write_bytes(content)
    assert read_ledger(data) == Ledger()
    change_ledger(data, lambda ledger: ledger.add_dropped({"expired": 1}))
    assert read_ledger(data).dropped == {"expired": 1}


PIPES = """
import os, sys
from pathlib import Path
from dev_analytics.delivery.ledger import add_to_ledger, read_ledger
from dev_analytics.delivery.pending import Change
for name in ("ledger.json", "ledger-" + "0" * 24 + ".json"):
    os.mkfifo(Path(sys.argv[1]) / name)
print(read_ledger(Path(sys.argv[1])).dropped)
add_to_ledger(Path(sys.argv[1]), Change(dropped={"invalid": 2}))
print(read_ledger(Path(sys.argv[1])).dropped)
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_nobody_waits_for_a_pipe_in_the_place_of_the_ledger(data: Path) -> None:
    data.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PIPES, str(data)], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("{}\n{'invalid': 2}\n", "")


def test_of_a_huge_ledger_no_more_is_read_than_a_ledger_has(data: Path) -> None:
    data.mkdir()
    with (data / "ledger.json").open("wb") as file:
        file.write(b" " * descriptors.MAX_WRITTEN)
        file.write(b'{"delivered": 1}')
    assert read_ledger(data) == Ledger()


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_a_ledger_that_cannot_be_read_for_a_moment_is_not_replaced(data: Path) -> None:
    data.mkdir()
    ledger, aside = data / "ledger.json", data / "aside"
    add_to_ledger(data, Change(delivered=3, file="a.jsonl", end=7))
    ledger.rename(aside)
    ledger.symlink_to(ledger)
    assert not add_to_ledger(data, Change(delivered=2, file="b.jsonl", end=9))
    assert read_ledger(data).settled == {"b.jsonl": 9}
    aside.replace(ledger)
    assert add_to_ledger(data, Change(dropped={"invalid": 1}))
    found = read_ledger(data)
    assert (found.delivered, found.settled) == (5, {"a.jsonl": 7, "b.jsonl": 9})
    assert found.dropped == {"invalid": 1}


REPLACED = """
import json, sys
from decimal import Decimal
from functools import partial
from pathlib import Path
from dev_analytics.delivery.ledger import add_to_ledger, read_ledger
from dev_analytics.delivery.pending import Change
def refuse(*_, **__): raise RuntimeError
json.loads, json.dumps = partial(json.loads, parse_int=Decimal), refuse
add_to_ledger(Path(sys.argv[1]), Change(dropped={"invalid": 2}))
print(read_ledger(Path(sys.argv[1])).dropped)
"""


def test_what_the_user_makes_of_json_does_not_touch_the_ledger(data: Path) -> None:
    data.mkdir()
    change_ledger(data, lambda ledger: ledger.add_dropped({"invalid": 1, "expired": 3}))
    done = subprocess.run(
        [sys.executable, "-c", REPLACED, str(data)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "{'invalid': 3, 'expired': 3}\n"


def test_a_ledger_of_a_newer_version_is_read(data: Path) -> None:
    data.mkdir()
    (data / "ledger.json").write_bytes(b'{"delivered": 3, "mood": "good", "dropped": {"new": 1}}')
    assert read_ledger(data) == Ledger(delivered=3, dropped={"new": 1})


def test_who_holds_it_for_long_is_not_waited_for(data: Path) -> None:
    data.mkdir()
    with (
        FileLock(data / "ledger.lock"),
        pytest.raises(TimeoutError, match="another process holds the ledger"),
    ):
        change_ledger(data, lambda ledger: ledger, wait=0.1)


def test_so_it_is_where_files_cannot_be_locked(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file system here is without locks: the one call that would fail is made to."""

    def flock(*_: int) -> NoReturn:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    data.mkdir()
    monkeypatch.setattr("fcntl.flock", flock)
    with (
        SoftFileLock(data / "ledger.held"),
        pytest.raises(TimeoutError, match="another process holds the ledger"),
    ):
        change_ledger(data, lambda ledger: ledger._replace(delivered=7), wait=0.1)
    change_ledger(data, lambda ledger: ledger._replace(delivered=ledger.delivered + 1))
    assert read_ledger(data).delivered == 1
    assert not (data / "ledger.held").exists()


def test_a_change_that_fails_leaves_it_as_it_was_and_lets_go(data: Path) -> None:
    data.mkdir()
    change_ledger(data, lambda ledger: ledger._replace(delivered=1))
    with pytest.raises(ZeroDivisionError):
        change_ledger(data, lambda ledger: ledger._replace(delivered=ledger.delivered // 0))
    change_ledger(data, lambda ledger: ledger._replace(delivered=ledger.delivered + 1), wait=0.1)
    assert read_ledger(data).delivered == 2


def test_a_ledger_that_cannot_be_written_says_so(data: Path) -> None:
    (data / "ledger.json").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        change_ledger(data, lambda ledger: ledger)


def test_a_data_directory_that_was_deleted_is_not_made_again(data: Path) -> None:
    with pytest.raises(FileNotFoundError):
        change_ledger(data, lambda ledger: ledger)
    assert not data.exists()


def test_readers_never_see_half_of_it(data: Path) -> None:
    data.mkdir()
    change_ledger(data, lambda ledger: ledger._replace(delivered=1))
    over = threading.Event()

    def write() -> None:
        for number in range(2, 300):
            change_ledger(data, partial(Ledger._replace, delivered=number))
        over.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    while not over.is_set():
        seen.append(read_ledger(data).delivered)
    writer.join()
    assert seen == sorted(seen)
    assert 0 not in seen


def test_threads_that_store_drops_at_once_store_each_once(data: Path) -> None:
    data.mkdir()
    drops = DropLedger()
    launcher = Launcher(data, drops, lambda: None)
    together = threading.Barrier(8)

    def count_and_store() -> None:
        together.wait()
        for _ in range(50):
            drops.count("invalid")
            launcher.store_drops()

    threads = [threading.Thread(target=count_and_store) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    launcher.store_drops()
    assert drops.counts == {"invalid": 400}
    assert read_ledger(data).dropped == {"invalid": 400}


def test_drops_that_cannot_be_stored_now_wait_and_are_stored_once(data: Path) -> None:
    data.mkdir()
    drops = DropLedger()
    drops.count("invalid", 3)
    launcher = Launcher(data, drops, lambda: None)
    with locked(data / "ledger.lock", wait=0):
        launcher.store_drops()
        assert read_ledger(data) == Ledger(dropped={"invalid": 3})
        drops.count("invalid")
        launcher.store_drops()
    launcher.store_drops()
    assert read_ledger(data).dropped == {"invalid": 4}
    assert list(data.glob("ledger*.json.new")) == []


HOLDER = """
import os, signal, sys
from pathlib import Path
from dev_analytics.delivery.locks import locked
with locked(Path(sys.argv[1]) / "ledger.lock", wait=60):
    os.kill(os.getpid(), signal.SIGSTOP)
"""
COUNTER = """
import sys
from pathlib import Path
from dev_analytics.delivery.launcher import Launcher
from dev_analytics.drops import DropLedger
drops = DropLedger()
drops.count("invalid", 3)
Launcher(Path(sys.argv[1]), drops, lambda: None).store_drops()
"""


@pytest.fixture
def stopped(data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that was stopped while it held the ledger."""
    data.mkdir()
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(data)])
    os.waitpid(holder.pid, os.WUNTRACED)
    yield holder
    holder.kill()
    holder.wait()


def test_what_ends_while_a_stopped_process_holds_the_ledger_is_counted_all_the_same(
    data: Path, stopped: subprocess.Popen[bytes]
) -> None:
    for _ in range(2):
        subprocess.run([sys.executable, "-c", COUNTER, str(data)], check=True)
    assert read_ledger(data).dropped == {"invalid": 6}
    assert not (data / "ledger.json").exists()
    assert {file.stat().st_mode & 0o777 for file in data.glob("ledger-*")} == {0o600}
    stopped.kill()
    stopped.wait()
    subprocess.run([sys.executable, "-c", COUNTER, str(data)], check=True)
    assert read_ledger(data).dropped == {"invalid": 9}
    assert sorted(file.name for file in data.iterdir()) == ["ledger.json", "ledger.lock"]


@pytest.mark.parametrize("killed_at", range(1, 5))
def test_what_waits_is_counted_once_wherever_the_next_one_is_killed(
    data: Path, killed_at: int
) -> None:
    data.mkdir()
    for _ in range(2):
        put(data, Change(dropped={"invalid": 2}))
    child = os.fork()
    if child == 0:
        seen = 0

        def kill(name: str, arguments: tuple[Any, ...]) -> None:
            nonlocal seen
            if name in ("os.rename", "os.remove") and str(data) in str(arguments[0]):
                seen += 1
                if seen == killed_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(kill)
        try:
            change_ledger(data, lambda ledger: ledger)
        finally:
            os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) == (killed_at <= 3), "a file is renamed, and two are removed"
    assert read_ledger(data).dropped == {"invalid": 4}
    change_ledger(data, lambda ledger: ledger.add_dropped({"invalid": 1}))
    assert read_ledger(data).dropped == {"invalid": 5}
    assert list(data.glob("ledger-*")) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b'{"delivered": "many"}', b'{"end": -1}', b'{"checksum": 1e400}'],
    ids=repr,
)
def test_what_waits_and_is_damaged_is_nothing_and_no_file_of_the_user_s_is_taken(
    data: Path, content: bytes
) -> None:
    data.mkdir()
    put(data, Change(dropped={"invalid": 2}))
    (data / f"ledger-{'0' * 24}.json").write_bytes(content)
    (data / "ledger-household.json").write_text('{"dropped": {"invalid": 7}}')
    assert read_ledger(data).dropped == {"invalid": 2}
    change_ledger(data, lambda ledger: ledger)
    assert read_ledger(data).dropped == {"invalid": 2}
    assert [file.name for file in data.glob("ledger-*")] == ["ledger-household.json"]


def test_what_is_being_stored_is_given_to_nobody_else() -> None:
    drops = DropLedger()
    drops.count("invalid", 3)
    with drops.storing() as counts, drops.storing() as others:
        assert (dict(counts), dict(others)) == ({"invalid": 3}, {})
        drops.count("invalid")
    assert drops.unstored() == {"invalid": 1}
    with contextlib.suppress(ZeroDivisionError), drops.storing():
        raise ZeroDivisionError
    assert drops.unstored() == {"invalid": 1}


def test_it_names_no_more_deleted_files_than_a_writer_may_ask_about(data: Path) -> None:
    (data / "spool").mkdir(parents=True)
    there = data / "spool" / "there.jsonl"
    there.touch()
    ledger = changed(Ledger(), Change(file=there.name, end=1, delivered=1), data)
    for number in range(2 * MAX_SETTLED):
        ledger = changed(ledger, Change(file=f"{number}.jsonl", end=1, delivered=1), data)
    assert len(ledger.settled) == MAX_SETTLED
    assert ledger.settled[there.name] == 1
    assert list(ledger.settled)[-1] == f"{2 * MAX_SETTLED - 1}.jsonl"
    assert ledger.delivered == 2 * MAX_SETTLED + 1


def test_a_change_that_cannot_be_kept_leaves_no_half_of_it(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    data.mkdir()
    monkeypatch.setattr(descriptors, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        put(data, Change(delivered=1))
    assert list(data.iterdir()) == []
