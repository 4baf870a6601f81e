"""The launcher: senders that find the package, import nothing of the notebook's, and are alone."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fake_posthog import to_posthog
from processes import descriptors, senders

import dev_analytics
from dev_analytics import NOTICE
from dev_analytics.analytics import Analytics
from dev_analytics.consent.environment import data_directory
from dev_analytics.consent.store import ConsentStore
from dev_analytics.delivery import Delivery
from dev_analytics.delivery.backlog import Backlog
from dev_analytics.delivery.launcher import BEGIN_SECONDS, Launcher
from dev_analytics.delivery.ledger import read_ledger
from dev_analytics.destinations import ARCHIVE
from dev_analytics.drops import DropLedger
from dev_analytics.process.detached import environment
from dev_analytics.views.status import status_rows

Until = Callable[[Callable[[], bool]], None]

PACKAGE = Path(dev_analytics.__file__).parent
LOWEST_PRIORITY = 19


pytestmark = pytest.mark.usefixtures("agreed")


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(100)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


class Told(Launcher):
    """A launcher that is told where records go."""

    def __init__(self, data: Path) -> None:
        super().__init__(data, DropLedger(), lambda: self.told)
        self.told = Delivery()
        self._before = set(children(os.getpid()))

    def ended(self) -> bool:
        """Return whether no child is left beside those of tests before."""
        return set(children(os.getpid())) <= self._before


@pytest.fixture
def launcher(data: Path) -> Told:
    return Told(data)


def children(process: int) -> list[str]:
    """Return the children of a process; its threads may end meanwhile."""
    found = []
    for task in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(OSError):
            found += (task / "children").read_text().split()
    return found


def add_events(number: int = 1, key: str = "", host: str = "") -> None:
    """Leave events that no process holds any more, whose user agreed to where they go."""
    data, delivery = data_directory(), Delivery(recipient=to_posthog(host, key) if key else ARCHIVE)
    ConsentStore(data).agree(NOTICE, date.today(), recipients=[delivery.recipient])
    analytics = Analytics(data, delivery=delivery, strict=True)
    for _ in range(number):
        analytics.event("message_send", model="gpt-4o", provider="openai")
    analytics.delivery = None  # it starts no sender
    analytics.pipeline.sink.close(at_exit=False)


def waits_for_an_answer(data: Path, until: Until) -> int:
    """Wait for the one sender that has a connection, and give it."""

    def connected() -> bool:
        found = senders(data)
        return len(found) == 1 and any(one.startswith("socket:") for one in descriptors(found[0]))

    until(connected)
    return senders(data)[0]


def test_a_sender_delivers_and_ends(data: Path, until: Until, launcher: Told) -> None:
    add_events(3)
    launcher.start()
    until(lambda: read_ledger(data).delivered == 3)
    until(lambda: senders(data) == [])
    assert launcher.failure == ""
    assert Backlog(data).files() == []


def test_a_sender_ends_at_once_if_nothing_is_left(data: Path, until: Until, launcher: Told) -> None:
    launcher.start()
    until(lambda: senders(data) == [] and launcher.ended())
    assert not (data / "archive.sqlite").exists()


def test_it_is_a_detached_process_of_low_priority_with_nothing_of_any_event(
    data: Path, until: Until, launcher: Told, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONINSPECT", "1")
    add_events(1, "phc_test", silent)
    launcher.told = Delivery(recipient=to_posthog(silent, "phc_test"))
    launcher.start()
    sender = waits_for_an_answer(data, until)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, sender) >= min(own + 10, LOWEST_PRIORITY)
    assert os.getsid(sender) not in (os.getsid(0), 0)
    process = Path(f"/proc/{sender}")
    assert [os.readlink(process / "fd" / str(number)) for number in (0, 1, 2)] == ["/dev/null"] * 3  # noqa: PTH115
    assert (process / "cwd").resolve() == data.resolve()
    until(launcher.ended)
    user_id = ConsentStore(data).read().user_id
    told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    for content in (str(user_id), "$ai_generation", "message_send", "gpt-4o", "distinct_id"):
        assert content.encode() not in told
    assert b"PYTHONINSPECT" not in told


def test_its_command_line_names_no_key_no_host_and_no_path(
    data: Path, until: Until, launcher: Told, silent: str
) -> None:
    """Every user of the machine can read it, also while a shell waits to start it."""
    add_events(1, "phc_test", silent)
    launcher.told = Delivery(recipient=to_posthog(silent, "phc_test"), max_days=12.5)
    launcher.start_at_exit()
    seen: set[bytes] = set()

    def sends() -> bool:
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                line = process.read_bytes()
                if line.startswith(b"/bin/sh\0/proc/self/fd/"):
                    seen.add(line)
        return bool(seen and senders(data))

    until(sends)
    sender = waits_for_an_answer(data, until)
    seen.add(Path(f"/proc/{sender}/cmdline").read_bytes())
    for secret in ("phc_test", silent, "127.0.0.1", str(data), "12.5"):
        assert not [each for each in seen if secret.encode() in each]


def test_no_descriptor_of_the_kernel_s_reaches_it(
    data: Path, until: Until, launcher: Told, silent: str, tmp_path: Path
) -> None:
    add_events(1, "phc_test", silent)
    launcher.told = Delivery(recipient=to_posthog(silent, "phc_test"))
    with open(tmp_path / "user's file", "w"):
        launcher.start()
        sender = waits_for_an_answer(data, until)
    assert not [one for one in descriptors(sender) if "user's file" in one]


def test_of_ten_senders_one_remains(data: Path, until: Until, launcher: Told, silent: str) -> None:
    add_events(1, "phc_test", silent)
    launcher.told = Delivery(recipient=to_posthog(silent, "phc_test"))
    for _ in range(10):
        launcher.start()
    waits_for_an_answer(data, until)
    until(launcher.ended)
    assert len(senders(data)) == 1


def test_ten_senders_deliver_each_record_once(data: Path, until: Until, launcher: Told) -> None:
    for _ in range(5):
        add_events(100)
    for _ in range(10):
        launcher.start()
    until(lambda: not Backlog(data).files())
    until(lambda: senders(data) == [])
    assert read_ledger(data).delivered == 500
    assert read_ledger(data).dropped == {}


def test_a_kernel_that_starts_senders_all_the_time_has_no_zombie(
    kernel: Any, data: Path, until: Until
) -> None:
    running = kernel(None, "--DevAnalytics.flush_interval=0")
    running.run("%load_ext dev_analytics")
    for _ in range(5):
        running.run("1")
    pid = running.manager.provisioner.pid
    until(lambda: children(pid) == [])
    until(lambda: senders(data) == [])
    shown = running.run("import subprocess; subprocess.run(['true']).returncode")
    assert shown.text == "0"


def test_children_of_the_user_s_are_left_to_the_user(kernel: Any, data: Path) -> None:
    running = kernel(None, "--DevAnalytics.flush_interval=0")
    running.run("%load_ext dev_analytics")
    shown = running.run(
        """
import os
from dev_analytics import get_analytics
ended = []
for number in range(20):
    child = os.posix_spawn("/bin/sh", ["sh", "-c", f"exit {number}"], {})
    get_analytics().event("cell_executed", outcome="ok", duration_ms=1)
    ended.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == number)
all(ended)
"""
    )
    assert shown.text == "True"


SHADOWS = ("posthog", "sqlite3", "json", "filelock", "msgspec", "argparse", "random", "requests")


@pytest.fixture
def notebooks(tmp_path: Path) -> Path:
    """A folder of notebooks with modules whose import is seen."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name in (*SHADOWS, "sitecustomize", "usercustomize"):
        (folder / f"{name}.py").write_text(
            f"open({str(tmp_path / 'imported')!r}, 'a').write({name!r} + ' ')\n"
        )
    (tmp_path / "linked").symlink_to(folder)
    return folder


# A sender to PostHog imports the most; SQLite is the archive's.
@pytest.mark.parametrize(
    ("path", "destination"),
    [
        (path, "phc_test")
        for path in (None, "", ".", ":", ".:/nowhere", "./", "{here}", "{linked}", "../notebooks")
    ]
    + [(path, "") for path in (None, ".", "{here}")],
)
def test_nothing_in_the_notebook_s_folder_is_imported(
    data: Path,
    until: Until,
    launcher: Told,
    notebooks: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str | None,
    destination: str,
) -> None:
    add_events(1, destination, "http://127.0.0.1:1")
    monkeypatch.chdir(notebooks)
    if path is None:
        monkeypatch.delenv("PYTHONPATH", raising=False)
    else:
        given = path.format(here=notebooks, linked=tmp_path / "linked")
        monkeypatch.setenv("PYTHONPATH", given)
    launcher.told = Delivery(
        recipient=to_posthog("http://127.0.0.1:1", destination) if destination else ARCHIVE
    )
    launcher.start()
    until(lambda: bool(read_ledger(data).delivered or read_ledger(data).failure))
    assert launcher.failure == ""
    assert not (tmp_path / "imported").exists()
    assert bool(read_ledger(data).failure) == bool(destination)


def test_a_process_whose_folder_was_deleted_still_starts_a_sender(
    data: Path, until: Until, launcher: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_events()
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    monkeypatch.setenv("PYTHONPATH", f".:{tmp_path}")
    (tmp_path / "gone").rmdir()
    assert environment()["PYTHONPATH"] == str(tmp_path)
    launcher.start()
    until(lambda: read_ledger(data).delivered == 1)
    monkeypatch.chdir(tmp_path)


DELIVERS = """
import sys
from dev_analytics import get_analytics
import dev_analytics
print(dev_analytics.__file__)
from dev_analytics.delivery import Delivery
get_analytics().delivery = Delivery()
get_analytics().event("cell_executed", outcome="ok", duration_ms=1)
get_analytics().pipeline.sink.close(at_exit=True)
assert not get_analytics().pipeline.launcher.failure
"""


def delivers(python: Path, env: dict[str, str], cwd: Path) -> str:
    """Run a process that leaves its event to a sender; give where it found the package."""
    done = subprocess.run(
        [python, "-c", DELIVERS], env=env, cwd=cwd, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


COPIED = ("dev_analytics", "msgspec", "filelock", "platformdirs")


def copy(name: str, folder: Path) -> None:
    """Copy a package, without what other processes compile meanwhile."""
    package = Path(__import__(name).__file__ or "").parent
    shutil.copytree(package, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


def test_the_package_is_found_where_it_is_installed(
    data: Path, until: Until, tmp_path: Path
) -> None:
    found = delivers(Path(sys.executable), dict(os.environ), tmp_path)
    assert found == str(PACKAGE / "__init__.py")
    until(lambda: read_ledger(data).delivered == 1)


@pytest.mark.parametrize("relative", [False, True])
def test_the_package_is_found_on_the_python_path_alone(
    data: Path, until: Until, tmp_path: Path, relative: bool
) -> None:
    """An environment without the package, whose path has a copy of it and what it needs."""
    libraries = tmp_path / "libraries"
    for name in COPIED:
        copy(name, libraries)
    venv.create(tmp_path / "venv", symlinks=True)
    path = "libraries" if relative else str(libraries)
    env = {**os.environ, "PYTHONPATH": path}
    found = delivers(tmp_path / "venv" / "bin" / "python", env, tmp_path)
    assert found == str(libraries / "dev_analytics" / "__init__.py")
    until(lambda: read_ledger(data).delivered == 1)


def test_the_package_is_found_in_the_user_s_site(data: Path, until: Until, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", symlinks=True, system_site_packages=True)
    python = tmp_path / "venv" / "bin" / "python"
    ask = "import site; print(site.getusersitepackages())"
    site = Path(subprocess.check_output([python, "-c", ask], text=True).strip())
    assert tmp_path in site.parents
    site.mkdir(parents=True)
    for name in COPIED:
        copy(name, site)
    found = delivers(python, dict(os.environ), tmp_path)
    assert found == str(site / "dev_analytics" / "__init__.py")
    until(lambda: read_ledger(data).delivered == 1)


@pytest.mark.parametrize("shadowed", [False, True], ids=["libraries", "and modules of any name"])
def test_the_package_is_found_on_a_path_that_the_session_has_set(
    data: Path, until: Until, tmp_path: Path, notebooks: Path, shadowed: bool
) -> None:
    """As with ``pip install --target``; modules of the user's come after those of Python."""
    libraries = tmp_path / "libraries"
    for name in COPIED:
        copy(name, libraries)
    venv.create(tmp_path / "venv", symlinks=True)
    later = f"sys.path.insert(0, {str(notebooks)!r})\n" if shadowed else ""
    code = f"import sys\nsys.path.insert(0, {str(libraries)!r})\n{DELIVERS}"
    code = code.replace(
        "get_analytics().pipeline.sink.close", f"{later}get_analytics().pipeline.sink.close"
    )
    done = subprocess.run(
        [tmp_path / "venv" / "bin" / "python", "-P", "-c", code], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    until(lambda: read_ledger(data).delivered == 1)
    assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize(
    ("flag", "variable"), [("-I", "PYTHONPATH"), ("-E", "PYTHONHOME"), ("-s", "PYTHONUSERBASE")]
)
def test_what_the_session_shut_out_does_not_run_in_the_sender(
    data: Path, until: Until, tmp_path: Path, flag: str, variable: str
) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = tmp_path / "lib" / version / "site-packages"
    site.mkdir(parents=True)
    for folder, name in ((tmp_path, "sitecustomize"), (site, "usercustomize")):
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    env = {**os.environ, variable: str(tmp_path)}
    done = subprocess.run([sys.executable, flag, "-c", DELIVERS], env=env, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    until(lambda: read_ledger(data).delivered == 1)
    assert not (tmp_path / "ran").exists()


def test_a_program_that_is_no_python_is_not_started_once_more(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "app"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    analytics = Analytics(data, strict=True)
    analytics.event("cell_executed", outcome="ok", duration_ms=1)
    analytics.pipeline.sink.rest()
    said = status_rows(analytics, analytics.gate.now()[0])["waiting"]
    why = "Python runs inside another program, and none could be started"
    assert said == f"1, as no sender could be started: {why}"
    analytics.pipeline.launcher.start_at_exit()
    assert analytics.pipeline.launcher.failure == why
    assert not (tmp_path / "started").exists()


def test_a_python_that_does_not_begin_is_said(
    data: Path, until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a ``PYTHONHOME`` that is another one's."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\nexit 1\n")
    program.chmod(0o755)
    analytics = Analytics(data, strict=True)
    analytics.event("cell_executed", outcome="ok", duration_ms=1)
    analytics.pipeline.sink.rest()
    launcher = analytics.pipeline.launcher
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", str(program))
        launcher.start()
        until((tmp_path / "started").exists)
        until(lambda: launcher._started > 0)
        assert launcher.trouble == ""
        launcher._started -= BEGIN_SECONDS + 1
        assert launcher.trouble == "the one that was started last has not begun"
    launcher.start()
    until(lambda: read_ledger(data).delivered == 1)
    assert launcher.trouble == ""
    launcher._started -= BEGIN_SECONDS + 1
    assert launcher.trouble == "", "it showed a sign of life"


def test_a_process_without_settings_starts_neither_a_sender_nor_a_thread(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr(
        "dev_analytics.delivery.launcher.start_thread", lambda *given: started.append(given)
    )
    Launcher(data, DropLedger(), lambda: None).start()
    assert started == []
    Launcher(data, DropLedger(), Delivery).start()
    assert len(started) == 1


def test_a_spool_that_cannot_be_bounded_is_a_failure_inside(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object) -> None:
        raise MemoryError

    monkeypatch.setattr("dev_analytics.delivery.bounds.bound", fail)
    launcher = Launcher(data, DropLedger(), Delivery)
    launcher.bound_spool(at_once=True)
    assert launcher.drops.counts == {"failure inside": 1}


@pytest.mark.parametrize("python", ["", "/nowhere/python"])
def test_where_no_python_can_be_started_the_records_stay_and_the_reason_is_known(
    data: Path, until: Until, monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    analytics = Analytics(data)
    analytics.event("cell_executed", outcome="ok", duration_ms=1)
    with monkeypatch.context() as without:
        without.setattr(sys, "executable", python)
        analytics.pipeline.sink.close(at_exit=True)
    expected = "no Python to start" if not python else "No such file or directory"
    assert analytics.pipeline.launcher.failure == expected
    assert Backlog(data).count() == 1
    analytics.pipeline.launcher.start_at_exit()
    assert analytics.pipeline.launcher.failure == ""
    until(lambda: read_ledger(data).delivered == 1)
    until(lambda: senders(data) == [])


@pytest.mark.parametrize(
    "error", [OSError(11, "Resource temporarily unavailable"), OverflowError("too large")], ids=str
)
def test_where_no_process_can_be_started_nothing_is_raised(
    data: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(command: str) -> bool:
        raise error

    monkeypatch.setattr("dev_analytics.process.detached.run_unseen", refuse)
    analytics = Analytics(data, strict=True)
    analytics.delivery = Delivery(flush_seconds=0)
    for _ in range(3):
        analytics.event("cell_executed", outcome="ok", duration_ms=1)
    analytics.pipeline.sink.close(at_exit=True)
    assert analytics.pipeline.launcher.failure in str(error)
    assert analytics.pipeline.launcher.failure
    assert Backlog(data).count() == 3
    assert analytics.drops.counts == {}


def test_a_cell_that_moves_the_home_directory_hides_no_opt_out_from_a_sender(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    everything: Callable[[Path], bytes],
    until: Until,
) -> None:
    home = Path(os.environ["HOME"])
    monkeypatch.delenv("DEV_ANALYTICS_DIR", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    usual = ConsentStore(data_directory())
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "snap" / "share"))
    user_id = ConsentStore(data_directory()).agree(NOTICE, date.today()).user_id
    assert user_id is not None
    analytics = Analytics()
    analytics.event("cell_executed", outcome="ok", duration_ms=1)
    (tmp_path / "another home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "another home"))
    usual.opt_out()
    analytics.pipeline.sink.close(at_exit=True)
    until(lambda: not any((analytics.data / "spool").iterdir()))
    until(lambda: not senders(analytics.data))
    assert user_id.encode() not in everything(home)
    assert not (analytics.data / "archive.sqlite").exists()


UNLOADED = """
import os, sys
from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell
HistoryManager.enabled = False
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "dev_analytics")
shell.run_cell("1", store_history=True)
if sys.argv[1] == "off":
    shell.run_line_magic("dev_analytics", "off")
shell.run_line_magic("unload_ext", "dev_analytics")
os._exit(0)
"""


@pytest.mark.parametrize("before", ["on", "off"])
def test_a_session_that_is_unloaded_just_before_the_end_has_its_sender(
    data: Path, until: Until, before: str
) -> None:
    ConsentStore(data).agree(NOTICE, date.today())
    subprocess.run([sys.executable, "-c", UNLOADED, before], capture_output=True, check=True)
    until(lambda: read_ledger(data).delivered >= 2 and not Backlog(data).files())
