"""A shell whose cells are observed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dev_analytics.observers.cells import Cells


@pytest.fixture
def cells(shell: Any, analytics: Any) -> Iterator[Cells]:
    """The observer of `shell`; nothing in it may have failed by the end of the test."""
    cells = Cells(analytics, shell)
    cells.register()
    yield cells
    cells.unregister()
    assert not analytics.drops.counts


@pytest.fixture
def run(shell: Any, cells: Cells) -> Callable[[str], Any]:
    """Run a user's cell in `shell`, observed."""
    run: Callable[[str], Any] = shell.run
    return run
