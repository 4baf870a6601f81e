"""Under `make coverage` the sender is measured, and only where that is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dev_analytics.process import detached

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["entry.py", "other.py"])
@pytest.mark.parametrize("asked", [True, False])
def test_what_the_sender_enters_by_is_measured_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, asked: bool
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("PYTHON_MEASURED", str(tmp_path) if asked else "")
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    started = tmp_path / "dev_analytics" / "process" / name
    started.parent.mkdir(parents=True)
    started.write_text("import measured\nimport dev_analytics.process.native\n")
    subprocess.run(
        [sys.executable, *detached.flags(), started, "a.module"],
        env=detached.environment(),
        cwd=os.sep,
        check=True,
    )
    data = list((tmp_path / ".venv").glob("coverage/data*"))
    assert len(data) == (asked and name == "entry.py")
