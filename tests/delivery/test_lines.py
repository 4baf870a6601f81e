"""The file of whole lines: many writers, full disks, files of other kinds."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dev_analytics.delivery import lines
from dev_analytics.delivery.lines import LOOK_SECONDS, FileClosedError, LineFile
from dev_analytics.process.native import Clock


def test_a_line_is_appended_whole_and_the_file_is_the_user_s_alone(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "log")
    file.append(b"one")
    file.append(b"two")
    file.close()
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


def test_what_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"before\n")
    LineFile(tmp_path / "log").append(b"after")
    assert (tmp_path / "log").read_bytes() == b"before\nafter\n"


WRITER = """
import sys
from pathlib import Path
from dev_analytics.delivery.lines import LOOK_SECONDS, FileClosedError, LineFile
file = LineFile(Path(sys.argv[1]))
sys.stdin.readline()
for number in range(int(sys.argv[4])):
    file.append(f"{sys.argv[2]}-{number}-".encode() + b"x" * int(sys.argv[3]))
"""


@pytest.mark.parametrize(("size", "lines"), [(400, 1000), (20_000, 200), (200_000, 50)])
def test_lines_of_many_processes_stay_whole(tmp_path: Path, size: int, lines: int) -> None:
    path = tmp_path / "log"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(name), str(size), str(lines)],
            stdin=subprocess.PIPE,
        )
        for name in range(4)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.close()
    assert [writer.wait() for writer in writers] == [0] * 4
    written = path.read_bytes().splitlines()
    expected = {f"{w}-{n}-".encode() + b"x" * size for w in range(4) for n in range(lines)}
    assert len(written) == 4 * lines
    assert set(written) == expected


FULL = """
import resource, signal, sys
from pathlib import Path
from dev_analytics.delivery.lines import LOOK_SECONDS, FileClosedError, LineFile
path = Path(sys.argv[1])
file = LineFile(path)
file.append(b"before")
if sys.argv[2] == "behind":
    other = LineFile(path)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
try:
    file.append(b"too long for it")
except OSError as error:
    print(error)
try:
    file.append(b"too long again")
except OSError as error:
    print(error)
file.append(b"in")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
file.append(b"after")
"""


def test_a_line_that_did_not_fit_a_full_disk_is_taken_back(tmp_path: Path) -> None:
    """The limit on the file's size cuts a write off in the middle, as a full disk does."""
    path = tmp_path / "log"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path), ""], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["the line did not fit"] * 2
    assert path.read_bytes() == b"before\nin\nafter\n"


def test_a_torn_line_that_somebody_wrote_behind_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the cut-off write and its taking back, another process appends."""
    path = tmp_path / "log"
    file, other = LineFile(path), LineFile(path)
    write = os.write

    def cut_off(descriptor: int, line: bytes) -> int:
        monkeypatch.setattr(lines, "append_now", write)
        written = write(descriptor, line[:3])
        write(other.descriptor, b"other\n")
        return written

    monkeypatch.setattr(lines, "append_now", cut_off)
    with pytest.raises(OSError, match="did not fit"):
        file.append(b"torn line")
    file.append(b"whole")
    assert path.read_bytes() == b"torother\n\nwhole\n"


def test_a_closed_file_takes_no_line(tmp_path: Path) -> None:
    """Its descriptor's number soon belongs to another file, of the user perhaps."""
    file = LineFile(tmp_path / "log")
    file.close()
    users = os.open(tmp_path / "the user's", os.O_CREAT | os.O_WRONLY)
    # It has that number anyway, unless another thread was quicker.
    os.dup2(users, file.descriptor)
    with pytest.raises(OSError, match="closed"):
        file.append(b"a line")
    file.close()
    os.write(file.descriptor, b"still open")
    for descriptor in {users, file.descriptor}:
        os.close(descriptor)
    assert (tmp_path / "the user's").read_bytes() == b"still open"


def test_threads_append_while_another_closes(tmp_path: Path) -> None:
    files = [LineFile(tmp_path / "log") for _ in range(50)]
    written = []

    def append() -> None:
        for file in files:
            try:
                for _ in range(1000):
                    file.append(b"line")
                    written.append(1)
            except OSError:
                continue

    threads = [threading.Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    for file in files:
        file.close()
    for thread in threads:
        thread.join()
    assert (tmp_path / "log").read_bytes() == b"line\n" * len(written)


def test_a_signal_in_the_middle_of_a_line_may_append_too(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "log")
    before = signal.signal(signal.SIGUSR1, lambda *_: file.append(b"from the handler"))
    try:
        with file._lock:
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert (tmp_path / "log").read_bytes() == b"from the handler\n"


def test_a_named_pipe_is_refused_and_nobody_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError):  # noqa: PT011, the system's own words
        LineFile(tmp_path / "pipe")


@pytest.mark.parametrize("path", ["/dev/null", "/dev/full"])
def test_a_device_is_no_log(path: str) -> None:
    with pytest.raises(OSError, match="no regular file"):
        LineFile(Path(path))


def test_a_folder_or_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        LineFile(tmp_path)
    with pytest.raises(FileNotFoundError):
        LineFile(tmp_path / "missing" / "log")


@pytest.mark.parametrize("lines_before", [0, 1])
def test_a_log_whose_descriptor_is_another_file_s_by_now_begins_anew(
    tmp_path: Path, lines_before: int
) -> None:
    """A daemon closes all descriptors, and opens files of its own."""
    log = LineFile(tmp_path / "log", renewed=True)
    for _ in range(lines_before):
        log.append(b"before")
    os.close(log.descriptor)
    theirs = os.open(tmp_path / "theirs", os.O_CREAT | os.O_WRONLY)
    try:
        assert theirs == log.descriptor
        log.append(b"after")
        log.close()
        os.write(theirs, b"theirs")
    finally:
        os.close(theirs)
    assert (tmp_path / "theirs").read_bytes() == b"theirs"
    assert (tmp_path / "log").read_bytes() == b"before\n" * lines_before + b"after\n"


def test_a_log_that_was_moved_away_begins_anew_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LineFile(tmp_path / "log", renewed=True)
    log.append(b"before")
    (tmp_path / "log").rename(tmp_path / "log.1")
    later = Clock.monotonic() + LOOK_SECONDS
    monkeypatch.setattr(Clock, "monotonic", lambda: later)
    log.append(b"after")
    log.close()
    assert (tmp_path / "log").read_bytes() == b"after\n"
    assert (tmp_path / "log.1").read_bytes() == b"before\n"


def test_a_log_goes_on_once_its_folder_is_there_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk is mounted again, or a folder is made anew from a repository."""
    folder, away = tmp_path / "folder", tmp_path / "away"
    folder.mkdir()
    log = LineFile(folder / "log", renewed=True)
    log.append(b"before")
    folder.rename(away)
    later = Clock.monotonic() + LOOK_SECONDS
    monkeypatch.setattr(Clock, "monotonic", lambda: later)
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            log.append(b"meanwhile")
    away.rename(folder)
    log.append(b"after")
    assert (folder / "log").read_bytes() == b"before\nafter\n"
    folder.rename(away)
    monkeypatch.setattr(Clock, "monotonic", lambda: later + LOOK_SECONDS)
    with pytest.raises(FileNotFoundError):
        log.append(b"meanwhile")
    log.close()
    away.rename(folder)
    with pytest.raises(FileClosedError):
        log.append(b"after its end")
