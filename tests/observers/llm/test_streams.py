"""What comes from outside of a stream is no failure of the stream."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from dev_analytics.observers.hooks import State
from dev_analytics.observers.llm.answers import SDK
from dev_analytics.observers.llm.recorder import Recorder
from dev_analytics.observers.llm.streams import follow, follow_async

OPENAI = SDK("openai", "openai", lambda answer: None)


@pytest.fixture(autouse=True)
def recorder(recorded: Any) -> None:
    """A recorder, as the import of an SDK makes one."""
    State.active = Recorder(recorded.analytics)


def begin() -> Any:
    assert State.active is not None
    return State.active.begin(OPENAI, "chat", "gpt-4o", stream=True)


def test_a_loop_that_ends_cancels_a_stream_read_in_part(recorded: Any) -> None:
    async def chunks() -> AsyncIterator[int]:
        yield 1
        yield 2

    async def read_in_part() -> None:
        stream: Any = follow_async(begin(), chunks())
        assert await anext(stream) == 1
        with pytest.raises(asyncio.CancelledError):
            await stream.athrow(asyncio.CancelledError())

    asyncio.run(read_in_part())
    assert recorded.call()["$ai_is_error"] is False


def test_closing_a_stream_waits_until_the_sdk_s_is_closed(recorded: Any) -> None:
    closed = []

    async def chunks() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    async def close() -> list[bool]:
        stream: Any = follow_async(begin(), chunks())
        assert await anext(stream) == 1
        await stream.aclose()
        return closed.copy()

    assert asyncio.run(close()) == [True]
    assert recorded.call()["$ai_is_error"] is False


def test_a_stream_is_named_and_closed_like_the_sdk_s(recorded: Any) -> None:
    def chunks() -> Iterator[int]:
        try:
            yield 1
        finally:
            raise ConnectionError("closing")

    async def asynchronous_chunks() -> AsyncIterator[int]:
        yield 1

    async def name() -> str:
        stream: Any = follow_async(begin(), asynchronous_chunks())
        await stream.aclose()
        return str(stream.__qualname__)

    stream: Any = follow(begin(), chunks())
    assert stream.__qualname__ == chunks.__qualname__
    assert next(stream) == 1
    with pytest.raises(ConnectionError, match="closing"):
        stream.close()
    assert asyncio.run(name()) == asynchronous_chunks.__qualname__
    assert [call["$ai_is_error"] for call in recorded.calls()] == [False, False]


def test_an_exception_thrown_into_a_stream_is_not_the_provider_s_error(recorded: Any) -> None:
    stream: Any = follow(begin(), iter([1, 2]))
    assert next(stream) == 1
    with pytest.raises(ZeroDivisionError):
        stream.throw(ZeroDivisionError())
    assert recorded.call()["$ai_is_error"] is False


def test_an_interrupt_while_waiting_for_a_chunk_is_not_the_provider_s_error(recorded: Any) -> None:
    def chunks() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    stream = follow(begin(), chunks())
    assert next(stream) == 1
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert recorded.call()["$ai_is_error"] is False


def test_an_error_raised_by_the_stream_is_its_failure(recorded: Any) -> None:
    def chunks() -> Iterator[int]:
        yield 1
        raise ConnectionError("cut")

    stream = follow(begin(), chunks())
    assert next(stream) == 1
    with pytest.raises(ConnectionError, match="cut"):
        next(stream)
    assert recorded.call()["$ai_is_error"] is True


def test_a_stream_that_is_no_generator_may_be_left_early(recorded: Any) -> None:
    stream: Any = follow(begin(), iter([1, 2]))
    assert next(stream) == 1
    stream.close()
    assert recorded.call()["$ai_is_error"] is False


def test_a_failure_to_record_a_stream_that_is_collected_is_counted(
    recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The garbage collector would print it."""
    stream: Any = follow(begin(), iter([1, 2]))
    next(stream)

    def fail(record: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(recorded.analytics.pipeline, "later", fail)
    del stream
    gc.collect()
    assert recorded.analytics.drops.counts.pop("failure inside") == 1
