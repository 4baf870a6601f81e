"""Streamed answers: the same chunks in the same order, read for a call as they pass.

A generator of ours takes the place of the SDK's, and is unknown to the event loop: it ends as soon
as it is no longer referenced, and the SDK's is closed when and as it would be without ours.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from types import AsyncGeneratorType, GeneratorType
from typing import Any

from dev_analytics.observers.hooks import State, wrap
from dev_analytics.observers.llm.call import Call
from dev_analytics.observers.llm.request import Begin, begin_call, start_making, stop_making

Part = Callable[[Any], Any]
"""Returns what is read of a chunk."""


def _whole(chunk: Any) -> Any:
    return chunk


def follow(
    call: Call, chunks: Iterator[Any], *, lazy: bool = False, part: Part = _whole
) -> Iterator[Any]:
    """Return an iterator over the same chunks, which reads them for `call` and ends it.

    Parameters
    ----------
    call, chunks
        The call, and the SDK's iterator.
    lazy
        Whether the first chunk triggers the request, so that the call begins then.
    part
        Returns what is read of a chunk, if that is not all of it.
    """

    def following() -> Iterator[Any]:
        if lazy:
            call.restart()
        iterator = iter(chunks)
        try:
            while True:
                # Only an exception from the stream itself is its failure, not one that is thrown in
                # below.
                try:
                    before = start_making(call)
                    try:
                        chunk = next(iterator)
                    finally:
                        stop_making(before)
                except StopIteration:
                    call.arrived()
                    return
                except BaseException as error:
                    call.fail(error)
                    raise
                call.read(part(chunk))
                yield chunk
        except GeneratorExit:
            call.abandon()
            if type(iterator) is GeneratorType:
                iterator.close()
            raise
        finally:
            call.end()

    followed = _named(following(), chunks)
    if not lazy:
        call.recorder.hold(followed, call)
    stream: Iterator[Any] = followed
    return stream


def follow_async(
    call: Call, chunks: AsyncIterator[Any], *, lazy: bool = False, part: Part = _whole
) -> AsyncIterator[Any]:
    """Do what `follow` does for an asynchronous iterator."""

    async def following() -> AsyncIterator[Any]:
        yield None  # begun
        if lazy:
            call.restart()
        iterator = aiter(chunks)
        try:
            while True:
                try:
                    before = start_making(call)
                    try:
                        chunk = await anext(iterator)
                    finally:
                        stop_making(before)
                except StopAsyncIteration:
                    call.arrived()
                    return
                except BaseException as error:
                    call.fail(error)
                    raise
                call.read(part(chunk))
                # A loop that ends while the stream is collected throws in its own cancellation.
                yield chunk
        except GeneratorExit:
            call.abandon()
            # Closed by its user, who waits until the SDK's is closed, too; or collected.
            own = reference()
            if own is not None and own.ag_running and hasattr(iterator, "aclose"):
                await iterator.aclose()
            raise
        finally:
            # Nothing is awaited here: the generator may be collected where no loop runs.
            call.end()

    followed = _named(following(), chunks)
    reference = weakref.ref(followed)
    begin_unknown(followed)
    if not lazy:
        call.recorder.hold(followed, call)
    stream: AsyncIterator[Any] = followed
    return stream


def follow_either(call: Call, chunks: Any) -> Any:
    """Return what `follow` or `follow_async` does, whichever fits the SDK's iterator."""
    return follow_async(call, chunks) if hasattr(chunks, "__anext__") else follow(call, chunks)


def observe_parts(owner: type, name: str) -> None:
    """Install a hook in a method that returns the parts of an answer, for which a call is held."""
    wrap(owner, name, _parts)


def observe_lazy_stream(owner: type, name: str, begin: Begin, part: Part = _whole) -> None:
    """Install a hook in a method that returns a stream whose first chunk triggers the request.

    The call begins unsent: a hook below announces that the request goes out.
    """

    def stream(method: Any, own: Any, args: Any, kwargs: Any) -> Any:
        chunks = method(*args, **kwargs)
        call = begin_call(begin, own, args, kwargs)
        if call is None:
            return chunks
        call.unsent = True
        follows = follow_async if hasattr(chunks, "__anext__") else follow
        return follows(call, chunks, lazy=True, part=part)

    wrap(owner, name, stream)


def _parts(method: Any, answer: Any, args: Any, kwargs: Any) -> Any:
    recorder = State.active
    call = recorder.held(answer) if recorder else None
    parts = method(*args, **kwargs)
    return parts if call is None else follow_either(call, parts)


def _named(generator: Any, chunks: Any) -> Any:
    """Return a generator of ours under the name of the SDK's, which a message may show."""
    if type(chunks) in (GeneratorType, AsyncGeneratorType):
        generator.__name__, generator.__qualname__ = chunks.__name__, chunks.__qualname__
    return generator


def begin_unknown(generator: Any) -> None:
    """Run an asynchronous generator to its first yield, without the loop knowing it.

    At its end a loop closes all generators that it knows at the same time: of two nested ones, one
    would be closed while it is running.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        with suppress(StopIteration):  # how it tells what it yielded
            anext(generator).send(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)
