"""``docs/for-tool-makers.md``: its blocks make a package that is tested, recorded and delivered."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dev_analytics.consent.store import ConsentStore

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "for-tool-makers.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.+?)^```$", PAGE, re.DOTALL | re.MULTILINE)
PYTHON = [block for language, block in BLOCKS if language == "python"]
DECLARED, USED, ASKED, TESTED = PYTHON
(ENTRY_POINT,) = [block for language, block in BLOCKS if language == "toml"]
(SEEN,) = [block for language, block in BLOCKS if not language]
PROJECT = """
[build-system]
requires = ["hatchling>=1.26"]
build-backend = "hatchling.build"

[project]
name = "acme-charts"
version = "0.1"

[tool.hatch.build.targets.wheel]
packages = ["src/acme"]

"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package of the page, installed; its tests lie in the folder that this gives."""
    source = tmp_path / "source"
    (source / "src" / "acme").mkdir(parents=True)
    (source / "pyproject.toml").write_text(PROJECT + ENTRY_POINT)
    (source / "src/acme/analytics.py").write_text(DECLARED)
    (source / "src/acme/__init__.py").write_text(USED)
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
         "--no-build-isolation", "--target", tmp_path / "site", source],
        check=True,
    )  # fmt: skip
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_analytics.py").write_text(TESTED)
    return tmp_path / "tests"


def test_the_example_s_tests_pass(acme: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=acme,
        env={name: value for name, value in os.environ.items() if "PYTEST" not in name},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in ran.stdout


def test_the_page_s_lines_lead_to_a_delivered_record(
    acme: Path,
    terminal: Callable[..., Any],
    data: Path,
    delivered: Callable[[], list[tuple[str, str]]],
    until: Callable[[Callable[[], bool]], None],
) -> None:
    # Where CI is set nobody is asked who does not ask for it, whatever is drawn.
    ipython = terminal(env={"CI": "1"})
    ipython.prompt()
    shown = ""
    for line in SEEN.strip().splitlines():
        ipython.type(line)
        if line.endswith(" on"):
            ipython.until("[Yes]: ")
            ipython.type("y")
        shown += ipython.prompt()
    assert '"event": "acme: chart made"' in shown
    assert "Shows which kinds are used." in shown
    for line in ASKED.strip().splitlines():
        ipython.type(line)
    ipython.type("")
    ipython.prompt()
    ipython.leave()
    assert set(ConsentStore(data).read().tools) == {"acme@acme-charts"}

    expected = {"acme: chart made", "$ai_generation", "exited"}
    until(lambda: expected <= {event for event, _ in delivered()})


def test_every_kind_in_the_table_is_one_that_can_be_declared() -> None:
    from dev_analytics.tools.checks import CLOSED

    named = re.findall(r"^\| `(\w+)\(meaning", PAGE, re.MULTILINE)
    assert named == [kind.__name__ for kind in CLOSED]
