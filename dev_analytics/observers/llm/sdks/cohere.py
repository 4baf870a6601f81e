"""Calls made with Cohere's SDK, by version 2 of its API; the reader serves both versions.

The raw client below the public one is hooked: the public one copies its own methods when it is
created.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm.answers import SDK, Answer, get
from dev_analytics.observers.llm.hooks import wrap
from dev_analytics.observers.llm.method import asks, begins, observe
from dev_analytics.observers.llm.recorder import Call
from dev_analytics.observers.llm.request import begun
from dev_analytics.observers.llm.streams import follow, follow_async

COVERS: Final = (
    "cohere",
    "5.16",
    "7.3",
    "`chat`, `chat_stream` and `embed` of `ClientV2` and of the older `Client`",
)


def read(answer: Any) -> Answer | None:
    """Return the content of an answer or a stream event; neither names the model."""
    answer = getattr(answer, "data", answer)
    kind = getattr(answer, "type", None) or getattr(answer, "event_type", None)
    if kind is not None:
        # Only the last event has counts.
        if kind not in ("message-end", "stream-end"):
            return None
        answer = answer.delta if kind == "message-end" else answer.response
    usage = get(answer, "usage") or get(answer, "meta")
    # Answers with embeddings have billed units only.
    counts = get(usage, "tokens") or get(usage, "billed_units")
    return Answer(
        None,
        get(counts, "input_tokens"),
        get(counts, "output_tokens"),
        cache_read_input_tokens=get(usage, "cached_tokens"),
        failed=True if get(answer, "finish_reason") in ("ERROR", "TIMEOUT") else None,
    )


COHERE: Final = SDK("cohere", "cohere", read, "cohere")
_BEGIN: Final = begins(COHERE, asks("chat", stream=True))


def hook(module: ModuleType) -> None:
    """Install the hooks."""
    for client in (module.RawV2Client, module.AsyncRawV2Client):
        observe(COHERE, client, "chat", asks("chat"))
        observe(COHERE, client, "embed", asks("embeddings"))
        observe_stream(client)


def observe_stream(client: Any) -> None:
    """Install the hook in the streaming method, which is a context manager."""
    is_async = inspect.iscoroutinefunction(client.chat)
    wrap(client, "chat_stream", _chat_stream_async if is_async else _chat_stream)


@contextmanager
def _chat_stream(method: Any, client: Any, args: Any, kwargs: Any) -> Iterator[Any]:
    """Run the method and read the chunks; the request is made when the context is entered."""
    with ExitStack() as stack:
        call = begun(_BEGIN, client, args, kwargs)
        try:
            response = stack.enter_context(method(*args, **kwargs))
        except BaseException as error:
            if call is not None:
                call.fail(error)
            raise
        if call is not None:
            _watch(call, response)
            stack.callback(call.end)
        yield response


@asynccontextmanager
async def _chat_stream_async(
    method: Any, client: Any, args: Any, kwargs: Any
) -> AsyncIterator[Any]:
    """Do what `_chat_stream` does, asynchronously."""
    async with AsyncExitStack() as stack:
        call = begun(_BEGIN, client, args, kwargs)
        try:
            response = await stack.enter_async_context(method(*args, **kwargs))
        except BaseException as error:
            if call is not None:
                call.fail(error)
            raise
        if call is not None:
            _watch(call, response)
            stack.callback(call.end)
        yield response


def _watch(call: Call, response: Any) -> None:
    try:
        chunks = response._data
        response._data = (follow_async if hasattr(chunks, "__anext__") else follow)(call, chunks)
    except Exception:
        call.recorder.drops.count("failure inside")
        call.end()
