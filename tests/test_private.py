"""What is made below any umask is the user's alone, and the user may use it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from dev_analytics import NOTICE
from dev_analytics.analytics import Analytics
from dev_analytics.apps import autoload
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery.ledger import change_ledger
from dev_analytics.process.descriptors import make_folder


@pytest.fixture(params=[0o000, 0o177, 0o277, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    assert os.umask(before) == request.param, "it is the whole process's"


def modes(folder: Path) -> dict[str, str]:
    """The rights of everything in a folder, by its kind."""
    files = {file: stat.S_IMODE(file.stat().st_mode) for file in folder.rglob("*")}
    return {str(file): oct(mode) for file, mode in files.items() if not file.is_dir()} | {
        str(file): oct(mode) for file, mode in files.items() if file.is_dir()
    }


def test_every_file_can_be_read_by_its_owner_and_by_nobody_else(
    data: Path, tmp_path: Path, umask: int
) -> None:
    place = tmp_path / "new" / "below" / "data"
    store = ConsentStore(place)
    store.agree(NOTICE, date.today())
    analytics = Analytics(place, delivery=None, strict=True)
    analytics.log_to(place / "log.jsonl")
    analytics.event("cell_executed", outcome="ok", duration_ms=1)
    change_ledger(place, lambda ledger: ledger.add_dropped({"invalid": 1}))
    store.switch_off("some_tool")
    made = modes(tmp_path / "new")
    assert {mode for name, mode in made.items() if Path(name).is_dir()} == {"0o700"}
    assert {mode for name, mode in made.items() if Path(name).is_file()} == {"0o600"}
    assert len([name for name in made if "/spool/" in name]) == 1
    store.opt_out()
    assert oct(stat.S_IMODE((place / "consent" / "opted-out").stat().st_mode)) == "0o600"


def test_the_start_up_file_can_be_read(
    data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, umask: int
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    file = autoload.enable(autoload.Place.USER)
    assert file.stat().st_mode & 0o400
    assert all(folder.stat().st_mode & 0o700 == 0o700 for folder in list(file.parents)[:3])
    assert autoload.remove(autoload.Place.USER) == file


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o750)
    (tmp_path / "there").chmod(0o750)
    make_folder(tmp_path / "there" / "new")
    assert stat.S_IMODE((tmp_path / "there").stat().st_mode) == 0o750
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "file")
