"""The test suites of IPython, ipykernel, nbclient and ipywidgets, with the extension and without.

Each is its release on PyPI, unpacked in ``.venv/peers`` by the Makefile; ``python
tests/peers/suites.py`` runs them all, and fails where one test ends otherwise than without.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from dev_analytics.consent.store import ConsentStore

ROOT = Path(__file__).parent.parent.parent
PEERS = ROOT / ".venv" / "peers"
BIN = Path(sys.executable).parent
# No suite needs these plugins of our own environment, and they take half of a short run to import.
OTHERS_PLUGINS = ("langsmith_plugin", "hypothesispytest", "benchmark")


class Suite(NamedTuple):
    """Some tests of a peer, and how its own configuration wants them run.

    Those that start shells or kernels leave records.
    """

    peer: str
    tests: Sequence[str]
    options: Sequence[str] = ()
    shells: bool = True


FULL = (
    Suite("ipython", ["tests"]),
    Suite("ipykernel", ["tests"], ["-W", "ignore", "-o", "filterwarnings="]),
    Suite(
        "nbclient",
        ["tests"],
        ["-W", "ignore", "-o", "asyncio_default_fixture_loop_scope=function"],
    ),
    Suite("ipywidgets", ["ipywidgets"], shells=False),
)
SHORT = (
    Suite(
        "ipython",
        [
            f"tests/test_{name}.py"
            for name in ("interactiveshell", "events", "magic", "async_helpers")
        ],
        # Each of them takes seconds; `make peers` runs them.
        ["-k", "not raise_on_interrupt and not notebook_export"],
    ),
)
CONTROL = Suite(
    "ipython",
    ["tests/test_interactiveshell.py"],
    ["-k", "var_expand"],
)


class Ran(NamedTuple):
    """How each test ended, and how many records the extension made meanwhile."""

    outcomes: dict[str, str]
    records: int


class Bench:
    """A Python environment for the suites, which sees the packages of this one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._prefix = folder / "prefix"
        venv.create(self._prefix, symlinks=True)
        (packages,) = (self._prefix / "lib").glob("*/site-packages")
        paths = [sysconfig.get_path("purelib"), str(PEERS / "packages")]
        sites = "; ".join(f"site.addsitedir({path!r})" for path in paths)
        (packages / "peers.pth").write_text(f"import site; {sites}\n")
        self._python = self._prefix / "bin" / "python"

    def run(self, suite: Suite, load: str) -> Ran:
        """Run a suite ``"with"`` the extension in every shell, ``"without"``, or ``"naively"``."""
        home = Path(tempfile.mkdtemp(dir=self._folder))
        (peer,) = PEERS.glob(f"{suite.peer}-*/")
        outcomes, log = home / "outcomes", home / "events.jsonl"
        # The whole way of an event is gone: the user has agreed, and it is logged too.
        ConsentStore(home / "data").agree(1, date.today())
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
            "HOME": str(home),
            "FAKE_ROOT": str(home / "root"),
            "PATH": os.pathsep.join([str(self._prefix / "bin"), str(BIN), os.environ["PATH"]]),
            "PYTHONPATH": str(Path(__file__).parent),
            "PEERS_OUTCOMES": str(outcomes),
            "PEERS_LOAD": load,
            "DEV_ANALYTICS_DIR": str(home / "data"),
        }
        of_the_machine = ("IPYTHON", "JUPYTER", "XDG_", "PYTHONSTARTUP")
        for name in [name for name in environ if name.startswith(of_the_machine)]:
            del environ[name]
        word = "enable" if load == "with" else "remove"
        subprocess.run(
            [self._python, "-m", "dev_analytics", word, "--sys-prefix"],
            env=environ,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        environ["DEV_ANALYTICS_LOG"] = str(log)
        arguments = ["-q", "--timeout=90", "-p", "outcomes"]
        for plugin in ("cacheprovider", *OTHERS_PLUGINS):
            arguments += ["-p", f"no:{plugin}"]
        ran = subprocess.run(
            [self._python, "-m", "pytest", *arguments, *suite.options, *suite.tests],
            cwd=peer,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if not outcomes.exists():
            raise RuntimeError(f"{suite.peer} did not run:\n{ran.stdout}\n{ran.stderr}")
        lines = outcomes.read_text("utf-8").splitlines()
        ended = {test: outcome for outcome, _, test in (line.partition(" ") for line in lines)}
        records = log.read_bytes().count(b"\n") if log.exists() else 0
        return Ran(ended, records)


def differences(one: Ran, other: Ran) -> list[str]:
    """Name every test that did not end alike, or ran only once."""
    tests = sorted({*one.outcomes, *other.outcomes})
    return [
        f"{test}: {one.outcomes.get(test, 'missing')}, then {other.outcomes.get(test, 'missing')}"
        for test in tests
        if one.outcomes.get(test) != other.outcomes.get(test)
    ]


def faults(suite: Suite, without: Ran, loaded: Ran) -> list[str]:
    """Return why comparing two runs proves nothing; None if it does."""
    found = []
    if list(loaded.outcomes.values()).count("passed") < 50:
        found.append(f"{suite.peer}: hardly a test has passed")
    if without.records:
        found.append(f"{suite.peer}: records were made without the extension")
    if suite.shells and not loaded.records:
        found.append(f"{suite.peer}: the extension saw nothing")
    return found


def compared(bench: Bench, suite: Suite) -> tuple[Ran, Ran, list[str]]:
    """Run a suite without and with the extension, and name the tests that end otherwise with it.

    A test that ends by chance, as one does that measures time, ends by chance without it too: what
    differs counts only if it does so in each of three comparisons.
    """
    without, loaded = bench.run(suite, "without"), bench.run(suite, "with")
    found = differences(without, loaded)
    for _ in range(2):
        if found:
            again = differences(bench.run(suite, "without"), bench.run(suite, "with"))
            by_test = {line.partition(": ")[0] for line in again}
            found = [line for line in found if line.partition(": ")[0] in by_test]
    return without, loaded, found


def main() -> int:
    """Compare every suite, and give the exit code."""
    folder = Path(tempfile.mkdtemp())
    bench, found = Bench(folder), []
    for suite in FULL:
        without, loaded, differ = compared(bench, suite)
        found += [*differ, *faults(suite, without, loaded)]
        tests = f"{suite.peer}: {len(loaded.outcomes)} tests, {loaded.records} records"
        print(f"{tests}, {len(differ)} differ", flush=True)
    control = differences(bench.run(CONTROL, "without"), bench.run(CONTROL, "naively"))
    print(f"negative control: {len(control)} differ")
    print(*found, sep="\n")
    shutil.rmtree(folder, ignore_errors=True)
    return int(bool(found) or not control)


if __name__ == "__main__":
    sys.exit(main())
