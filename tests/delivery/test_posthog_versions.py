"""The contract with posthog: every test of it passes with the lowest allowed version too.

The newest allowed version is the one in the environment, which all other tests use.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent
LOWEST = "7.4.0"
FOLDER = Path(sys.prefix) / "posthog-lowest"


def test_the_lowest_version_is_the_one_that_the_project_names() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    named = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = f"posthog>={LOWEST.removesuffix('.0')},<8"
    assert any(wanted in dependencies for dependencies in named)
    assert f"posthog=={LOWEST}" in (PROJECT / "Makefile").read_text("utf-8")


def test_the_contract_holds_with_the_lowest_version() -> None:
    assert FOLDER.is_dir(), f"posthog {LOWEST} is missing: run make .venv/posthog-lowest.stamp"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            str(Path(__file__).with_name("test_posthog.py")),
        ],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(FOLDER), "EXPECTED_POSTHOG": LOWEST},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert " skipped" not in done.stdout
