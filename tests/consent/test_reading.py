"""Looks at the folder of the consent by its descriptor, and what they must not miss."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
from system_calls import system_calls

from dev_analytics.consent.decision import Consent
from dev_analytics.consent.held_folder import HELD, HeldFolder
from dev_analytics.consent.reading import HELD_SECONDS, StoredConsent
from dev_analytics.consent.store import ConsentStore

TODAY = date(2026, 11, 22)
NOW = 100.0
"""A time of the monotonic clock."""

pytestmark = pytest.mark.skipif(
    not hasattr(os, "O_DIRECTORY"), reason="this system opens no folders"
)


@pytest.fixture(autouse=True)
def nothing_is_held() -> None:
    while HELD:
        HELD.pop().close()


@pytest.fixture
def other(data: Path) -> ConsentStore:
    """The store of another process, with a yes that is older than a tick of the folder's clock."""
    store = ConsentStore(data)
    store.agree(1, TODAY)
    os.utime(store.folder, (0, 0))
    return store


@pytest.fixture
def held(other: ConsentStore) -> StoredConsent:
    """A reader that will look at the folder by its descriptor."""
    reader = StoredConsent(other.data)
    first = reader.current(NOW)
    assert first.user_id is not None
    assert system_calls(lambda: reader.current(NOW))[0] == "lstat"
    assert system_calls(lambda: reader.current(NOW)) == ["fstat"]
    assert reader.current(NOW) is first
    return reader


def replace_folder(store: ConsentStore) -> None:
    """Put another folder in its place, with the same times."""
    store.folder.rename(store.data / "before")
    store.folder.mkdir(mode=0o700)
    os.utime(store.folder, (0, 0))


def change_user(store: ConsentStore) -> None:
    store.reset()
    store.agree(1, TODAY)


CHANGES: dict[str, Callable[[ConsentStore], object]] = {
    "an opt-out": lambda store: store.opt_out(),
    "an opt-out by hand": lambda store: store.marker.touch(),
    "a reset": lambda store: store.reset(),
    "another yes": change_user,
    "a file deleted by hand": lambda store: store.file.unlink(),
    "everything deleted": lambda store: shutil.rmtree(store.data),
    "the folder moved": lambda store: store.folder.rename(store.data / "before"),
    "the folder replaced": replace_folder,
    "a tool switched off": lambda store: (store.folder / "off.acme").touch(),
    "the folder for others": lambda store: store.folder.chmod(0o777),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen_at_the_next_look(
    held: StoredConsent, other: ConsentStore, change: str
) -> None:
    before = held.current(NOW)
    CHANGES[change](other)
    assert held.current(NOW) != before
    assert held.current(NOW) == other.read()


def test_its_path_is_looked_up_again_after_a_while(held: StoredConsent) -> None:
    assert system_calls(lambda: held.current(NOW + HELD_SECONDS)) == ["lstat"]
    assert system_calls(lambda: held.current(NOW + HELD_SECONDS)) == ["fstat"]
    assert system_calls(held.current) == ["lstat"], "without a time, its path counts"


def test_a_data_directory_that_was_moved_is_missed_no_longer_than_that(
    held: StoredConsent, data: Path
) -> None:
    data.rename(data.with_name("moved"))
    assert held.current() == Consent()
    assert held.current(NOW + HELD_SECONDS) == Consent()
    assert held.current(NOW + HELD_SECONDS) == Consent(), "there is none to hold"


@pytest.fixture
def descriptor(held: StoredConsent) -> int:
    """The descriptor that it holds, as a cell closes or takes it."""
    assert held._held is not None
    return held._held.descriptor


def test_a_cell_that_closes_its_descriptor_hides_no_change(
    held: StoredConsent, other: ConsentStore, descriptor: int, tmp_path: Path
) -> None:
    first = held.current(NOW)
    os.close(descriptor)
    assert held.current(NOW) is first
    assert system_calls(lambda: held.current(NOW)) == ["fstat"], "it is open again"
    taken = os.open(tmp_path, os.O_RDONLY)
    os.dup2(taken, descriptor)
    if taken != descriptor:
        os.close(taken)
    assert held.current(NOW) is first
    other.opt_out()
    assert held.current(NOW).opted_out
    assert os.path.samestat(os.fstat(descriptor), tmp_path.stat()), "it is the cell's"
    os.close(descriptor)


def test_one_folder_at_most_is_held_in_a_process(
    held: StoredConsent, descriptor: int, tmp_path: Path
) -> None:
    assert descriptor > 2
    assert not os.get_inheritable(descriptor)
    beside = StoredConsent(held.data)
    for _ in range(2):
        beside.current(NOW)
    assert beside._held is held._held, "it is the same folder"
    moved = ConsentStore(tmp_path / "another")
    moved.agree(1, TODAY)
    os.utime(moved.folder, (0, 0))
    for _ in range(2):
        assert moved.current(NOW) == moved.read() != held.current()
    moved_to = os.fstat(descriptor)
    assert os.path.samestat(moved_to, moved.folder.stat()), "the number of the first is free again"
    assert held.current(NOW) == held.read()


def test_threads_that_hold_several_folders_see_each_its_own(
    other: ConsentStore, tmp_path: Path
) -> None:
    stores = [other]
    for number in range(3):
        stores.append(ConsentStore(tmp_path / str(number)))
        stores[-1].agree(1, TODAY)
        os.utime(stores[-1].folder, (0, 0))
    begin = threading.Barrier(len(stores), timeout=10)

    def look(store: ConsentStore) -> list[Consent]:
        reader, expected = StoredConsent(store.data), store.read()
        begin.wait()
        seen = [reader.current(NOW) for _ in range(300)]
        return [each for each in seen if each != expected]

    def begin_to_hold(reader: StoredConsent) -> None:
        reader.current(NOW)
        begin.wait()
        reader.current(NOW)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(len(stores)) as threads:
            assert list(threads.map(look, stores)) == [[]] * len(stores)
            for _ in range(100):
                while HELD:
                    HELD.pop().close()
                readers = [StoredConsent(other.data) for _ in stores]
                list(threads.map(begin_to_hold, readers))
                assert len(HELD) == 1
    finally:
        sys.setswitchinterval(before)


def test_a_folder_is_held_only_for_a_yes(other: ConsentStore) -> None:
    other.opt_out()
    os.utime(other.folder, (0, 0))
    reader = StoredConsent(other.data)
    for _ in range(3):
        assert reader.current(NOW).opted_out
    assert not HELD


def test_a_folder_that_cannot_be_opened_is_looked_up(held: StoredConsent) -> None:
    import resource

    reader = StoredConsent(held.data)
    first = reader.current(NOW)
    HELD.pop().close()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        found = [reader.current(NOW) for _ in range(3)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert all(each is first for each in found)
    assert not HELD


def test_a_named_pipe_in_its_place_keeps_nobody_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # Without another end, opening it would wait for one.
    other_end = os.open(pipe, os.O_RDWR)
    with pytest.raises(NotADirectoryError):
        HeldFolder(pipe)
    os.close(other_end)
