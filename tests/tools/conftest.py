"""Two packages with tools, installed for real: one that works, one whose tools are all broken."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pages import NotebookPage

from dev_analytics.tools import installed as registry

HERE = Path(__file__).parent
PACKAGES = ("acme-charts", "broken-tool")
collect_ignore = list(PACKAGES)  # acme's own tests run where it is installed


@pytest.fixture(scope="session")
def acme_tests(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of acme's own tests, away from the checkout and its settings."""
    folder = tmp_path_factory.mktemp("acme")
    shutil.copytree(HERE / "acme-charts" / "tests", folder / "tests")
    return folder


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed both packages."""
    folder = tmp_path_factory.mktemp("site")
    copies = tmp_path_factory.mktemp("source")
    for package in PACKAGES:
        source = copies / package
        shutil.copytree(HERE / package, source)
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
             "--no-build-isolation", "--target", folder, source],
            check=True,
        )  # fmt: skip
    return folder


@pytest.fixture
def tools(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install both packages for this process and for those that it starts."""
    path = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    monkeypatch.syspath_prepend(str(site))
    forget()
    yield site
    forget()


def forget() -> None:
    """Make this process forget all tools, like one that has just started."""
    for name in [name for name in sys.modules if name.split(".")[0] in ("acme", "broken_tool")]:
        del sys.modules[name]
    for name in list(registry._Known.tools):
        registry._forget(name)
    registry._Known.unknown.clear()
    registry._Known.entries = None


@pytest.fixture
def delivered(data: Path) -> Callable[[], list[tuple[str, str]]]:
    """Return event and properties of all in the archive; nothing while it is created."""

    def read() -> list[tuple[str, str]]:
        if not (data / "archive.sqlite").exists():
            return []
        with closing(sqlite3.connect(data / "archive.sqlite", timeout=60)) as archive:
            if not archive.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchall():
                return []
            return archive.execute("SELECT event, properties FROM events").fetchall()

    return read


@pytest.fixture
def page(kernel: Callable[..., Any]) -> Callable[[], NotebookPage]:
    """Open notebooks, each with a kernel of its own, where nobody is asked because of the draw."""
    return lambda: NotebookPage(kernel({"CI": "1"}))


@pytest.fixture
def python(tools: Path, tmp_path: Path) -> Callable[..., str]:
    """Run a program in a process of its own, and give what it prints."""

    def run(program: str, **variables: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stderr == ""
        return ran.stdout

    return run
