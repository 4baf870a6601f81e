"""The status never says that all is well when nothing can be kept, counted or delivered."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from dev_analytics import NOTICE
from dev_analytics.analytics import Analytics
from dev_analytics.consent.store import ConsentStore
from dev_analytics.views.machine import machine, machine_fields
from dev_analytics.views.obstacles import obstacles

REAL = os.statvfs


@pytest.fixture
def agreed(data: Path) -> Analytics:
    ConsentStore(data).agree(NOTICE, date.today())
    (data / "spool").mkdir(mode=0o700)
    return Analytics(data, delivery=None, strict=True)


@pytest.fixture
def not_root(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Refuse access to a path, as the system does to everybody but root."""
    real = os.access
    refused: set[Path] = set()

    def access(path: Path, mode: int) -> bool:
        return path not in refused and real(path, mode)

    monkeypatch.setattr(os, "access", access)
    return refused.add


def disk(**fields: int) -> Callable[[Path], SimpleNamespace]:
    def statvfs(folder: Path) -> SimpleNamespace:
        found = REAL(folder)
        names = ("f_flag", "f_bavail", "f_files", "f_favail")
        return SimpleNamespace(**{name: getattr(found, name) for name in names} | fields)

    return statvfs


def said(analytics: Analytics) -> str:
    """What the status says of it, in text and for a script."""
    decision = analytics.gate.now()[0]
    fields = machine_fields(analytics, decision, [])["obstacles"]
    assert isinstance(fields, dict)
    text = machine(analytics, decision, [])
    for label, why in fields.items():
        (row,) = [line for line in text.splitlines() if line.startswith(f"{label} ")]
        assert why in row
    return " ".join(fields.values())


def test_a_healthy_data_directory_has_no_obstacles(agreed: Analytics, data: Path) -> None:
    agreed.event("cell_executed", outcome="ok", duration_ms=1)
    assert said(agreed) == ""
    assert obstacles(data / "none") == {}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"f_flag": os.ST_RDONLY}, "the disk is read-only"),
        ({"f_bavail": 0}, "the disk is full"),
        ({"f_files": 9, "f_favail": 0}, "the disk is full"),
    ],
)
def test_a_full_or_read_only_disk_is_reported(
    agreed: Analytics, monkeypatch: pytest.MonkeyPatch, fields: dict[str, int], why: str
) -> None:
    monkeypatch.setattr(os, "statvfs", disk(**fields))
    assert said(agreed).startswith(f"keeps no record, as {why}: ")


@pytest.mark.parametrize("folder", ["", "spool"])
def test_an_unwritable_folder_is_reported(
    agreed: Analytics, data: Path, not_root: Callable[[Path], None], folder: str
) -> None:
    not_root(data / folder)
    name = "the folder spool" if folder else "the data directory"
    assert said(agreed) == f"keeps no record, as you may not write to {name}: chmod u+rwx it"


def test_files_that_another_users_session_left_are_named(
    agreed: Analytics, data: Path, not_root: Callable[[Path], None]
) -> None:
    for name in ("ledger.lock", "sender.lock", "spool/a.jsonl", "spool/b.jsonl"):
        (data / name).touch()
        not_root(data / name)
    assert "ledger.lock, sender.lock, spool/a.jsonl and 1 more" in said(agreed)


def test_a_folder_without_locks_is_reported(
    agreed: Analytics, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = "dev_analytics.views.obstacles.missing_locks"
    monkeypatch.setattr(where, lambda file: "Function not implemented")
    why = "files in it cannot be locked (Function not implemented)"
    assert said(agreed).startswith(f"keeps no record, as {why}: ")


def test_a_disk_that_does_not_answer_is_reported(
    agreed: Analytics, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "statvfs", fail)
    assert said(agreed) == "keeps no record: Input/output error"
