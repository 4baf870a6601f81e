"""The lowest versions that are allowed work: a quick part of `make lowest`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent
PYTHON = Path(sys.prefix, "lowest", "bin", "python")
QUICK = ("tests/consent/asking/test_front_ends.py", "tests/observers/test_features.py")


def test_what_is_tested_is_what_the_project_allows() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    pins = re.findall(r"^([\w-]+)==([\d.]+)(?: |$)", read("tests/lowest.txt"), re.MULTILINE)
    tested = dict(reversed(pins))  # the lowest of a package stands first
    for dependency in project["dependencies"]:
        name, lowest = re.match(r"([\w-]+)>=([\d.]+)", dependency).groups()  # type: ignore[union-attr]
        assert tested[name].startswith(lowest), f"{name} is tested from {tested[name]} on"


def test_the_lowest_versions_work() -> None:
    assert PYTHON.exists(), "the environment is missing: run make .venv/lowest.stamp"
    done = subprocess.run(
        [
            *(str(PYTHON), "-m", "pytest", "-q", "-p", "no:cacheprovider", *QUICK),
            *("-k", "front_ends or use_is_seen or bare_name"),
        ],
        cwd=PROJECT,
        env={name: value for name, value in os.environ.items() if name != "FAKE_ROOT"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " skipped" not in done.stdout


def read(file: str) -> str:
    return (PROJECT / file).read_text("utf-8")
