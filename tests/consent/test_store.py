"""The consent store: what is stored, what a fault does, and who wins a race."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from dev_analytics.consent.decision import Consent
from dev_analytics.consent.scope import Scope
from dev_analytics.consent.store import ConsentStore, ConsentStoreError
from dev_analytics.destinations import ARCHIVE
from dev_analytics.process.descriptors import MAX_WRITTEN
from dev_analytics.process.native import system

TODAY = date(2026, 11, 22)
ACME = Scope(1, {"acme: made": frozenset({"It was made."})})
ROUNDS = 300
"""How often the race between a yes and an opt-out is run."""


@pytest.fixture
def store(data: Path) -> ConsentStore:
    return ConsentStore(data)


def yes(consent: Consent) -> bool:
    return consent.user_id is not None and not consent.opted_out and not consent.unreadable


def anybody(_: Consent) -> bool:
    return True


def nobody(_: Consent) -> bool:
    return False


def content(store: ConsentStore) -> dict[str, Any]:
    return dict(json.loads(store.file.read_bytes()))


def test_reading_makes_nothing(store: ConsentStore, data: Path) -> None:
    assert store.read() == store.current() == Consent()
    assert not data.exists()


def test_a_yes_makes_a_random_uuid4_and_keeps_it(store: ConsentStore) -> None:
    first = store.agree(1, TODAY)
    assert first.user_id is not None
    assert uuid.UUID(first.user_id).version == 4
    assert store.agree(2, TODAY).user_id == first.user_id
    assert ConsentStore(store.data).read() == Consent(
        user_id=first.user_id, notice=2, recipients=frozenset({ARCHIVE}), answered_on=TODAY
    )


def test_the_file_is_as_the_contract_says(store: ConsentStore) -> None:
    store.claim_question(anybody, TODAY)
    before = content(store)
    assert before == {"version": 1, "asked_on": "2026-11-22", "draw": before["draw"]}
    consent = store.agree(1, TODAY)
    assert content(store) == {
        "version": 1,
        "draw": before["draw"],
        "answer": "yes",
        "user_id": consent.user_id,
        "notice": 1,
        "recipients": ["archive"],
        "answered_on": "2026-11-22",
    }


def test_folders_and_files_are_the_user_s_alone(store: ConsentStore) -> None:
    os.umask(before := os.umask(0))
    os.umask(0)
    try:
        store.agree(1, TODAY)
        store.opt_out()
    finally:
        os.umask(before)
    for path in (store.data, *store.data.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_the_draw_has_four_decimals_and_stays(store: ConsentStore) -> None:
    assert not store.claim_question(nobody, TODAY)
    draw = store.read().draw
    assert draw is not None
    assert 0 <= draw < 1
    assert round(draw, 4) == draw
    assert store.claim_question(anybody, TODAY)
    assert store.read() == Consent(draw=draw, asked_on=TODAY)


def test_the_draw_leaves_the_user_s_random_numbers_alone(store: ConsentStore) -> None:
    import random

    random.seed(1)
    expected = random.random()
    random.seed(1)
    store.claim_question(nobody, TODAY)
    assert random.random() == expected


def test_an_opt_out_deletes_answer_and_identifier(store: ConsentStore) -> None:
    user_id = store.agree(1, TODAY).user_id
    assert user_id is not None
    store.opt_out()
    assert store.read() == Consent(opted_out=True)
    left = b"".join(path.read_bytes() for path in store.data.rglob("*") if path.is_file())
    assert user_id.encode() not in left
    assert sorted(path.name for path in store.folder.iterdir()) == ["opted-out"]


def test_an_opt_out_also_deletes_what_a_killed_writer_left(store: ConsentStore) -> None:
    store.agree(1, TODAY)
    left = store.folder / "consent.json.new"
    left.write_bytes(store.file.read_bytes())
    store.opt_out()
    assert not left.exists()


@pytest.mark.parametrize("change", [ConsentStore.opt_out, ConsentStore.reset])
def test_an_opt_out_and_a_reset_delete_all_that_carries_an_identifier(
    store: ConsentStore, change: Callable[[ConsentStore], None]
) -> None:
    user_id = store.agree(1, TODAY).user_id
    assert user_id is not None
    (store.data / "spool").mkdir()
    random = "0123456789abcdef"
    in_spool = (
        "-archive.jsonl",
        "-0a1b2c3d.jsonl",
        "-archive.live.jsonl",
        ".jsonl",
        "-archive.new",
    )
    names = (*(f"spool/{random}{end}" for end in in_spool), "spool/sender.new", "archive.sqlite")
    for name in (*names, "archive.sqlite-journal", "quarantine", "ledger.json", "sender.log"):
        record = f'{{"event": "launched", "distinct_id": "{user_id}"}}\n'
        (store.data / name).write_text(record if name != "sender.log" else "1 delivered")
    change(store)
    left = [path for path in store.data.rglob("*") if path.is_file()]
    assert not any(user_id in path.read_text() for path in left)
    assert list((store.data / "spool").iterdir()) == []


def test_no_yes_comes_after_an_opt_out(store: ConsentStore) -> None:
    store.opt_out()
    assert store.agree(1, TODAY) == Consent(opted_out=True)
    assert not store.claim_question(anybody, TODAY)
    assert not store.file.exists()


def test_a_later_yes_has_a_new_identifier(store: ConsentStore) -> None:
    first = store.agree(1, TODAY).user_id
    store.opt_out()
    store.reset()
    assert store.read() == Consent()
    assert store.agree(1, TODAY).user_id not in (None, first)


@pytest.mark.parametrize("place", ["consent.json", "opted-out"])
def test_a_directory_named_like_the_opt_out_is_one_and_reset_removes_any(
    store: ConsentStore, place: str
) -> None:
    (store.folder / place / "deep").mkdir(parents=True)
    consent = store.read()
    assert not yes(consent)
    assert consent.opted_out == (place == "opted-out")
    store.reset()
    assert store.read() == Consent()


def test_every_change_of_another_process_is_seen_at_once(store: ConsentStore) -> None:
    other = ConsentStore(store.data)
    for _ in range(50):
        store.agree(1, TODAY)
        assert yes(other.current())
        store.opt_out()
        assert other.current().opted_out
        store.reset()
        assert other.current() == Consent()


def test_a_change_within_one_tick_of_the_folder_s_clock_is_seen(store: ConsentStore) -> None:
    store.agree(1, TODAY)
    ticked = store.folder.stat().st_mtime_ns
    assert yes(store.current())
    ConsentStore(store.data).opt_out()
    os.utime(store.folder, ns=(ticked, ticked))
    assert store.current().opted_out


def test_a_store_that_has_settled_is_read_once(store: ConsentStore) -> None:
    store.agree(1, TODAY)
    os.utime(store.folder, (0, 0))
    first = store.current()
    assert yes(first)
    assert store.current() is first
    os.utime(store.folder, (1, 1))
    assert store.current() is not first


def test_a_deleted_data_directory_is_no_yes(store: ConsentStore) -> None:
    import shutil

    store.agree(1, TODAY)
    assert yes(store.current())
    shutil.rmtree(store.data)
    assert store.current() == Consent()


ANSWER = {
    "version": 1,
    "answer": "yes",
    "user_id": "0c7b1d9e-5f38-4d0a-9a54-3a6f1b9a2a11",
    "notice": 1,
    "answered_on": "2026-11-22",
    "draw": 0.5,
}
GOOD = json.dumps(ANSWER).encode()

DAMAGED = {
    "empty": b"",
    "half-written": GOOD[: len(GOOD) // 2],
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "list": b"[]",
    "null": b"null",
    "true": b"true",
    "bad UTF-8": GOOD.replace(b"yes", b"\xff\xfe\xfd"),
    "UTF-16": json.dumps(ANSWER).encode("utf-16"),
    "zeros": b"\0" * len(GOOD),
    "two": GOOD + GOOD,
    "deep": b"[" * 100_000,
    "answer": json.dumps({**ANSWER, "answer": "no"}).encode(),
    "answer true": json.dumps({**ANSWER, "answer": True}).encode(),
    "version 2": json.dumps({**ANSWER, "version": 2}).encode(),
    "no version": json.dumps({k: v for k, v in ANSWER.items() if k != "version"}).encode(),
    "user_id a number": json.dumps({**ANSWER, "user_id": 7}).encode(),
    "user_id a name": json.dumps({**ANSWER, "user_id": "ada"}).encode(),
    "user_id with a line end": json.dumps(
        {**ANSWER, "user_id": "0c7b1d9e-5f38-4d0a-9a54-3a6f1b9a2a11\n"}
    ).encode(),
    "a no, then a yes": b'{"answer": null, ' + GOOD[1:],
    "two draws": GOOD[:-1] + b', "draw": 0.1}',
    "user_id a UUID1": json.dumps(
        {**ANSWER, "user_id": "0c7b1d9e-5f38-1d0a-9a54-3a6f1b9a2a11"}
    ).encode(),
    "no user_id": json.dumps({k: v for k, v in ANSWER.items() if k != "user_id"}).encode(),
    "user_id without answer": json.dumps(
        {k: v for k, v in ANSWER.items() if k != "answer"}
    ).encode(),
    "notice 0": json.dumps({**ANSWER, "notice": 0}).encode(),
    "kept notice 0": json.dumps({**ANSWER, "kept_notice": 0}).encode(),
    "asked once": json.dumps({**ANSWER, "asked": 1, "asked_on": "2026-11-20"}).encode(),
    "notice a text": json.dumps({**ANSWER, "notice": "1"}).encode(),
    "day of no calendar": json.dumps({**ANSWER, "answered_on": "2026-02-30"}).encode(),
    "day in another form": json.dumps({**ANSWER, "answered_on": "20261122"}).encode(),
    "draw 1": json.dumps({**ANSWER, "draw": 1.0}).encode(),
    "draw below 0": json.dumps({**ANSWER, "draw": -0.1}).encode(),
    "draw a text": json.dumps({**ANSWER, "draw": "0.5"}).encode(),
    "unknown field": json.dumps({**ANSWER, "name": "Ada"}).encode(),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_store_is_no_yes_and_keeps_a_no(store: ConsentStore, damage: str) -> None:
    store.folder.mkdir(parents=True)
    store.file.write_bytes(DAMAGED[damage])
    assert store.read() == store.current() == Consent(unreadable="consent.json is damaged")
    assert not yes(store.agree(1, TODAY)), "a yes over a damaged store would hide a lost no"
    assert not store.claim_question(anybody, TODAY)
    assert store.file.read_bytes() == DAMAGED[damage]
    store.opt_out()
    assert store.read() == Consent(opted_out=True)
    store.reset()
    assert yes(store.agree(1, TODAY))


def test_a_store_larger_than_any_of_ours_is_not_read(store: ConsentStore) -> None:
    store.agree(1, TODAY)
    store.file.write_bytes(b" " * MAX_WRITTEN + store.file.read_bytes())
    assert store.read() == store.current() == Consent(unreadable="File too large")
    store.opt_out()
    assert store.read().opted_out
    assert not store.file.exists()


@given(st.binary() | st.text().map(str.encode) | st.integers(0, len(GOOD)).map(lambda n: GOOD[:n]))
def test_no_content_crashes_the_store(tmp_path: Path, written: bytes) -> None:
    store = ConsentStore(tmp_path / "data")
    store.folder.mkdir(parents=True, exist_ok=True)
    store.file.write_bytes(written)
    consent = store.read()
    assert yes(consent) == (written == GOOD)


def test_a_file_in_place_of_the_folder_is_no_yes(store: ConsentStore) -> None:
    store.data.mkdir()
    store.folder.write_bytes(GOOD)
    assert store.read().unreadable == store.current().unreadable == "Not a directory"
    with pytest.raises(ConsentStoreError):
        store.agree(1, TODAY)
    with pytest.raises(ConsentStoreError):
        store.opt_out()


def test_no_home_directory_is_no_yes_and_makes_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    store = ConsentStore(Path("~/.local/share/dev-analytics"))
    assert store.read().unreadable == store.current().unreadable != ""
    for change in (lambda: store.agree(1, TODAY), store.opt_out, store.reset):
        with pytest.raises(ConsentStoreError, match="no home directory"):
            change()
    assert set(tmp_path.iterdir()) == before


# What root may do anyway cannot be forbidden by modes, so that these run as another user.
AS_NOBODY = """
# Another user may not be able to read where Python is.
import os, sys, filelock, uuid, dev_analytics.consent.policy, dev_analytics.consent.tool_files
from datetime import date
from pathlib import Path
from dev_analytics.consent.store import ConsentStore, ConsentStoreError
if os.geteuid() == 0:
    os.setgid(65534); os.setuid(65534)
store = ConsentStore(Path(sys.argv[1]))
def tried(change):
    try:
        return change()
    except ConsentStoreError as error:
        return f"refused: {error}"
"""


def as_nobody(data: Path, code: str) -> str:
    """Run `code` as a user whom modes bind, in a folder that this user owns."""
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY + code, str(data)],
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def nobody_s_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="dev-analytics-"))
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    yield folder / "data"
    subprocess.run(["chmod", "-R", "u+rwx", str(folder)], check=True)
    shutil.rmtree(folder)


def test_an_unreadable_store_is_no_yes(nobody_s_data: Path) -> None:
    shown = as_nobody(
        nobody_s_data,
        """
store.agree(1, date.today())
store.file.chmod(0)
print(store.read().unreadable, store.current().unreadable, sep="; ")
store.folder.chmod(0)
print(store.read().unreadable, ConsentStore(store.data).current().unreadable, sep="; ")
""",
    )
    assert shown.splitlines() == ["Permission denied; Permission denied"] * 2


def test_a_read_only_store_takes_no_answer_and_says_so(nobody_s_data: Path) -> None:
    shown = as_nobody(
        nobody_s_data,
        """
store.data.mkdir(); store.folder.mkdir()
store.folder.chmod(0o500); store.data.chmod(0o500)
print(tried(lambda: store.agree(1, date.today())))
print(tried(lambda: store.claim_question(lambda _: True, date.today())))
print(tried(store.opt_out))
print(store.read().user_id)
""",
    )
    assert shown.splitlines() == ["refused: Permission denied"] * 3 + ["None"]


def test_an_opt_out_that_cannot_be_stored_is_told_and_never_pretended(nobody_s_data: Path) -> None:
    shown = as_nobody(
        nobody_s_data,
        """
store.agree(1, date.today())
store.folder.chmod(0o500)
print(tried(store.opt_out))
""",
    )
    assert shown == "refused: Permission denied"


# A full disk: no process may let a file grow, which writes meet as they meet a disk without room.
FULL = """
import resource, signal, sys
from datetime import date
from pathlib import Path
from dev_analytics.consent.store import ConsentStore, ConsentStoreError
store = ConsentStore(Path(sys.argv[1]))
def full(room=0):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
def tried(change):
    try:
        return change()
    except ConsentStoreError as error:
        return f"refused: {error}"
"""


def on_full_disk(data: Path, code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", FULL + code, str(data)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("room", [0, 10])
def test_a_full_disk_takes_no_yes_and_keeps_what_was_there(data: Path, room: int) -> None:
    shown = on_full_disk(
        data,
        f"""
store.claim_question(lambda _: True, date.today())
before = store.read()
full({room})
print(tried(lambda: store.agree(1, date.today())))
print(store.read() == before, sorted(path.name for path in store.folder.iterdir()))
store.opt_out()
print(store.read().opted_out)
""",
    )
    assert shown == ["refused: File too large", "True ['consent.json']", "True"]


@pytest.fixture
def no_new_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no disk take an opt-out's file.

    No limit of this kind can be set for one folder: the one call that would fail is made to.
    """
    opened = system.open

    def no_room(path: Any, flags: int, *more: Any) -> int:
        if flags & os.O_CREAT and str(path).endswith("opted-out"):
            raise OSError(28, "No space left on device")
        return opened(path, flags, *more)

    monkeypatch.setattr(system, "open", no_room)


@pytest.mark.usefixtures("no_new_file")
def test_a_full_disk_that_takes_no_new_file_still_stores_an_opt_out(store: ConsentStore) -> None:
    user_id = store.agree(1, TODAY).user_id
    store.opt_out()
    assert store.read() == Consent(opted_out=True)
    assert user_id is not None
    assert user_id.encode() not in store.marker.read_bytes()
    assert not store.file.exists()


@pytest.mark.usefixtures("no_new_file")
@pytest.mark.parametrize("answer", ["none", "a folder"])
def test_one_where_no_file_can_become_the_opt_out_is_said_to_be_full(
    store: ConsentStore, answer: str
) -> None:
    store.folder.mkdir(parents=True)
    if answer == "a folder":
        store.file.mkdir()
    with pytest.raises(ConsentStoreError, match="No space left on device"):
        store.opt_out()
    assert not store.marker.exists()


def test_a_writer_killed_at_any_moment_leaves_the_old_state_or_the_new(data: Path) -> None:
    """Each run is killed a little later, until one has ended by itself."""
    code = """
import sys
from datetime import date
from pathlib import Path
from dev_analytics.consent.store import ConsentStore
import filelock
store = ConsentStore(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for notice in range(1, 2000):
    store.agree(notice, date.today())
"""
    store = ConsentStore(data)
    seen = set()
    for length in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        process.stdin.write(b"\n")
        process.stdin.flush()
        for _ in range(length):
            before = store.read()
            while store.read() == before and process.poll() is None:
                pass
        process.kill()
        process.wait()
        consent = store.read()
        assert not consent.unreadable
        seen.add(consent.user_id)
    assert len(seen - {None}) == 1, "a killed writer never loses or changes the identifier"


RACE = """
import sys, time
from datetime import date
from pathlib import Path
from dev_analytics.consent.store import ConsentStore
import filelock
for line in sys.stdin:
    data, what, delay = line.rstrip("\\n").split("\\t")
    store = ConsentStore(Path(data))
    while not Path(data, "go").exists():
        pass
    begin = time.perf_counter() + float(delay)
    while time.perf_counter() < begin:
        pass
    store.agree(1, date.today()) if what == "yes" else store.opt_out()
    print("done", flush=True)
"""


def test_an_opt_out_always_wins_a_race_with_a_yes(tmp_path: Path) -> None:
    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", RACE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    racers = {"yes": start(), "no": start()}
    for number in range(ROUNDS):
        data = tmp_path / str(number)
        data.mkdir()
        for what, racer in racers.items():
            assert racer.stdin is not None
            # The opt-out comes a little later each time, so that it meets every step of the yes.
            delay = number % 30 * 0.0001 if what == "no" else 0
            racer.stdin.write(f"{data}\t{what}\t{delay}\n")
            racer.stdin.flush()
        (data / "go").touch()
        for racer in racers.values():
            assert racer.stdout is not None
            assert racer.stdout.readline() == "done\n"
        store = ConsentStore(data)
        assert store.read() == Consent(opted_out=True), number
        assert not store.file.exists(), f"round {number} left an identifier"
    for racer in racers.values():
        assert racer.stdin is not None
        racer.stdin.close()
        assert racer.wait() == 0


def test_an_opt_out_between_a_yes_s_check_and_its_write_wins(
    store: ConsentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = store._write

    def opt_out_first(consent: Consent) -> None:
        ConsentStore(store.data).opt_out()
        write(consent)

    monkeypatch.setattr(store, "_write", opt_out_first)
    assert store.agree(1, TODAY) == Consent(opted_out=True)
    assert sorted(path.name for path in store.folder.iterdir()) == ["opted-out"]


def test_of_two_processes_that_would_ask_one_does(data: Path) -> None:
    def may_ask(consent: Consent) -> bool:
        return consent.asked_on is None

    claims = [ConsentStore(data).claim_question(may_ask, TODAY) for _ in range(2)]
    assert claims == [True, False]


def test_two_that_ask_on_one_day_have_asked_once(store: ConsentStore) -> None:
    """As two sessions do that are switched on: the pause before the next one is that after one."""
    for day, asked in (
        (TODAY, 1),
        (TODAY, 1),
        (TODAY + timedelta(7), 2),
        (TODAY + timedelta(7), 2),
    ):
        assert store.claim_question(anybody, day)
        assert store.read().asked == asked


def test_a_store_that_another_process_holds_says_so(
    store: ConsentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dev_analytics.consent.store as module

    monkeypatch.setattr(module, "LOCK_SECONDS", 0.05)
    store.data.mkdir()
    with FileLock(store.data / "consent.lock"):
        with pytest.raises(ConsentStoreError, match="another process holds"):
            store.agree(1, TODAY)
        store.opt_out()
    assert store.read().opted_out, "an opt-out waits for nobody"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no flock that could fail")
def test_where_there_are_no_locks_no_yes_is_stored_but_a_no(
    store: ConsentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object) -> NoReturn:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(ConsentStoreError, match="the file system has no locks"):
        store.agree(1, TODAY)
    store.opt_out()
    assert store.read().opted_out


@pytest.mark.parametrize(
    "no", [ConsentStore.opt_out, partial(ConsentStore.switch_off, tool="acme")]
)
def test_a_no_that_is_written_holds_though_the_disk_confirms_nothing(
    store: ConsentStore, monkeypatch: pytest.MonkeyPatch, no: Callable[[ConsentStore], object]
) -> None:
    def fail(folder: Path) -> NoReturn:
        raise OSError(errno.EIO, "Input/output error")

    store.agree(1, TODAY)
    monkeypatch.setattr("dev_analytics.consent.store.sync_folder", fail)
    no(store)
    assert store.read().opted_out or store.read().tools_off == {"acme"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no sync of a folder")
def test_an_answer_is_on_the_disk_before_it_counts_and_so_is_its_name(
    store: ConsentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real calls are made, and noted: which file, and whether the answer counted by then."""
    synced: list[tuple[str, bool]] = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        there = {path.stat().st_ino: path.name for path in store.data.rglob("*")}
        consent = ConsentStore(store.data).read()
        synced.append((there[os.fstat(descriptor).st_ino], bool(consent.user_id)))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    store.agree(1, TODAY)
    assert synced == [("consent.json.new", False), ("consent", True)]
    store.opt_out()
    assert ("consent", False) in synced[2:]


def test_a_write_leaves_no_line_in_a_log_of_everything(
    store: ConsentStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A notebook shows the log below the cell, with the name of the user's home."""
    with caplog.at_level("DEBUG"):
        store.agree(1, TODAY)
        store.opt_out()
        assert not caplog.records
        with FileLock(store.data / "of-the-user.lock"):
            assert caplog.records


def test_every_writer_s_callback_sees_the_newest_state(store: ConsentStore) -> None:
    store.agree(1, TODAY)
    seen: list[Consent] = []

    def look(consent: Consent) -> bool:
        seen.append(consent)
        return False

    check: Callable[[Consent], bool] = look
    ConsentStore(store.data).claim_question(check, TODAY)
    assert [consent.user_id for consent in seen] == [store.read().user_id]


@pytest.mark.parametrize("which", ["everything", "a tool"])
def test_a_no_is_one_sentence_in_its_file(store: ConsentStore, which: str) -> None:
    """Cleaners of empty files take no opt-out away."""
    if which == "everything":
        store.opt_out()
        marker = store.marker
    else:
        store.switch_off("acme")
        marker = store.folder / "off.acme"
    said = marker.read_text()
    assert said.endswith(".\n")
    assert (said.count("."), said.count("\n")) == (1, 1)
    marker.write_text("")
    assert store.read().opted_out == (which == "everything"), "that it is there is all that counts"


def test_an_opt_out_changes_no_file_that_is_there(store: ConsentStore) -> None:
    store.folder.mkdir(parents=True)
    store.marker.write_text("the user wrote this\n")
    store.opt_out()
    assert store.marker.read_text() == "the user wrote this\n"


NO_DESCRIPTORS = """
import os, resource, sys
from datetime import date
from pathlib import Path
from dev_analytics.consent.scope import Scope
from dev_analytics.consent.store import ConsentStore
data = Path(sys.argv[1])
acme = Scope(1, {"acme: made": frozenset({"It was made."})})
ConsentStore(data).agree(1, date.today(), {"acme@acme": acme})
os.utime(data / "consent", (0, 0))
store = ConsentStore(data)
ConsentStore(data).read()  # what is imported at the first reading needs descriptors, too
held = []
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
try:
    while True:
        held.append(os.open("/", os.O_RDONLY))
except OSError:
    pass
for _ in range(int(sys.argv[2])):  # how many are left
    os.close(held.pop())
first = store.current()
print(first.user_id is not None and bool(first.tools))
while held:
    os.close(held.pop())
second = store.current()
print(second.user_id is not None, bool(second.tools))
print(store.current() is second)
"""


@pytest.mark.parametrize("left", [0, 1])
def test_a_store_that_could_not_be_read_once_is_read_again(data: Path, left: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", NO_DESCRIPTORS, str(data), str(left)],
        capture_output=True,
        text=True,
    )
    assert ran.stderr == ""
    assert ran.stdout.splitlines()[1:] == ["True True", "True"]
    if not left:
        assert ran.stdout.startswith("False")


def test_tools_that_could_not_be_read_once_are_read_again(store: ConsentStore) -> None:
    store.agree(1, TODAY, {"acme@acme": ACME})
    whole = store.tools_file.read_bytes()
    os.utime(store.folder, (0, 0))
    store.tools_file.chmod(0o666)
    assert (yes(store.current()), dict(store.current().tools)) == (True, {})
    store.tools_file.chmod(0o600)
    assert store.tools_file.read_bytes() == whole
    assert dict(store.current().tools) == {"acme@acme": ACME}


def test_a_question_left_unanswered_is_counted_from_the_second_time_on(
    store: ConsentStore,
) -> None:
    """What the first time stores is what versions that do not count understand."""
    for number in range(1, 5):
        day = TODAY + timedelta(40 * number)
        assert store.claim_question(anybody, day)
        assert (store.read().asked_on, store.read().asked) == (day, number)
        assert content(store).get("asked", 1) == number
        assert ("asked" in content(store)) == (number > 1)
    assert store.agree(1, TODAY).asked_on is None
    assert not {"asked", "asked_on"} & set(content(store))
    store.claim_question(anybody, TODAY)
    assert store.read().asked == 1, "what is asked after an answer is another question"
    store.claim_question(anybody, TODAY)
    store.keep(2)
    assert (store.read().asked_on, store.read().asked) == (None, 1)


@pytest.mark.parametrize("asked", [0, 1, -1, 2.5, "2", None])
def test_a_count_that_nobody_wrote_is_damage(store: ConsentStore, asked: object) -> None:
    store.folder.mkdir(parents=True)
    fields = {"version": 1, "draw": 0.5, "asked_on": "2026-11-22", "asked": asked}
    store.file.write_text(json.dumps(fields))
    assert (store.read().unreadable == "") == (asked is None)
    store.file.write_text(json.dumps({"version": 1, "draw": 0.5, "asked": 2}))
    assert store.read().unreadable == "consent.json is damaged"
