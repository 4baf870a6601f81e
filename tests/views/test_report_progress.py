"""The line of the progress of a report."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from dev_analytics.views.report.progress import CellOutput, Progress, TerminalLine


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


def test_below_a_cell_the_line_is_replaced_and_nothing_else_is_left() -> None:
    outputs: list[tuple[dict[str, str], bool]] = []

    def publish(data: dict[str, str], *, transient: dict[str, str], update: bool) -> None:
        outputs.append((data, update))

    display = SimpleNamespace(publish=publish)
    shell = SimpleNamespace(kernel=object(), display_pub=display)
    output = CellOutput(shell)
    assert output.end("nothing was shown") == "nothing was shown"
    output.show("10% read")
    output.show("20% read")
    assert output.end("done") == ""
    texts = ("10% read", False), ("20% read", True), ("done", True)
    assert outputs == [({"text/plain": text}, update) for text, update in texts]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_in_a_terminal_the_line_is_erased(
    is_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream: Any = io.StringIO()
    stream.isatty = lambda: is_terminal
    monkeypatch.setattr("sys.stderr", stream)
    output = CellOutput(SimpleNamespace())
    output.show("read")
    assert output.end("done") == "done"
    assert stream.getvalue() == (f"\rread\r{' ' * 4}\r" if is_terminal else "")


def test_progress_is_shown_once_it_takes_a_while_and_then_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("dev_analytics.views.report.progress.Clock", clock)
    shown: list[str] = []
    progress = Progress(shown.append)
    for now in (0.1, 0.8, 0.9, 1.1):
        progress(None if now > 1 else now / 2, 1000)
    assert shown == [f"[{'#' * 9}{'.' * 15}]  40%  1,000 records read", "1,000 records read"]
