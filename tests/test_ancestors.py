"""A program is known by the name that it was started with, and so are those above a process."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from dev_analytics.consent.store import ConsentStore
from dev_analytics.process import ancestors
from dev_analytics.process.ancestors import program, programs
from dev_analytics.process.native import environ_of


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("/usr/bin/python3 /usr/bin/jupyter-lab --port=1", "jupyter-lab"),
        ("python3.14 -m papermill in.ipynb", "papermill"),
        ("python -X dev -W ignore -I -m spyder_kernels.console -f x", "spyder_kernels.console"),
        ("python -X dev /opt/bin/voila", "voila"),
        ("python -c print('jupyter-lab')", ""),
        ("pypy3 -m jupyterlab", "jupyterlab"),
        ("/usr/bin/jupyter-notebook", "jupyter-notebook"),
        ("python", ""),
        ("python -m", ""),
        ("", ""),
    ],
)
def test_a_program_is_the_script_or_the_module_that_python_runs(line: str, name: str) -> None:
    assert program(line.split(" ")) == name


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells without another library")
def test_the_programs_above_are_told_the_nearest_first(tmp_path: Path) -> None:
    inner = tmp_path / "jupyter-inner"
    inner.write_text(
        "from dev_analytics.process.ancestors import programs\nprint(*list(programs())[:2])\n"
    )
    outer = tmp_path / "jupyter-outer"
    outer.write_text(f"import subprocess\nsubprocess.run([{sys.executable!r}, {str(inner)!r}])\n")

    ran = subprocess.run(
        [sys.executable, str(outer)], capture_output=True, text=True, check=True, env=os.environ
    )
    assert ran.stdout == "jupyter-inner jupyter-outer\n"


def test_no_more_programs_are_named_than_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ancestors, "MAX_ANCESTORS", 1)
    assert len(list(programs())) == (1 if sys.platform == "linux" else 0)


def test_a_process_that_has_ended_has_no_program_and_no_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert environ_of(ended.pid) == b""
    monkeypatch.setattr(os, "getpid", lambda: ended.pid)
    assert list(programs()) == []


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of other programs")
OUTER = """
import os, subprocess, sys
environ = {name: each for name, each in os.environ.items() if name != "JPY_PARENT_PID"}
sys.exit(subprocess.run([sys.executable, *sys.argv[1:]], env=environ).returncode)
"""


@LINUX
@pytest.mark.parametrize(
    ("name", "variable", "belongs_to_kernel"),
    [("ipykernel_launcher", False, True), ("some-kernel", True, True), ("sh", False, False)],
)
def test_what_a_cell_starts_is_told_also_where_its_variable_is_taken_away(
    tmp_path: Path, data: Path, name: str, variable: bool, belongs_to_kernel: bool
) -> None:
    """Else a notebook that runs by itself would lift its user's opt-out by one command."""
    store = ConsentStore(data)
    store.opt_out()
    outer = tmp_path / name
    outer.write_text(OUTER)
    ran = subprocess.run(
        [sys.executable, str(outer), "-m", "dev_analytics", "reset", "--yes"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **({"JPY_PARENT_PID": "1"} if variable else {})},
    )
    assert ("a cell cannot undo that" in ran.stderr) is belongs_to_kernel
    assert store.read().opted_out is belongs_to_kernel


FED = "from dev_analytics.process.ancestors import is_fed\nprint(is_fed())"


@LINUX
@pytest.mark.parametrize(
    ("name", "given", "fed"),
    [
        ("jupyter-console", "a pipe", True),
        ("jupyter-console", "no window", True),
        ("jupyter-console", "a window", False),
        ("jupyter-lab", "a pipe", False),
    ],
)
def test_a_front_end_for_terminals_that_reads_from_none_is_fed(
    tmp_path: Path, name: str, given: str, fed: bool
) -> None:
    outer = tmp_path / name
    outer.write_text(OUTER)
    master, slave = pty.openpty()
    if given == "a window":
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    ran = subprocess.run(
        [sys.executable, str(outer), "-c", FED],
        stdin=subprocess.DEVNULL if given == "a pipe" else slave,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    os.close(master)
    os.close(slave)
    assert ran.stdout == f"{fed}\n"
