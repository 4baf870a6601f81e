"""The magic ``%%ai`` of Jupyter AI: its output format holds for the calls that it makes."""

from __future__ import annotations

from contextlib import ExitStack
from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm.hooks import State, wrap

COVERS: Final = None
"""Its calls are those of the SDKs that it asks through."""


def hook(module: ModuleType) -> None:
    """Install the hook."""
    wrap(module.AiMagics, "run_ai_cell", _run_ai_cell)


def _run_ai_cell(method: Any, magics: Any, args: Any, kwargs: Any) -> Any:
    """Do what the magic does, with its format in force; of its arguments nothing else is read."""
    recorder = State.active
    with ExitStack() as stack:
        if recorder is not None:
            try:
                asked = args[0] if args else kwargs["args"]
                asking = recorder.analytics.edit_format(asked.format, tool="jupyter_ai")
                stack.enter_context(asking)
            except Exception:
                recorder.drops.count("failure inside")
        return method(*args, **kwargs)
