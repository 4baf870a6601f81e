"""Streamed answers: the same chunks in the same order, read for a call while they pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from dev_analytics.observers.llm.recorder import Call


def follow(call: Call, chunks: Iterator[Any]) -> Iterator[Any]:
    """Give an iterator over the same chunks, which reads them for `call` and ends it."""

    def following() -> Iterator[Any]:
        try:
            for chunk in chunks:
                call.read(chunk)
                yield chunk
            call.arrived()
        except GeneratorExit:
            raise
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            call.end()

    followed = following()
    call.recorder.hold(followed, call)
    return followed


def follow_async(call: Call, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Do what `follow` does for an asynchronous iterator."""

    async def following() -> AsyncIterator[Any]:
        try:
            async for chunk in chunks:
                call.read(chunk)
                yield chunk
            call.arrived()
        except GeneratorExit:
            raise
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            call.end()

    followed = following()
    call.recorder.hold(followed, call)
    return followed
