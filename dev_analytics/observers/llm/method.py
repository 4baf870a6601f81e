"""SDKs where each kind of request has a method of its own, synchronous or asynchronous."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, NamedTuple

from dev_analytics.drops import Drop
from dev_analytics.observers.llm.answers import SDK
from dev_analytics.observers.llm.hooks import State, wrap
from dev_analytics.observers.llm.recorder import Call
from dev_analytics.observers.llm.streams import follow, follow_async


class Request(NamedTuple):
    """What the arguments of a method tell of its request.

    Attributes
    ----------
    operation
        A member of the vocabulary ``operations``.
    model
        What the request calls the model.
    stream
        Whether the answer is streamed.
    """

    operation: str
    model: object
    stream: bool = False


Asked = Callable[[tuple[Any, ...], Mapping[str, Any]], Request | None]
"""Tells of positional and keyword arguments what is asked; None: nothing that is observed."""


def asks(operation: str, *, stream: bool = False) -> Asked:
    """Tell of a method that asks one thing only, and takes the model by keyword."""
    return lambda args, kwargs: Request(operation, kwargs.get("model"), stream)


def begin(sdk: SDK, asked: Asked, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call | None:
    """Begin the call that a method with these arguments makes; None where none is observed."""
    recorder = State.active
    if recorder is None:
        return None
    try:
        request = asked(args, kwargs)
        if request is None:
            return None
        return recorder.begin(sdk, request.operation, request.model, stream=request.stream)
    except Exception:
        recorder.drops.count(Drop.FAILURE)
        return None


def watch(call: Call, answer: Any) -> Any:
    """Read an answer, or give an iterator in place of a streamed one that reads its chunks."""
    if call.stream and hasattr(answer, "__anext__"):
        return _following_async(call, answer)
    if call.stream and hasattr(answer, "__next__"):
        return _following(call, answer)
    call.read(answer)
    call.end()
    return answer


def observe(
    sdk: SDK, owner: type, name: str, asked: Asked, watch: Callable[[Call, Any], Any] = watch
) -> None:
    """Put a hook in a method that makes one request.

    Parameters
    ----------
    sdk
        The SDK.
    owner, name
        The class and its method.
    asked
        Tells what is asked.
    watch
        Reads the answer for the call, and gives what the user gets.
    """

    def ask(method: Any, client: Any, args: Any, kwargs: Any) -> Any:
        call = begin(sdk, asked, args, kwargs)
        if call is None:
            return method(*args, **kwargs)
        try:
            answer = method(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        return watch(call, answer)

    async def ask_async(method: Any, client: Any, args: Any, kwargs: Any) -> Any:
        call = begin(sdk, asked, args, kwargs)
        if call is None:
            return await method(*args, **kwargs)
        try:
            answer = await method(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        return watch(call, answer)

    wrap(owner, name, ask_async if inspect.iscoroutinefunction(getattr(owner, name)) else ask)


# A generator of an SDK makes its request when its first chunk is asked for, and so do these: one
# that nobody reads is no call.


def _following(call: Call, chunks: Iterator[Any]) -> Iterator[Any]:
    yield from follow(call, chunks)


async def _following_async(call: Call, chunks: Any) -> AsyncIterator[Any]:
    try:
        async for chunk in follow_async(call, chunks):
            yield chunk
    finally:
        # Closing the outer one closes the connection, as it does without us.
        if hasattr(chunks, "aclose"):
            await chunks.aclose()
