"""A pytest plugin for a peer's suite: loads the extension into each shell, notes each outcome.

Kernels load it by the environment's start-up file; the shells that a suite makes in its own process
read none, so that they are given it here. ``naively`` is the negative control: it observes as one
must not, by wrapping what runs magics and commands.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

OUT = Path(os.environ["PEERS_OUTCOMES"])
_RANK = {"passed": 0, "skipped": 1, "failed": 2}


class Outcomes:
    """Notes the worst outcome of each test's three phases."""

    def __init__(self) -> None:
        self.worst: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        before = self.worst.get(report.nodeid, "passed")
        self.worst[report.nodeid] = max(before, report.outcome, key=lambda each: _RANK[each])

    def pytest_sessionfinish(self) -> None:
        lines = [f"{outcome} {test}\n" for test, outcome in sorted(self.worst.items())]
        OUT.write_text("".join(lines), "utf-8")


def pytest_configure(config: Any) -> None:
    config.pluginmanager.register(Outcomes())


def into_every_shell() -> None:
    """Load the extension into each shell that is made."""
    make: Callable[..., None] = InteractiveShell.__init__

    @functools.wraps(make)
    def made(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        self.extension_manager.load_extension("dev_analytics")

    InteractiveShell.__init__ = made  # type: ignore[method-assign]


def naively() -> None:
    """Wrap what runs magics and commands, so that ``$name`` in them is looked up elsewhere."""
    for name in ("run_line_magic", "run_cell_magic", "system", "getoutput"):

        def wrap(run: Any) -> Any:
            @functools.wraps(run)
            def ran(self: Any, *args: Any, **kwargs: Any) -> Any:
                return run(self, *args, **kwargs)

            return ran

        setattr(InteractiveShell, name, wrap(getattr(InteractiveShell, name)))


{"without": lambda: None, "with": into_every_shell, "naively": naively}[os.environ["PEERS_LOAD"]]()
