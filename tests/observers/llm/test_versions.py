"""The tests of an SDK pass in other versions, too: the lowest that is observed, or the newest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
HERE = Path(__file__).parent
VERSIONS = {
    "openai-lowest": "openai==1.3.0",
    "anthropic-lowest": "anthropic==0.28.0",
    "google-genai-lowest": "google-genai==1.0.0",
    "litellm-newest": "litellm==1.110.2",
}
TESTS = {
    "openai": ("test_openai.py",),
    "anthropic": ("test_anthropic.py",),
    "google-genai": ("test_methods.py", "test_further_asks.py", "-k", "google or gemini"),
    "litellm": ("test_litellm.py",),
}
versions = pytest.mark.parametrize("name", VERSIONS)


@versions
def test_a_version_is_the_one_that_the_makefile_installs(name: str) -> None:
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    assert f"--target .venv/{name}/site-packages {VERSIONS[name]})\n" in makefile


@versions
def test_calls_are_recorded_with_another_version(name: str) -> None:
    folder = Path(sys.prefix) / name / "site-packages"
    package, _, version = VERSIONS[name].partition("==")
    assert folder.is_dir(), f"{VERSIONS[name]} is missing: run make .venv/{name}.stamp"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *TESTS[package],
        ],
        cwd=HERE,
        env={
            **os.environ,
            "PYTHONPATH": str(folder),
            f"EXPECTED_{package.upper().replace('-', '_')}": version,
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert " skipped" not in done.stdout
