"""Hooks a method that makes one request: the call begins before it and ends with its answer.

A failure to begin a call is counted, and the request is made nevertheless.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from dev_analytics.callbacks import count_failure
from dev_analytics.observers.llm.hooks import State, wrap
from dev_analytics.observers.llm.recorder import Call, Recorder

Begin = Callable[[Recorder, Any, tuple[Any, ...], Mapping[str, Any]], Call | None]
"""Begins the call of a method of an object with these arguments; None: it is not observed."""

Watch = Callable[[Call, Any], Any]
"""Reads an answer for its call, and returns what the user gets."""

Fail = Callable[[Call, BaseException], None]
"""Notes for a call that its request failed."""


def begun(begin: Begin, own: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call | None:
    """Return the call of a method of `own` with these arguments; a failure is counted."""
    recorder = State.active
    if recorder is None:
        return None
    try:
        return begin(recorder, own, args, kwargs)
    except Exception as error:
        count_failure(recorder.drops, error)
        return None


def observe_request(
    owner: type | ModuleType, name: str, begin: Begin, watch: Watch, fail: Fail = Call.fail
) -> None:
    """Install a hook in a method that makes one request, synchronous or asynchronous.

    Parameters
    ----------
    owner, name
        The class and its method.
    begin
        Begins the call.
    watch
        Reads the answer, and returns what the user gets.
    fail
        Notes an error, which the user still gets.
    """

    def ask(method: Any, own: Any, args: Any, kwargs: Any) -> Any:
        call = begun(begin, own, args, kwargs)
        if call is None:
            return method(*args, **kwargs)
        try:
            answer = method(*args, **kwargs)
        except BaseException as error:
            fail(call, error)
            raise
        return watch(call, answer)

    async def ask_async(method: Any, own: Any, args: Any, kwargs: Any) -> Any:
        call = begun(begin, own, args, kwargs)
        if call is None:
            return await method(*args, **kwargs)
        try:
            answer = await method(*args, **kwargs)
        except BaseException as error:
            fail(call, error)
            raise
        return watch(call, answer)

    wrap(owner, name, ask_async if inspect.iscoroutinefunction(getattr(owner, name)) else ask)


def read_whole(call: Call, answer: Any) -> Any:
    """Read a whole answer, which ends its call; a `Watch`."""
    call.read(answer)
    call.end()
    return answer


def observe_closing(stream: type) -> None:
    """End the call if its stream is closed early; some versions cannot close one."""
    if hasattr(stream, "close"):
        wrap(stream, "close", _close)


def _close(method: Any, stream: Any, args: Any, kwargs: Any) -> Any:
    recorder = State.active
    call = recorder.release(stream) if recorder else None
    if call is not None:
        call.end()
    return method(*args, **kwargs)
