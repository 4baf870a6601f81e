"""Streamed answers: the same chunks in the same order, read for a call while they pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from dev_analytics.observers.llm.recorder import Call


def follow(call: Call, chunks: Iterator[Any]) -> Iterator[Any]:
    """Return an iterator over the same chunks, which reads them for `call` and ends it."""

    def following() -> Iterator[Any]:
        iterator = iter(chunks)
        try:
            while True:
                # Only what the stream itself raises is its failure, not what is thrown in below.
                try:
                    chunk = next(iterator)
                except StopIteration:
                    call.arrived()
                    return
                except BaseException as error:
                    call.fail(error)
                    raise
                call.read(chunk)
                yield chunk
        except GeneratorExit:
            call.abandon()
            raise
        finally:
            call.end()

    followed = following()
    call.recorder.hold(followed, call)
    return followed


def follow_async(call: Call, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Do what `follow` does for an asynchronous iterator."""

    async def following() -> AsyncIterator[Any]:
        iterator = aiter(chunks)
        try:
            while True:
                try:
                    chunk = await anext(iterator)
                except StopAsyncIteration:
                    call.arrived()
                    return
                except BaseException as error:
                    call.fail(error)
                    raise
                call.read(chunk)
                # A loop that ends while the stream is collected throws its own cancellation in.
                yield chunk
        except GeneratorExit:
            call.abandon()
            raise
        finally:
            call.end()

    followed = following()
    call.recorder.hold(followed, call)
    return followed
