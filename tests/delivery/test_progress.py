"""Progress inside a file: a sender that is killed anywhere settles each record once."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from fake_posthog import FakePostHog, ok

from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.ledger import Ledger, add_to_ledger, read_ledger
from dev_analytics.delivery.locks import locked
from dev_analytics.delivery.pending import Change
from dev_analytics.delivery.progress import unsettled
from dev_analytics.delivery.sender import Sender
from dev_analytics.destinations.transport import Refused

CHANGES = ("open", "os.rename", "os.remove")
"""What a process does to files, as audit hooks name it: it may be killed before each."""


class Kept:
    """A destination that keeps uuids in a file, takes ten at once, and refuses after so many."""

    batch_size = 10
    confirm: Any

    def __init__(self, file: Path, refuses_after: int | None = None) -> None:
        self._file = file
        self._left = refuses_after

    def deliver(self, records: Any) -> None:
        if self._left == 0:
            raise Refused("no more")
        if self._left is not None:
            self._left -= 1
        descriptor = os.open(self._file, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
        for record in records:
            os.write(descriptor, json.loads(record)["uuid"].encode() + b"\n")
        os.close(descriptor)


def send(data: Path, destination: Any, killed_at: int | None = None) -> bool:
    """Run a sender in a child; kill it before it changes its so-manieth file; True if it ended."""
    child = os.fork()
    if child == 0:
        seen = 0

        def kill(name: str, arguments: tuple[Any, ...]) -> None:
            nonlocal seen
            if name in CHANGES and str(data) in str(arguments[0]):
                seen += 1
                if seen == killed_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(kill)
        try:
            Sender(data, destination, max_days=30).run()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def counted(data: Path) -> int:
    ledger = read_ledger(data)
    return ledger.delivered + sum(ledger.dropped.values()) + Backlog(data).count()


@pytest.mark.parametrize(("refuses_after", "is_held"), [(None, False), (2, False), (2, True)])
def test_wherever_a_sender_is_killed_every_record_is_counted_once(
    data: Path, spool_events: Any, tmp_path: Path, refuses_after: int | None, is_held: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It delivers all of a file, or writes anew what is left of it; rubbish is in it too.

    Where somebody holds the ledger all that time, what it notes waits beside that.
    """
    monkeypatch.setattr("dev_analytics.delivery.notes.LOCK_SECONDS", 0.0)
    records = spool_events(35)
    (file,) = (data / "spool").iterdir()
    whole = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*whole[:5], b"rubbish\n", *whole[5:30], b"more\n", *whole[30:]]))
    shutil.copytree(data, tmp_path / "before")
    killed_at, ended = 0, False
    while not ended:
        killed_at += 3 if is_held else 1
        kept = tmp_path / f"kept-{killed_at}"
        shutil.rmtree(data)
        shutil.copytree(tmp_path / "before", data)
        with locked(data / "ledger.lock", wait=0) if is_held else nullcontext():
            ended = send(data, Kept(kept, refuses_after), killed_at)
            assert counted(data) == 37, f"killed before change {killed_at}"
            Sender(data, Kept(kept), max_days=30).run()
        assert counted(data) == 37, f"killed before change {killed_at}"
        ledger = read_ledger(data)
        assert (ledger.delivered, ledger.dropped) == (35, {"invalid": 2})
        delivered = kept.read_text().split()
        assert set(delivered) == {json.loads(record)["uuid"] for record in records}
        assert len(delivered) - len(records) <= Kept.batch_size, "more than a batch was sent again"
        assert list((data / "spool").iterdir()) == []
    assert killed_at > 20


def test_a_file_stays_whole_where_it_cannot_be_noted_what_is_left_of_it(
    data: Path, spool_events: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next sender would begin where the longer one was settled before."""
    kept = tmp_path / "kept"
    records = spool_events(35)
    (file,) = Backlog(data).files()
    end = sum(len(record) + 1 for record in records[:10])
    add_to_ledger(data, Change(file=file.name, end=end, delivered=10))
    with monkeypatch.context() as broken:
        broken.setattr("dev_analytics.delivery.ledger.content_of", fail)
        assert send(data, Kept(kept, 1))
    assert counted(data) == 35
    assert send(data, Kept(kept))
    assert counted(data) == 35
    assert set(kept.read_text().split()) == {json.loads(record)["uuid"] for record in records[10:]}


def test_where_a_batch_cannot_be_noted_no_other_is_sent(
    data: Path, spool_events: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    spool_events(35)
    with monkeypatch.context() as broken:
        broken.setattr("dev_analytics.delivery.ledger.content_of", fail)
        assert send(data, Kept(kept))
    assert len(kept.read_text().split()) == Kept.batch_size
    assert counted(data) == 35
    assert send(data, Kept(kept))
    assert len(kept.read_text().split()) == 35 + Kept.batch_size
    assert read_ledger(data).delivered == 35


def test_what_expired_stays_until_its_loss_can_be_noted(
    data: Path, spool_events: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool_events(3)
    (file,) = Backlog(data).files()
    file.write_bytes(
        re.sub(rb'"timestamp": "[-0-9]+', b'"timestamp": "2026-01-01', file.read_bytes())
    )
    before = file.read_bytes()
    with monkeypatch.context() as broken:
        broken.setattr("dev_analytics.delivery.ledger.content_of", fail)
        assert send(data, Kept(tmp_path / "kept"))
    (file,) = Backlog(data).files()
    assert file.read_bytes() == before
    assert send(data, Kept(tmp_path / "kept"))
    assert read_ledger(data).dropped == {"expired": 3}


def fail(_: object) -> bytes:
    raise OSError("the disk is full")


def test_a_sender_killed_again_and_again_gets_to_the_end_of_a_file(
    data: Path, posthog: FakePostHog, spool_events: Any, start_sender: Any, until: Any
) -> None:
    """Each lives for two answers: the fourth begins where the third was killed."""
    records = spool_events(4500, posthog.url)
    kills = 0
    while Backlog(data).count():
        seen = len(posthog.requests)
        process = start_sender(posthog.url)

        def answered(process: Any = process, seen: int = seen) -> bool:
            return len(posthog.requests) >= seen + 3 or process.poll() is not None

        until(answered)
        kills += process.poll() is None
        process.kill()
        process.wait()
        assert kills < 10
    posthog.answer(then=ok)
    assert start_sender(posthog.url).wait(240) == 0
    assert set(posthog.stored) == {json.loads(record)["uuid"] for record in records}
    assert read_ledger(data).delivered == 4500


def test_what_is_settled_neither_waits_nor_is_trimmed(data: Path, spool_events: Any) -> None:
    records = spool_events(10)
    (file,) = Backlog(data).files()
    end = sum(len(record) + 1 for record in records[:4])
    (data / "ledger.json").write_text(json.dumps({"settled": {file.name: end}}))
    assert list(Backlog(data).records()) == records[4:]
    assert Backlog(data).count() == 6
    assert Backlog(data).trim(0) == 6


@pytest.mark.parametrize("content", [b"", b"{}\n", b"half of ano"], ids=repr)
def test_a_replacement_that_is_not_the_one_that_was_noted_takes_no_place(
    data: Path, content: bytes
) -> None:
    """It is of a sender that was killed before it noted anything."""
    file = data / "spool" / "a-archive.jsonl"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"rest\n")
    file.with_name(f"{file.name}.new").write_bytes(content)
    assert unsettled(data, file, Ledger()) == (file, 0)
    assert unsettled(data, file, Ledger(replacing={file.name: 12345})) == (file, 0)
