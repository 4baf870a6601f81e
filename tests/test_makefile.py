"""What make says on a machine that lacks something: one line that names it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ("ensurepip", "apt install python3-venv"),
        ("version_info", "is no Python 3.11 or newer: name one with make PYTHON="),
    ],
)
@pytest.mark.parametrize("target", ["demo", "test"])
def test_what_a_machine_lacks_is_one_line_that_names_it(
    tmp_path: Path, target: str, lacking: str, said: str
) -> None:
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\ncase "$*" in *{lacking}*) exit 1;; esac\nexec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    ran = subprocess.run(
        ["make", target, f"PYTHON={python}"],
        cwd=tmp_path,
        # Inside of `make test` it is no make within another, which says more.
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    (line,) = [line for line in ran.stderr.splitlines() if not line.startswith("make")]
    assert said in line
    assert ran.stdout == ""
    assert not (tmp_path / ".venv").exists()
