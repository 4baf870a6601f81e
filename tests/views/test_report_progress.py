"""The line of the progress of a report."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from dev_analytics.views.report.progress import TerminalLine


def test_the_progress_line_is_erased_whenever_it_is_interrupted() -> None:
    class Interrupted(io.StringIO):
        def flush(self) -> None:
            raise KeyboardInterrupt

    stream = Interrupted()
    line = TerminalLine(stream)
    steps: tuple[Callable[[], None], ...] = (lambda: line.show("read"), line.wipe)
    for step in steps:
        with pytest.raises(KeyboardInterrupt):
            step()
    assert stream.getvalue() == f"\rread\r{' ' * 4}\r"
