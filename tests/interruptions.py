"""Loads the extension again and again, and interrupts it once at each line of ours that runs."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import dev_analytics
from dev_analytics import extension, get_analytics
from dev_analytics.observers.llm import hooks

OURS = str(Path(dev_analytics.__file__).parent) + os.sep


def left(shell: Any) -> dict[str, Any]:
    """Return what a loaded extension changes in the shell and in the process."""
    gate = get_analytics().gate
    return {
        "magics": {kind: set(each) for kind, each in shell.magics_manager.magics.items()},
        "registry": set(shell.magics_manager.registry),
        "completions": set(shell.strdispatchers["complete_command"].strs),
        "callbacks": {name: list(each) for name, each in shell.events.callbacks.items()},
        "configurables": list(map(id, shell.configurables)),
        "threads": threading.excepthook,
        "finders": list(sys.meta_path),
        "hooks": (hooks.State.analytics, hooks.State.active, list(hooks.State.wrapped)),
        "SDK": vars(sys.modules["openai"].resources.chat.Completions)["create"],
        "gate": (gate.switch, gate.sample_percent, gate.on_wanted),
        "analytics": (get_analytics().delivery, get_analytics().log),
        "sessions": len(extension._sessions),
    }


def interrupt_everywhere(shell: Any, error: type[BaseException]) -> tuple[int, int]:
    """Load with `error` at each line in turn; return how many loads failed, and how many did not.

    A failure that a callback keeps to itself leaves an extension that is loaded.
    """
    failed = survived = line = 0
    while True:
        line += 1
        before = left(shell)
        tracer, reached = raise_at(line, error)
        sys.settrace(tracer)
        try:
            extension.load(shell)
        except error:
            sys.settrace(None)
            failed += 1
        else:
            sys.settrace(None)
            survived += 1
            assert len(extension._sessions) == 1, f"line {line}: it is not loaded, and did not fail"
            extension.unload(shell)
            get_analytics().gate.switch = before["gate"][0]
        after = left(shell)
        wrong = [name for name in before if before[name] != after[name]]
        assert not wrong, f"line {line}, {reached}: {wrong}"
        if not reached:
            return failed, survived


def sessions_that_something_keeps() -> int:
    """Count the sessions that are not forgotten: a call at the end of the process keeps one."""
    gc.collect()
    return sum(type(each) is extension.Session for each in gc.get_objects())


def raise_at(number: int, error: type[BaseException]) -> tuple[Callable[..., Any], list[str]]:
    """Return a trace function that raises at one line of ours, and where that was."""
    lines = 0
    reached: list[str] = []

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        if event == "line" and not reached:
            lines += 1
            if lines == number:
                reached.append(f"{frame.f_code.co_filename}:{frame.f_lineno}")
                raise error("at this line")
        return trace

    return trace, reached
