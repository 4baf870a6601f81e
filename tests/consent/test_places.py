"""Where consent is kept: two places of one user, and what is not that user's alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from system_calls import system_calls

from dev_analytics.consent.decision import Consent
from dev_analytics.consent.environment import data_directory
from dev_analytics.consent.store import ConsentStore, ConsentStoreError

TODAY = date(2026, 11, 22)
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory, in which no variable names a data directory."""
    for name in ("DEV_ANALYTICS_DIR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return Path(os.environ["HOME"])


@pytest.fixture
def places(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[ConsentStore, ConsentStore]:
    """The store of a user where ``XDG_DATA_HOME`` is not set, and where a snap sets it."""
    usual = ConsentStore(data_directory())
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "snap" / "code" / "share"))
    return usual, ConsentStore(data_directory())


def test_the_other_place_is_that_without_the_variable(
    places: tuple[ConsentStore, ConsentStore], home: Path
) -> None:
    usual, moved = places
    assert usual.data != moved.data
    assert usual.other is None
    assert moved.other is not None
    assert moved.other.data == usual.data
    assert usual.data.is_relative_to(home)


def test_a_directory_that_is_named_is_a_user_of_its_own(
    places: tuple[ConsentStore, ConsentStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, _ = places
    usual.opt_out()
    monkeypatch.setenv("DEV_ANALYTICS_DIR", str(tmp_path / "named"))
    named = ConsentStore(data_directory())
    assert named.other is None
    named.agree(1, TODAY)
    assert named.current().user_id is not None
    named.opt_out()
    assert ConsentStore(tmp_path / "of a test").other is None


@pytest.mark.parametrize("first", [0, 1])
def test_a_no_in_one_place_holds_in_the_other(
    places: tuple[ConsentStore, ConsentStore], first: int
) -> None:
    for store in places:
        store.agree(1, TODAY)
        os.utime(store.folder, (0, 0))  # long ago, so that what was read is remembered
        assert store.current().user_id is not None
    assert places[first].opt_out() == ""
    for store in places:
        assert store.current() == store.read() == Consent(opted_out=True)
        assert store.agree(1, TODAY) == Consent(opted_out=True)
        assert not store.claim_question(lambda _: True, TODAY)


def test_an_opt_out_takes_the_identifier_of_the_other_place_too(
    places: tuple[ConsentStore, ConsentStore], everything: Callable[[Path], bytes], home: Path
) -> None:
    usual, moved = places
    user_id = usual.agree(1, TODAY).user_id
    assert user_id is not None
    moved.opt_out()
    assert user_id.encode() not in everything(home)


def test_a_reset_leads_back_from_both(places: tuple[ConsentStore, ConsentStore]) -> None:
    usual, moved = places
    moved.opt_out()
    moved.reset()
    assert [usual.read(), moved.read()] == [Consent(), Consent()]
    usual.opt_out()
    moved.reset()
    assert [usual.read(), moved.read()] == [Consent(), Consent()]


@pytest.mark.parametrize("look", [ConsentStore.current, ConsentStore.read])
def test_an_opt_out_that_was_seen_elsewhere_is_made_here_too(
    places: tuple[ConsentStore, ConsentStore],
    everything: Callable[[Path], bytes],
    home: Path,
    look: Callable[[ConsentStore], Consent],
) -> None:
    usual, moved = places
    user_id = moved.agree(1, TODAY).user_id
    assert user_id is not None
    (moved.data / "spool").mkdir()
    (moved.data / "spool" / "0123456789abcdef-archive.jsonl").write_text(user_id)
    os.utime(moved.folder, (0, 0))
    assert moved.current().user_id == user_id
    usual.opt_out()
    assert look(moved) == Consent(opted_out=True)
    assert user_id.encode() not in everything(home)
    usual.reset()
    assert moved.current() == moved.read() == Consent(opted_out=True)
    moved.reset()
    assert moved.read() == Consent()


def test_an_opt_out_elsewhere_makes_no_place_that_was_not_there(
    places: tuple[ConsentStore, ConsentStore],
) -> None:
    usual, moved = places
    usual.opt_out()
    assert moved.current() == moved.read() == Consent(opted_out=True)
    assert not moved.data.exists()


def test_no_yes_outlives_an_opt_out_and_a_reset_of_the_usual_place(
    places: tuple[ConsentStore, ConsentStore], everything: Callable[[Path], bytes], home: Path
) -> None:
    """Nothing ran in the moved place meanwhile, so that nothing there saw the opt-out."""
    usual, moved = places
    for _ in range(2):
        user_id = moved.agree(1, TODAY).user_id
        assert user_id is not None
        for folder in (usual.folder, moved.folder):
            if folder.exists():
                os.utime(folder, (0, 0))
        assert moved.current().user_id == moved.read().user_id == user_id
        usual.opt_out()
        usual.reset()
        assert moved.current().user_id is moved.read().user_id is None
        assert user_id.encode() not in everything(home)
    agreed = moved.agree(1, TODAY)
    assert moved.keep(2).user_id == moved.read().user_id == agreed.user_id
    assert {path.stat().st_mode & 0o777 for path in home.rglob("epoch")} == {0o600}


def test_no_yes_outlives_an_opt_out_and_a_reset_of_a_third_place(
    places: tuple[ConsentStore, ConsentStore], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, moved = places
    moved.agree(1, TODAY)
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "third"))
    third = ConsentStore(data_directory())
    third.opt_out()
    third.reset()
    assert moved.read().user_id is None


@pytest.mark.parametrize("way", ["link", "dots"])
def test_a_variable_that_leads_to_the_usual_place_moves_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Both are one place, and a reset has one lock to take, not the same one twice."""
    usual = ConsentStore(data_directory())
    usual.opt_out()
    (home / "link").symlink_to(home / ".local" / "share")
    (home / "folder").mkdir()
    named = home / "link" if way == "link" else home / "folder" / ".." / ".local" / "share"
    monkeypatch.setenv("XDG_DATA_HOME", str(named))
    same = ConsentStore(data_directory())
    assert same.data != usual.data
    assert same.other is None
    assert same.read().opted_out
    same.reset()
    assert usual.read() == Consent()
    # A yes of a third place does not outlive it.
    assert usual.epoch()


def test_a_way_that_leads_nowhere_yet_hides_no_opt_out(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ConsentStore(data_directory()).opt_out()
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "missing" / ".." / ".local" / "share"))
    assert ConsentStore(data_directory()).read().opted_out


def test_a_reset_that_cannot_forget_what_is_elsewhere_leaves_the_opt_out(
    places: tuple[ConsentStore, ConsentStore],
) -> None:
    usual, moved = places
    moved.agree(1, TODAY)
    usual.opt_out()
    usual.epoch_file.mkdir()
    with pytest.raises(ConsentStoreError):
        usual.reset()
    assert usual.read().opted_out
    assert moved.read().opted_out


def test_a_no_holds_through_a_link_in_the_place_of_the_other_folder(
    places: tuple[ConsentStore, ConsentStore], tmp_path: Path
) -> None:
    usual, moved = places
    moved.agree(1, TODAY)
    usual.data.mkdir(parents=True)
    (tmp_path / "linked").mkdir()
    usual.folder.symlink_to(tmp_path / "linked")
    for folder in (tmp_path / "linked", moved.folder):
        os.utime(folder, (0, 0))
    os.utime(usual.folder, (0, 0), follow_symlinks=False)
    assert moved.current().user_id is not None
    (tmp_path / "linked" / "opted-out").touch()
    assert moved.current().opted_out


def test_no_other_place_keeps_such_a_number(data: Path) -> None:
    store = ConsentStore(data)
    store.agree(1, TODAY)
    store.opt_out()
    store.reset()
    assert not store.epoch_file.exists()


def test_the_other_place_that_cannot_be_written_is_told_and_the_no_holds(
    places: tuple[ConsentStore, ConsentStore],
) -> None:
    usual, moved = places
    usual.data.parent.mkdir(parents=True)
    usual.data.write_text("no folder")
    missed = moved.opt_out()
    assert missed == (
        f"It could not be stored for programs that keep their data in {usual.data}: File exists."
    )
    assert moved.read() == Consent(opted_out=True)


def test_the_command_tells_it_too(places: tuple[ConsentStore, ConsentStore]) -> None:
    usual, moved = places
    usual.data.parent.mkdir(parents=True)
    usual.data.write_text("no folder")
    for command in (
        [sys.executable, "-m", "dev_analytics", "disable"],
        [*DEV, "--analytics-disable"],
    ):
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        assert ran.stdout == (
            "Analytics have been permanently disabled. It could not be stored for programs that "
            f"keep their data in {usual.data}: File exists.\n"
        )
    assert moved.read().opted_out


DEV = [sys.executable, "-c", "from dev_analytics.apps.dev import main; main()"]


def test_the_place_in_use_that_cannot_be_written_is_a_failure_and_the_other_keeps_the_no(
    places: tuple[ConsentStore, ConsentStore],
) -> None:
    usual, moved = places
    moved.data.parent.mkdir(parents=True)
    moved.data.write_text("no folder")
    with pytest.raises(ConsentStoreError):
        moved.opt_out()
    assert usual.read().opted_out
    moved.data.unlink()
    assert moved.read().opted_out


def test_a_place_that_cannot_be_looked_into_is_no_yes(
    places: tuple[ConsentStore, ConsentStore],
) -> None:
    usual, moved = places
    moved.agree(1, TODAY)
    usual.data.mkdir(parents=True)
    usual.folder.write_text("no folder")
    for consent in (moved.read(), moved.current()):
        assert consent.user_id is None
        assert consent.unreadable == f"{usual.data}: Not a directory"
    usual.folder.unlink()
    assert moved.current().user_id is not None


def test_a_number_of_resets_that_others_may_write_is_no_yes(
    places: tuple[ConsentStore, ConsentStore],
) -> None:
    usual, moved = places
    moved.agree(1, TODAY)
    usual.opt_out()
    usual.reset()
    moved.agree(1, TODAY)
    usual.epoch_file.chmod(0o622)
    consent = moved.read()
    assert consent.user_id is None
    assert consent.unreadable.startswith(f"{usual.data}: epoch can be written by other users")


def test_what_did_not_change_costs_one_stat_and_one_more_for_another_place(
    places: tuple[ConsentStore, ConsentStore],
) -> None:
    for store, cost in zip(places, (1, 2), strict=True):
        store.agree(1, TODAY)
        os.utime(store.folder, (0, 0))
        first = store.current()
        calls = system_calls(store.current)
        assert store.current() is first
        assert calls == ["lstat"] * cost


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        (".", "the data directory"),
        ("consent", "consent"),
        ("spool", "spool"),
        ("consent/consent.json", "consent.json"),
    ],
)
def test_what_others_may_write_is_not_used(data: Path, name: str, said: str, mode: int) -> None:
    store = ConsentStore(data)
    store.agree(1, TODAY)
    (data / "spool").mkdir()
    assert store.current().user_id is not None
    (data / name).chmod(mode)
    for consent in (store.read(), store.current()):
        assert consent.user_id is None
        assert consent.unreadable == f"{said} can be written by other users: chmod go-w it"
    assert store.agree(1, TODAY).user_id is None
    (data / name).chmod(0o700)
    assert store.current().user_id is not None
    (data / name).chmod(mode)
    store.opt_out()
    assert store.read().opted_out, "a no is taken all the same"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("consent", "consent is a link, and must be a folder"),
        ("spool", "spool is a link, and must be a folder"),
        ("consent/consent.json", "consent.json is a link, and must be a file"),
    ],
)
def test_a_link_is_not_used_and_an_opt_out_leaves_what_it_leads_to(
    data: Path, tmp_path: Path, name: str, said: str
) -> None:
    store = ConsentStore(data)
    store.agree(1, TODAY)
    (data / "spool").mkdir()
    place = data / name
    target = place.rename(tmp_path / "elsewhere")
    place.symlink_to(target)
    assert store.read().unreadable == store.current().unreadable == said
    before = sorted(tmp_path.joinpath("elsewhere").glob("*"))
    store.opt_out()
    assert store.read().opted_out
    assert target.exists()
    assert sorted(target.glob("*")) == before


def test_a_link_in_the_place_of_the_opt_out_is_one_and_its_target_stays(
    data: Path, tmp_path: Path
) -> None:
    store = ConsentStore(data)
    store.agree(1, TODAY)
    for name in ("opted-out", "consent.json.new"):
        target = tmp_path / name
        target.touch()
        (store.folder / name).symlink_to(target)
    assert store.read().opted_out
    store.opt_out()
    store.reset()
    assert [target.read_bytes() for target in tmp_path.glob("*-out")] == [b""]
    target = tmp_path / "consent.json.new"
    target.write_text("a user's")
    (store.folder / "consent.json.new").symlink_to(target)
    with pytest.raises(ConsentStoreError):
        store.agree(1, TODAY)
    assert target.read_text() == "a user's"
    assert store.agree(1, TODAY).user_id is not None, "the link is gone"


@AS_ROOT
@pytest.mark.parametrize("name", [".", "consent", "spool", "consent/consent.json"])
def test_what_belongs_to_another_user_is_not_used(data: Path, name: str) -> None:
    store = ConsentStore(data)
    store.agree(1, TODAY)
    (data / "spool").mkdir()
    os.chown(data / name, 65534, 65534)
    said = store.read().unreadable
    assert said == store.current().unreadable
    assert said == f"{Path(name).name or 'the data directory'} belongs to another user"
    with suppress(ConsentStoreError):
        store.agree(1, TODAY)
    assert store.read().user_id is None


@AS_ROOT
@pytest.mark.parametrize("made", ["home", "folders", "data", "answer"])
def test_a_session_of_root_leaves_nothing_in_the_home_of_another_user(
    home: Path, made: str, everything: Callable[[Path], bytes]
) -> None:
    store = ConsentStore(data_directory())
    if made == "folders":
        store.data.parent.mkdir(parents=True)
    elif made == "data":
        store.data.mkdir(parents=True)
    elif made == "answer":
        store.agree(1, TODAY)
    for path in (home, *home.rglob("*")):
        os.chown(path, 65534, 65534)
    if made == "folders":
        os.chown(store.data.parent, 0, 0)  # as an earlier session of root's left it
    before = everything(home)
    for change in (
        lambda: store.agree(1, TODAY),
        lambda: store.claim_question(lambda _: True, TODAY),
        store.opt_out,
        lambda: store.switch_off("acme"),
        store.reset,
    ):
        with suppress(ConsentStoreError):
            change()
    assert store.read().unreadable == store.current().unreadable
    assert "another user" in store.read().unreadable
    ran = subprocess.run(
        [sys.executable, "-m", "IPython", "--ext=dev_analytics", "-c", "%dev_analytics"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "DEV_ANALYTICS": "on"},
    )
    assert "another user" in ran.stdout
    left = {path.name for path in home.iterdir()} - {"ipythondir"}
    assert left == {path for path in left if path == ".local"}
    for path in home.joinpath(".local").rglob("*"):
        assert os.fsencode(path.name) in before
