"""What an opt-out, a reset and a purge delete: our files by their names, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fake_posthog import to_posthog
from hypothesis import given
from hypothesis import strategies as st

from dev_analytics.consent.store import ConsentStore
from dev_analytics.consent.traces import LEDGER_FIELDS, SPOOL_FILE, purge
from dev_analytics.delivery import Delivery
from dev_analytics.delivery.launcher import Launcher
from dev_analytics.delivery.ledger import Ledger, change_ledger
from dev_analytics.delivery.spool import Spool
from dev_analytics.destinations.archive_file import Archive
from dev_analytics.destinations.damaged_archive import damaged, put_aside
from dev_analytics.destinations.posthog import HOST
from dev_analytics.drops import DropLedger

TODAY = date(2026, 11, 22)
RECORD = '{"event": "launched", "distinct_id": "0c7b1d9e-5f38-4d0a-9a54-3a6f1b9a2a11"}\n'

RECORD_WITH_UUID = (
    b'{"event": "launched", "distinct_id": "0c7b1d9e-5f38-4d0a-9a54-3a6f1b9a2a11", '
    b'"uuid": "4163b27f-0a2e-460a-a170-451d6443b2b5", "timestamp": "2026-11-22T10:00:00+00:00", '
    b'"properties": {}}'
)

FOREIGN = (
    *("thesis.txt", "archive.sqlite.bak", "my archive.sqlite", "quarantine.txt", "ledger.csv"),
    *("spool/photo.jpg", "spool/data.jsonl", "spool/0123456789abcdef.txt", "spool/a.live.jsonl"),
    *("spool/0123456789ABCDEF.jsonl", "spool/notes.new", "spool/0123456789abcdef.jsonl.bak"),
    *("spool/deep/0123456789abcdef.jsonl", "consent/notes.txt", "consent/off.My Notes.txt"),
)
"""What a user may have in a folder that ``DEV_ANALYTICS_DIR`` names."""

CHANGES = [ConsentStore.opt_out, ConsentStore.reset, ConsentStore.purge]


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("by_descriptor", [True, False])
def test_nothing_of_the_user_s_is_lost(
    data: Path,
    change: Callable[[ConsentStore], object],
    by_descriptor: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not by_descriptor:  # as on a system that has no calls for it
        monkeypatch.setattr("dev_analytics.consent.traces._BY_DESCRIPTOR", False)
    store = ConsentStore(data)
    store.agree(1, TODAY)
    (data / "spool" / "deep").mkdir(parents=True)
    for name in FOREIGN:
        (data / name).write_text(f"four years: {name}")
    (data / "quarantine").write_text("my own notes")
    ours = ("spool/0123456789abcdef-archive.jsonl", "archive.sqlite", "ledger.json.new")
    for name in ours:
        (data / name).write_text(RECORD)
    change(store)
    left = contents(data)
    for name in FOREIGN:
        assert left[name] == f"four years: {name}"
    assert left["quarantine"] == "my own notes"
    assert not {*ours, "consent/consent.json"} & set(left)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("by_descriptor", [True, False])
def test_no_link_is_followed(
    data: Path,
    tmp_path: Path,
    change: Callable[[ConsentStore], object],
    by_descriptor: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not by_descriptor:
        monkeypatch.setattr("dev_analytics.consent.traces._BY_DESCRIPTOR", False)
    documents = tmp_path / "documents"
    documents.mkdir()
    names = ("0123456789abcdef.jsonl", "sender.new", "consent.json", "tools.json", "archive.sqlite")
    for name in names:
        (documents / name).write_text(RECORD)
    data.mkdir()
    for name in ("spool", "consent"):
        (data / name).symlink_to(documents)
    for name in ("archive.sqlite", "quarantine", "ledger.json"):
        (data / name).symlink_to(documents / "archive.sqlite")
    change(ConsentStore(data))
    assert contents(documents).items() >= dict.fromkeys(names, RECORD).items()
    assert not {"opted-out", "consent.lock"} & set(contents(documents))


@given(st.text(alphabet="0123456789abcdef-.jsonlivew A", max_size=40))
def test_what_is_no_name_of_ours_in_a_spool_stays(tmp_path: Path, name: str) -> None:
    spool = tmp_path / "data" / "spool"
    spool.mkdir(parents=True, exist_ok=True)
    if name in ("", ".", "..") or SPOOL_FILE.fullmatch(name):
        return
    (spool / name).write_text("a user's")
    purge(spool.parent)
    assert (spool / name).read_text() == "a user's"


@pytest.mark.parametrize("delivery", [None, Delivery(), Delivery(recipient=to_posthog(HOST))])
def test_every_name_that_the_spool_gives_is_one_of_ours(
    data: Path, delivery: Delivery | None
) -> None:
    spool = Spool(data, Launcher(data, DropLedger(), lambda: delivery))
    spool.accept(b"{}", "somebody", (delivery or Delivery).recipient)
    (live,) = (data / "spool").iterdir()
    spool.rest()
    (ready,) = (data / "spool").iterdir()
    assert SPOOL_FILE.fullmatch(live.name)
    assert SPOOL_FILE.fullmatch(ready.name)
    assert live != ready
    purge(data)
    assert list((data / "spool").iterdir()) == []


def test_a_folder_with_files_in_the_place_of_ours_stays(data: Path) -> None:
    store = ConsentStore(data)
    place = store.folder / "consent.json" / "deep"
    place.mkdir(parents=True)
    (place / "thesis.txt").write_text("four years")
    store.opt_out()
    with pytest.raises(Exception, match="not empty"):
        store.reset()
    assert (place / "thesis.txt").read_text() == "four years"
    assert store.read().opted_out


@pytest.mark.parametrize("change", CHANGES)
def test_an_archive_that_was_put_aside_as_damaged_goes_too(
    data: Path, change: Callable[[ConsentStore], object]
) -> None:
    """Its records have the identifier as those of any archive have it."""
    store = ConsentStore(data)
    store.agree(1, TODAY)
    for _ in range(2):
        for suffix in ("", "-journal"):
            (data / f"archive.sqlite{suffix}").write_text(RECORD)
        put_aside(data / "archive.sqlite")
    (data / "archive.sqlite.damaged-copy").write_text("my own copy")
    assert len(damaged(data)) == 3
    change(store)
    assert [file.name for file in damaged(data)] == ["archive.sqlite.damaged-copy"]
    assert not list(data.glob("*-journal"))


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_of_these_names_that_cannot_be_read_goes(
    data: Path, change: Callable[[ConsentStore], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have the identifier. Root, as whom tests may run, can read every file."""
    opened = os.open

    def unreadable(path: Any, *more: Any, **options: Any) -> int:
        if path == "quarantine":
            raise PermissionError(13, "Permission denied")
        return opened(path, *more, **options)

    store = ConsentStore(data)
    store.agree(1, TODAY)
    (data / "quarantine").write_text(RECORD)
    monkeypatch.setattr(os, "open", unreadable)
    change(store)
    assert not (data / "quarantine").exists()


@pytest.mark.parametrize("change", [ConsentStore.opt_out, ConsentStore.reset])
@pytest.mark.parametrize("first", ['{"distinct_id": "%s", "event": "launched"}', "rubbish %s"])
@pytest.mark.parametrize("name", ["quarantine", "archive.sqlite"])
def test_a_file_with_the_identifier_goes_however_it_begins(
    data: Path, change: Callable[[ConsentStore], object], first: str, name: str
) -> None:
    store = ConsentStore(data)
    user_id = store.agree(1, TODAY).user_id
    (data / name).write_text(f"{'x' * (2**20 - 20)}\n{first % user_id}\n")
    change(store)
    assert not (data / name).exists()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("by_descriptor", [True, False])
def test_a_user_s_own_files_of_these_names_stay(
    data: Path,
    change: Callable[[ConsentStore], object],
    by_descriptor: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not by_descriptor:
        monkeypatch.setattr("dev_analytics.consent.traces._BY_DESCRIPTOR", False)
    store = ConsentStore(data)
    store.agree(1, TODAY)
    own = {
        "ledger.json": '{"my": "household accounts"}',
        "archive.sqlite": "SQLite format 3\0 my own database",
        "archive.sqlite-wal": "what it is about to hold",
        "quarantine": "my own notes",
    }
    for name, content in own.items():
        (data / name).write_text(content)
    change(store)
    assert contents(data).items() >= own.items()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("content", "goes"), [("", True), ("what I owe", False), ("[7]", False)])
def test_an_empty_file_of_these_names_goes_and_a_text_stays(
    data: Path, change: Callable[[ConsentStore], object], content: str, goes: bool
) -> None:
    """A process that is killed as it begins a file leaves an empty one."""
    store = ConsentStore(data)
    store.agree(1, TODAY)
    names = {"quarantine", "archive.sqlite", "ledger.json"}
    for name in names:
        (data / name).write_text(content)
    change(store)
    assert names & set(contents(data)) == (set() if goes else names)


def test_our_own_archive_and_ledger_go(data: Path) -> None:
    store = ConsentStore(data)
    store.agree(1, TODAY)
    Archive(data).deliver([RECORD_WITH_UUID])
    change_ledger(data, lambda ledger: ledger.add_dropped({"deleted": 1}))
    (data / "archive.sqlite-wal").write_text("rows")
    assert frozenset(Ledger._fields) == LEDGER_FIELDS
    (data / "consent" / "consent.json").unlink()  # nothing says which identifier it was
    store.opt_out()
    assert not {"archive.sqlite", "archive.sqlite-wal", "ledger.json"} & set(contents(data))
