"""Notebooks that are open, each with a kernel of its own, and a catalogue that has grown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pages import NotebookPage

NEWER = """
from typing import Annotated
from dev_analytics.catalogue.fields import Event
from dev_analytics.catalogue.events import EVENTS
from dev_analytics.catalogue.values import Flag
class Dreamt(Event):
    'A dream was dreamt.'
    wire, since = "dreamt", 2
    vivid: Annotated[bool, Flag("It was in colour.", 2)]
EVENTS["dreamt"] = Dreamt
__import__("dev_analytics").get_analytics().gate.notice = 2
"""


@pytest.fixture
def newer_catalogue(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which ``import newer`` adds an event of notice 2."""
    (tmp_path / "newer.py").write_text(NEWER)
    return {"PYTHONPATH": str(tmp_path)}


@pytest.fixture
def page(kernel: Callable[..., Any]) -> Callable[..., NotebookPage]:
    """Open notebooks, each with a kernel of its own; ``DEV_ANALYTICS=on`` asks in each."""

    def open_one(env: dict[str, str | None] | None = None, *arguments: str) -> NotebookPage:
        return NotebookPage(kernel({"DEV_ANALYTICS": "on", **(env or {})}, *arguments))

    return open_one
