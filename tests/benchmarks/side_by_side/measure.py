"""Runs the programs of `driver`, each in a process, folder and home of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import psutil
from jupyter_client.manager import KernelManager
from rivals import LIBRARIES

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent.parent
RIVALS: Final = ROOT / ".venv/rivals"
LIMIT: Final = 60.0
"""How long a process may take, in seconds; whatever does not end is killed and said to."""

_LOCAL: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class FailedError(Exception):
    """A library could not be measured; the message says why, in a line."""


class EndlessError(Exception):
    """A process did not end in the time that it is given: that is what was found."""


class Hosts:
    """The hosts of `server`, by the kind of host that they are."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, HERE / "server.py"], stdout=subprocess.PIPE
        )
        assert self._process.stdout
        ports = self._process.stdout.readline().split()
        self.good, self.silent, self.refusing = (f"http://127.0.0.1:{int(port)}" for port in ports)

    def count(self, marker: bytes) -> int:
        """Count what was sent."""
        return int(_LOCAL.open(f"{self.good}/{marker.hex()}").read())

    def forget(self) -> None:
        """Begin to count anew."""
        _LOCAL.open(urllib.request.Request(self.good, method="DELETE")).close()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()


class Ended(NamedTuple):
    """How a process ended: what it found, and when, on the clock of all processes."""

    found: dict[str, list[float]]
    at: float


class Place:
    """A user of its own: an empty home, in which `library` has what it has after a yes.

    Parameters
    ----------
    library
        The name of its module.
    """

    def __init__(self, library: str) -> None:
        self.library = library
        self.home = Path(tempfile.mkdtemp(prefix="side-by-side-"))
        rival = RIVALS / library
        self.environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TZ")},
            "HOME": str(self.home),
            "FAKE_ROOT": str(self.home / "root"),
            "XDG_CONFIG_DIRS": str(self.home / "root" / "etc" / "xdg"),
            "IPYTHONDIR": str(self.home / "ipython"),
            "JUPYTER_RUNTIME_DIR": str(self.home / "runtime"),
            "JUPYTER_DATA_DIR": str(self.home / "jupyter"),
            "DEV_ANALYTICS_DIR": str(self.home / "data"),
            "PLOOMBER_VERSION_CHECK_DISABLED": "1",
            "PYTHONPATH": str(rival) if rival.is_dir() else "",
        }

    def _agree(self, address: str) -> None:
        from dev_analytics import NOTICE
        from dev_analytics.consent.store import ConsentStore

        named = [f"posthog {address} phc_of_a_benchmark"]
        ConsentStore(self.home / "data").agree(NOTICE, date.today(), recipients=named)
        os.utime(self.home / "data/consent", (0, 0))

    def start(
        self, program: str, address: str, *more: str, result: str = "result.json"
    ) -> subprocess.Popen[bytes]:
        """Start a program of the driver."""
        if self.library == "dev_analytics":
            self._agree(address)
        (self.home / result).unlink(missing_ok=True)
        with open(self.home / "output", "wb") as output:
            return subprocess.Popen(
                [
                    *(sys.executable, str(HERE / "driver.py"), program, self.library, *more),
                    *("--address", address, "--folder", str(self.home), "--result", result),
                ],
                env=self.environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait(
        self,
        process: subprocess.Popen[bytes],
        result: str = "result.json",
        *,
        killed: bool = False,
    ) -> Ended:
        """Wait for its end; raise FailedError if it is none."""
        timer = threading.Timer(LIMIT, process.kill)
        timer.start()
        # Not wait(timeout=...), which looks only now and then.
        code = process.wait()
        at = time.monotonic()
        in_time = timer.is_alive()
        timer.cancel()
        file = self.home / result
        if not in_time:
            raise EndlessError(f"did not end within {LIMIT:.0f} s")
        if code != (-signal.SIGKILL if killed else 0):
            raise FailedError(self._last_words())
        return Ended(json.loads(file.read_text()) if file.exists() else {}, at)

    def run(self, program: str, address: str, *more: str) -> Ended:
        """Run a program of the driver to its end."""
        return self.wait(self.start(program, address, *more))

    def load_in_kernel(self, address: str) -> tuple[float, float]:
        """Return the ms of loading in a new kernel, and those until the first event is taken."""
        if self.library == "dev_analytics":
            self._agree(address)
        code = (
            f"import sys; sys.path.insert(0, {str(HERE)!r})\n"
            "import json; from pathlib import Path; import driver\n"
            f"taken = driver.load({self.library!r}, {address!r}, Path({str(self.home)!r}))\n"
            f"Path({str(self.home / 'result.json')!r}).write_text(json.dumps(taken))"
        )
        # No ports, which others may take before; the path of a socket has at most 104 bytes.
        manager = KernelManager(transport="ipc", ip=str(self.home / "k"))
        manager.start_kernel(
            env=self.environment,
            cwd=str(self.home),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=LIMIT)
            reply = client.execute_interactive(code, timeout=LIMIT, output_hook=lambda _: None)
            if reply["content"]["status"] != "ok":
                raise FailedError(f"{reply['content']['ename']}: {reply['content']['evalue']}")
            load, first = json.loads((self.home / "result.json").read_text())
            return load, first
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)

    def _last_words(self) -> str:
        lines = (self.home / "output").read_text("utf-8", "replace").strip().splitlines()
        text = lines[-1] if lines else "it ended without a word"
        for folder in (self.home, ROOT):
            text = text.replace(f"{folder}/", "").replace(str(folder), "")
        return text[:200]

    def settle(self, patience: float = 10.0) -> None:
        """Wait for what the library left running, and end that after `patience` seconds.

        It is gone if two looks find nothing: one misses a process that starts while it looks.
        """
        deadline = time.monotonic() + patience
        free = 0
        while free < 2:
            left = list(self._left())
            free = 0 if left else free + 1
            if time.monotonic() > deadline:
                for process in left:
                    with suppress(psutil.Error):
                        process.kill()
            time.sleep(0.1)

    def _left(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                # Our own senders have no environment yet while they wait for the process to end.
                # Asked once: at its end a process has no line any more.
                about_to_be_one = "".join(process.cmdline()[1:2]).startswith("/proc/self/fd/")
                if (
                    process.environ().get("HOME") == str(self.home) or about_to_be_one
                ) and process.status() != psutil.STATUS_ZOMBIE:
                    yield process


@contextmanager
def place(library: str, patience: float = 10.0) -> Iterator[Place]:
    """Yield a folder, and delete it afterwards."""
    made = Place(library)
    try:
        yield made
    finally:
        made.settle(patience)
        shutil.rmtree(made.home, ignore_errors=True)


def version(package: str, library: str) -> str:
    """Return the installed version of a library."""
    from importlib.metadata import distributions

    paths = [str(RIVALS / library), *sys.path]
    return next(found.version for found in distributions(name=package, path=paths))


def arrived(hosts: Hosts, where: Place) -> int:
    """Count events in the end: at the server, or in the file that is all there is."""
    about = LIBRARIES[where.library]
    if not about.delivers:
        return (where.home / "events.jsonl").read_bytes().count(about.marker)
    where.settle(LIMIT)
    return hosts.count(about.marker)
