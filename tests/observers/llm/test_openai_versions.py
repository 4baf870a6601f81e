"""The tests of OpenAI's SDK pass with the lowest version that is observed, too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[3]
LOWEST = "1.3.0"
FOLDER = Path(sys.prefix) / "openai-lowest" / "site-packages"


def test_the_lowest_version_is_the_one_that_the_makefile_installs() -> None:
    assert f"openai=={LOWEST}" in (PROJECT / "Makefile").read_text("utf-8")


def test_calls_are_recorded_with_the_lowest_version() -> None:
    assert FOLDER.is_dir(), f"openai {LOWEST} is missing: run make .venv/openai-lowest.stamp"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            str(Path(__file__).with_name("test_openai.py")),
        ],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(FOLDER), "EXPECTED_OPENAI": LOWEST},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert " skipped" not in done.stdout
