"""Locks of files: who holds one is known where the system says so, and a fault is no lock."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from dev_analytics.delivery import locks
from dev_analytics.delivery.locks import Holder, holder_of, holding, locked
from dev_analytics.process.descriptors import NoLocksError, lock


def test_without_a_list_of_locks_a_holder_is_seen_but_not_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container that hides ``/proc``."""
    monkeypatch.setattr(locks, "_LOCKS", tmp_path / "missing")
    with locked(tmp_path / "file", wait=0):
        assert holder_of(tmp_path / "file") == Holder(True)
    assert holder_of(tmp_path / "file") == Holder(False)


def test_a_file_that_is_deleted_before_it_is_locked_is_held_by_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()

    def late(descriptor: int) -> bool:
        file.unlink()
        return lock(descriptor)

    monkeypatch.setattr(locks, "lock", late)
    with holding(file) as held:
        assert not held


def test_where_there_are_no_locks_nothing_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> bool:
        raise NoLocksError(errno.ENOLCK, "No locks available")

    (tmp_path / "file").touch()
    monkeypatch.setattr(locks, "lock", refuse)
    with holding(tmp_path / "file") as held:
        assert not held


def test_a_lock_that_fails_otherwise_is_an_error() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        lock(2**20)
