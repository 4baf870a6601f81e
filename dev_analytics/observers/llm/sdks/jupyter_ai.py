"""The magic ``%%ai`` of Jupyter AI: its output format is the edit format of its calls."""

from __future__ import annotations

from contextlib import ExitStack
from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.hooks import wrap
from dev_analytics.observers.llm.recorder import Recorder
from dev_analytics.observers.llm.request import counted

MODULES: Final = ("jupyter_ai_magic_commands.magics",)
COVERS: Final = None
"""Not listed: its calls are recorded in the SDKs that it uses."""


def hook(module: ModuleType) -> None:
    """Install the hook."""
    wrap(module.AiMagics, "run_ai_cell", _run_ai_cell)


def _run_ai_cell(method: Any, magics: Any, args: Any, kwargs: Any) -> Any:
    """Run the magic with its format in force."""
    with ExitStack() as stack:
        _enter(stack, args, kwargs)
        return method(*args, **kwargs)


@counted
def _enter(recorder: Recorder, stack: ExitStack, args: Any, kwargs: Any) -> None:
    """Put the format in force; no other argument of the magic is read."""
    options = args[0] if args else kwargs["args"]
    stack.enter_context(recorder.analytics.edit_format(options.format, tool="jupyter_ai"))
