"""The helpers of OpenAI's SDK around a stream, which parse for the user what has arrived of it.

What is cut off, filtered, or not of the class that was asked for is raised by the state that a
helper keeps: above the stream, in which nothing fails.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from dev_analytics.callbacks import count_failure
from dev_analytics.observers.llm import stainless
from dev_analytics.observers.llm.hooks import State, wrap

COVERS: Final = None
"""Listed with `openai`."""

_HELPERS: Final = (
    "ChatCompletionStream",
    "AsyncChatCompletionStream",
    "ResponseStream",
    "AsyncResponseStream",
)
"""Classes that read a stream for the user, and close the connection below it."""
_STATES: Final = {
    "ChatCompletionStreamState": "handle_chunk",
    "ResponseStreamState": "handle_event",
}
"""The classes of their states, and the methods that parse."""


def hook(module: ModuleType) -> None:
    """Install the hooks in the helpers of a module; older versions have none."""
    own = vars(module)
    helpers = [own[name] for name in _HELPERS if name in own]
    stainless.observe_ends("openai", *helpers)
    for helper in helpers:
        wrap(helper, "__init__", _make)
    for name, method in _STATES.items():
        if name in own:
            wrap(own[name], method, _parse)


def _make(method: Any, helper: Any, args: Any, kwargs: Any) -> None:
    """Hold the call of a helper's stream for its state, too."""
    method(*args, **kwargs)
    recorder = State.active
    if recorder is None:
        return
    try:
        own = vars(helper)
        call = recorder.held(own.get("_raw_stream"))
        if call is not None:
            recorder.hold(own["_state"], call)
    except Exception as error:
        count_failure(recorder.drops, error)


def _parse(method: Any, state: Any, args: Any, kwargs: Any) -> Any:
    """End a call with what is raised about its answer; a state of the user's own has no call."""
    try:
        return method(*args, **kwargs)
    except BaseException as error:
        recorder = State.active
        call = recorder.release(state) if recorder else None
        if call is not None:
            call.fail(error)
        raise
