"""Descriptors: none of ours is a standard one, and nothing of ours is written to another's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import date
from functools import partial
from pathlib import Path

import pytest
from interruptions import apart, raise_at

from dev_analytics import NOTICE, Analytics
from dev_analytics.consent.held_folder import HeldFolder
from dev_analytics.consent.store import ConsentStore, ConsentStoreError
from dev_analytics.delivery import Delivery
from dev_analytics.delivery.launcher import Launcher
from dev_analytics.delivery.ledger import read_ledger
from dev_analytics.delivery.lines import LineFile
from dev_analytics.delivery.locks import locked
from dev_analytics.delivery.spool import Spool
from dev_analytics.destinations import ARCHIVE
from dev_analytics.drops import DropLedger
from dev_analytics.process.descriptors import (
    make_folder,
    open_above,
    pipe_above,
    replace_content,
    standard_taken,
)
from dev_analytics.process.native import system

CLOSED = """
import os, sys, threading
from datetime import date
from pathlib import Path
from dev_analytics import get_analytics
from dev_analytics.delivery import Delivery
from dev_analytics import NOTICE
here = Path(sys.argv[1])
analytics = get_analytics()
for number in map(int, sys.argv[2].split(",")):
    os.close(number)
def prints():
    # What a library of C does, which knows nothing of sys.stderr.
    while not over.is_set():
        for number in (1, 2):
            try:
                os.write(number, b"a library's\\n")
            except OSError:
                pass
over = threading.Event()
library = threading.Thread(target=prints)
library.start()
analytics.gate.store.agree(NOTICE, date.today())
analytics.delivery = Delivery(flush_seconds=1e6)
analytics.log_to(here / "log.jsonl")
for number in range(50):
    analytics.event("cell_executed", outcome="ok", duration_ms=number)
    analytics.event("no such event")
analytics.pipeline.launcher.store_drops()
# A file of the user's takes a closed one's place, as it always did.
expected = min(map(int, sys.argv[2].split(",")))
standard = [f"/proc/self/fd/{number}" for number in (0, 1, 2)]
ours = [os.readlink(each) for each in standard if os.path.exists(each)]
user = os.open(here / "user", os.O_WRONLY | os.O_CREAT)
over.set()
library.join()
analytics.pipeline.sink.close(at_exit=True)
(here / "said").write_text(repr((user == expected, [one for one in ours if str(here) in one])))
"""


@pytest.mark.parametrize("closed", ["0", "2", "0,1,2"])
def test_none_is_a_standard_one_whatever_the_user_closed(
    data: Path, tmp_path: Path, closed: str
) -> None:
    """What a library writes to a closed standard error lands in no file of ours."""
    done = subprocess.run(
        [sys.executable, "-c", CLOSED, str(tmp_path), closed], stdout=-3, stderr=-3, stdin=-3
    )
    assert done.returncode == 0
    assert (tmp_path / "said").read_text() == "(True, [])"
    for line in (tmp_path / "log.jsonl").read_bytes().splitlines():
        json.loads(line)
    assert len((tmp_path / "log.jsonl").read_bytes().splitlines()) == 50
    found = [
        file for file in data.rglob("*") if file.is_file() and b"a library's" in file.read_bytes()
    ]
    assert found == []
    assert read_ledger(data).dropped == {"invalid": 50}


def test_a_folder_that_the_system_does_not_know_fails_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in /proc, and below a folder into which a server mounts homes."""
    make, made = Path.mkdir, []

    def mkdir(folder: Path, mode: int = 0o777) -> None:
        made.append(folder)
        assert len(made) < 20
        if folder.name == "none":
            raise FileNotFoundError(2, "No such file or directory")
        make(folder, mode)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    store = ConsentStore(tmp_path / "none" / "data")
    for change in (store.opt_out, lambda: store.agree(NOTICE, date.today())):
        with pytest.raises(ConsentStoreError, match="No such file"):
            change()
    make_folder(tmp_path / "some" / "data")
    assert (tmp_path / "some" / "data").is_dir()


def begin_spool(folder: Path, done: ExitStack) -> None:
    launcher = Launcher(folder, DropLedger(), lambda: Delivery(flush_seconds=1e6))
    spool = Spool(folder, launcher)
    done.callback(spool.purge)
    spool.accept(b"{}", "a user", ARCHIVE)


def open_pipe(folder: Path, done: ExitStack) -> None:
    for end in pipe_above():
        done.callback(os.close, end)


def hold_lock(folder: Path, done: ExitStack) -> None:
    file = folder / "lock"
    # Another one each time.
    file.unlink(missing_ok=True)
    with locked(file, wait=0.0):
        """Release it again."""


OPENING: dict[str, Callable[[Path, ExitStack], object]] = {
    "a file": lambda folder, done: done.callback(
        os.close, open_above(folder / "file", os.O_RDWR | os.O_CREAT)
    ),
    "a pipe": open_pipe,
    "a folder": lambda folder, done: done.callback(HeldFolder(folder).close),
    "a log": lambda folder, done: done.callback(LineFile(folder / "log", renewed=True).close),
    "a file of the spool": begin_spool,
    "a new content": lambda folder, done: replace_content(folder / "content", b"it"),
    "a lock": hold_lock,
}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs a list of what is open")
@pytest.mark.parametrize("opening", OPENING.values(), ids=OPENING)
def test_an_interrupt_at_any_line_leaves_none_open(
    tmp_path: Path, opening: Callable[[Path, ExitStack], object]
) -> None:
    line, reached, opened = 0, [""], Path("/proc/self/fd")
    while reached:
        line += 1
        before = len([*opened.iterdir()])
        with (
            suppress(KeyboardInterrupt),
            ExitStack() as done,
            raise_at(line, KeyboardInterrupt) as reached,
        ):
            next(apart(partial(opening, tmp_path, done)))
        left = len([*opened.iterdir()]) - before
        # Where a ``try`` begins, only a debugger stops.
        assert not left or "locks.py" in reached[0], reached
    assert line > 10
    assert not [*tmp_path.rglob("*.new")]


def test_what_is_taken_meanwhile_is_given_back() -> None:
    """In a child, whose standard streams are nobody's."""
    child = os.fork()
    if child == 0:
        os.close(0)
        os.close(2)
        with standard_taken():
            inside = os.open(os.devnull, os.O_RDONLY)
        pipe = pipe_above()
        opened = open_above(os.devnull, os.O_RDONLY)
        after = os.open(os.devnull, os.O_RDONLY)
        os._exit(0 if min(inside, *pipe, opened) > 2 and after == 0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("marked", [True, False])
def test_what_is_put_there_meanwhile_is_not_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marked: bool
) -> None:
    """Another thread of the user's gives standard input a file again."""
    if not marked:
        monkeypatch.setattr("dev_analytics.process.descriptors.SET_MARK", None)
    child = os.fork()
    if child == 0:
        user = os.open(tmp_path / "user's", os.O_WRONLY | os.O_CREAT)
        os.close(0)
        with standard_taken():
            os.dup2(user, 0)
        os._exit(0 if os.path.samestat(os.fstat(0), os.fstat(user)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def analytics(data: Path, tmp_path: Path) -> Analytics:
    """A session with a spool and a log whose descriptors are open."""
    ConsentStore(data).agree(NOTICE, date.today())
    analytics = Analytics(data, delivery=Delivery(flush_seconds=1e6), strict=True)
    analytics.log_to(tmp_path / "log.jsonl")
    record(analytics)
    return analytics


def record(analytics: Analytics) -> None:
    analytics.event("cell_executed", outcome="ok", duration_ms=1)


def ours(analytics: Analytics) -> list[LineFile]:
    sink = analytics.pipeline.sink
    assert isinstance(sink, Spool)
    assert sink._file is not None
    assert analytics.log is not None
    return [sink._file, analytics.log]


def lines(folder: Path) -> int:
    return sum(len(file.read_bytes().splitlines()) for file in folder.rglob("*.jsonl"))


@pytest.mark.parametrize("how", ["a file that is as long", "our own file again", "the other's"])
def test_a_number_that_was_given_away_is_written_to_by_its_owner_alone(
    analytics: Analytics, data: Path, tmp_path: Path, how: str
) -> None:
    """Also where the position, or the file itself, is the same as ours was."""
    files = ours(analytics)
    numbers = [file.descriptor for file in files]
    copies = []
    for file, number in zip(files, numbers, strict=True):
        copy = tmp_path / f"user's {number}"
        copy.write_bytes(file.path.read_bytes())
        source = {"a file that is as long": copy, "our own file again": file.path}
        other = files[1 - files.index(file)].path
        descriptor = os.open(source.get(how, other), os.O_RDWR)
        os.lseek(descriptor, 0, os.SEEK_END)
        copies.append((descriptor, number, os.fstat(descriptor).st_size))
    for descriptor, number, _ in copies:
        os.dup2(descriptor, number)
    record(analytics)
    for file in ours(analytics):
        assert file.descriptor not in numbers
    for _, number, size in copies:
        assert os.lseek(number, 0, os.SEEK_CUR) == size
    if how == "a file that is as long":
        assert {(tmp_path / f"user's {number}").stat().st_size for number in numbers} == {
            size for *_, size in copies
        }
    analytics.stop_log()
    analytics.pipeline.sink.close(at_exit=False)
    for descriptor, number, _ in copies:
        os.close(number)  # it is still the user's
        os.close(descriptor)
    assert lines(data / "spool") == lines(tmp_path) - lines(data / "spool") == 2


def test_a_forked_child_closes_no_file_that_has_our_number(
    analytics: Analytics, tmp_path: Path
) -> None:
    numbers = [file.descriptor for file in ours(analytics)]
    with open(tmp_path / "user's", "w") as user:
        for number in numbers:
            os.dup2(user.fileno(), number)
        child = os.fork()
        if child == 0:
            try:
                there = [os.fstat(number).st_ino for number in numbers]
                record(analytics)
                os._exit(there != [os.fstat(user.fileno()).st_ino] * 2)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        for number in numbers:
            os.close(number)
    assert (tmp_path / "user's").read_bytes() == b""


def test_what_a_sender_is_told_reaches_no_file_that_took_its_pipe_s_place(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, analytics: Analytics
) -> None:
    """Another thread closes everything just when the pipe is there."""
    from dev_analytics.process import detached

    taken: list[int] = []

    def pipe() -> tuple[int, int]:
        reading, writing = pipe_above()

        def stat(descriptor: int) -> os.stat_result:
            status = fstat(descriptor)
            if not taken:
                taken.append(os.open(tmp_path / "user's", os.O_WRONLY | os.O_CREAT))
                os.dup2(taken[0], writing)
            return status

        monkeypatch.setattr(system, "fstat", stat)
        return reading, writing

    fstat = system.fstat
    monkeypatch.setattr(detached, "pipe_above", pipe)
    launcher = Launcher(data, DropLedger(), Delivery)
    analytics.pipeline.sink.rest()
    launcher.start_at_exit()
    monkeypatch.setattr(system, "fstat", fstat)
    assert taken
    assert launcher.failure == os.strerror(9)
    assert (tmp_path / "user's").read_bytes() == b""


@pytest.mark.parametrize("unknown", [None, 9999])
def test_without_a_mark_the_file_itself_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unknown: int | None
) -> None:
    """As on a system whose open files keep no number, or that refuses to set it."""
    monkeypatch.setattr("dev_analytics.process.descriptors.SET_MARK", unknown)
    file = LineFile(tmp_path / "log", renewed=True)
    file.append(b"one")
    user = os.open(tmp_path / "user's", os.O_WRONLY | os.O_CREAT)
    os.write(user, b"one\n")
    os.dup2(user, file.descriptor)
    os.close(user)
    number = file.descriptor
    file.append(b"two")
    os.close(number)
    file.close()
    assert (tmp_path / "user's").read_bytes() == b"one\n"
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
