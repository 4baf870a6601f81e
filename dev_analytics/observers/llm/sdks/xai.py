"""Chats made with xai-sdk, which uses gRPC; their messages are never read."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.hooks import wrap
from dev_analytics.observers.llm.answers import SDK, Answer
from dev_analytics.observers.llm.recorder import Call, Recorder
from dev_analytics.observers.llm.request import begun, observe_request
from dev_analytics.observers.llm.streams import follow, follow_async

COVERS: Final = (
    "xai-sdk",
    "1.21",
    "1.21",
    "chats: `sample`, `sample_batch`, `parse`, `stream`, `defer`, `compact`; `compact_context`",
)


def read(answer: Any) -> Answer:
    """Return the content of an answer; its own output count excludes reasoning."""
    proto = answer.proto
    usage = proto.usage
    return Answer(
        getattr(proto, "model", None),
        usage.prompt_tokens,
        usage.completion_tokens + usage.reasoning_tokens,
        cache_read_input_tokens=usage.cached_prompt_text_tokens,
        reasoning_output_tokens=usage.reasoning_tokens,
    )


XAI: Final = SDK("xai-sdk", "xai_sdk", read, "x-ai", errors=("grpc",))


def hook(module: ModuleType) -> None:
    """Install the hooks in the module's chat and client: both synchronous or both asynchronous."""
    chat = module.Chat
    for name in ("sample", "sample_batch", "parse", "defer", "defer_batch", "compact"):
        observe_request(chat, name, _begin, _watch)
    for name in ("stream", "stream_batch"):
        is_async = inspect.isasyncgenfunction(getattr(chat, name))
        wrap(chat, name, _stream_async if is_async else _stream)
    observe_request(module.Client, "compact_context", _begin_compacting, _watch, _fail)


def _begin(recorder: Recorder, chat: Any, args: Any, kwargs: Any) -> Call | None:
    return recorder.begin(XAI, "chat", chat._proto.model)


def _begin_compacting(recorder: Recorder, client: Any, args: Any, kwargs: Any) -> Call | None:
    """Begin a request that is made without a chat: only its arguments have the model."""
    return recorder.begin(XAI, "chat", args[0] if args else kwargs.get("model"))


def _begin_stream(recorder: Recorder, chat: Any, args: Any, kwargs: Any) -> Call | None:
    return recorder.begin(XAI, "chat", chat._proto.model, stream=True)


def _watch(call: Call, answer: Any) -> Any:
    _read(call, answer)
    call.end()
    return answer


def _fail(call: Call, error: BaseException) -> None:
    """End a call with an error, unless its arguments were refused before they were sent."""
    call.unsent = type(error) in (TypeError, ValueError)
    call.fail(error)


def _read(call: Call, answer: Any) -> None:
    """Read an answer, or the first of several: one request has one usage."""
    call.read(answer[0] if type(answer) in (list, tuple) and answer else answer)


def _stream(method: Any, chat: Any, args: Any, kwargs: Any) -> Iterator[Any]:
    return _following(chat, method(*args, **kwargs))


def _following(chat: Any, pairs: Iterator[Any]) -> Iterator[Any]:
    """Return the same pairs of the answer so far and a chunk; the first triggers the request."""
    call = begun(_begin_stream, chat, (), {})
    if call is None:
        yield from pairs
        return
    for pair in follow(call, pairs):
        _read(call, pair[0])
        yield pair


def _stream_async(method: Any, chat: Any, args: Any, kwargs: Any) -> AsyncIterator[Any]:
    return _following_async(chat, method(*args, **kwargs))


async def _following_async(chat: Any, pairs: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Do what `_following` does, asynchronously."""
    call = begun(_begin_stream, chat, (), {})
    if call is None:
        async for pair in pairs:
            yield pair
        return
    async for pair in follow_async(call, pairs):
        _read(call, pair[0])
        yield pair
