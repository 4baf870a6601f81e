"""The magic ``%%ai`` of Jupyter AI: its output format is the edit format of its calls."""

from __future__ import annotations

from contextlib import ExitStack
from types import ModuleType
from typing import Any, Final

from dev_analytics.callbacks import count_failure
from dev_analytics.observers.hooks import State, wrap

COVERS: Final = None
"""Not listed: its calls are recorded in the SDKs that it uses."""


def hook(module: ModuleType) -> None:
    """Install the hook."""
    wrap(module.AiMagics, "run_ai_cell", _run_ai_cell)


def _run_ai_cell(method: Any, magics: Any, args: Any, kwargs: Any) -> Any:
    """Run the magic with its format in force; no other argument of it is read."""
    recorder = State.active
    with ExitStack() as stack:
        if recorder is not None:
            try:
                options = args[0] if args else kwargs["args"]
                edit_format = recorder.analytics.edit_format(options.format, tool="jupyter_ai")
                stack.enter_context(edit_format)
            except Exception as error:
                count_failure(recorder.drops, error)
        return method(*args, **kwargs)
