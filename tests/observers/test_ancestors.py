"""A program is known by the name that it was started with, and so are those above a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dev_analytics.observers.ancestors import program


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
        "from dev_analytics.observers.ancestors import programs\nprint(*list(programs())[:2])\n"
    )
    outer = tmp_path / "jupyter-outer"
    outer.write_text(f"import subprocess\nsubprocess.run([{sys.executable!r}, {str(inner)!r}])\n")

    ran = subprocess.run(
        [sys.executable, str(outer)], capture_output=True, text=True, check=True, env=os.environ
    )
    assert ran.stdout == "jupyter-inner jupyter-outer\n"
