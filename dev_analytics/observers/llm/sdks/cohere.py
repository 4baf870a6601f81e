"""Calls made with Cohere's SDK, by version 1 or 2 of its API.

The raw client below the public one is hooked: the public one copies its own methods when it is
created.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm.answers import SDK, Answer, get
from dev_analytics.observers.llm.call import Call
from dev_analytics.observers.llm.method import begins, observe, request_of
from dev_analytics.observers.llm.recorder import Recorder
from dev_analytics.observers.llm.request import begin_call, counted, observe_result, watched
from dev_analytics.observers.llm.streams import follow_either

MODULES: Final = ("cohere.v2.raw_client", "cohere.raw_base_client")
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
_CLIENTS: Final = {
    "cohere.v2.raw_client": ("RawV2Client", "AsyncRawV2Client"),
    "cohere.raw_base_client": ("RawBaseCohere", "AsyncRawBaseCohere"),
}
_BEGIN: Final = begins(COHERE, request_of("chat", stream=True))


def hook(module: ModuleType) -> None:
    """Install the hooks in a module's clients, by either version of the API."""
    for client in [vars(module)[name] for name in _CLIENTS[module.__name__]]:
        observe(COHERE, client, "chat", request_of("chat"))
        observe(COHERE, client, "embed", request_of("embeddings"))
        observe_result(client, "chat_stream", _chat_stream)


@counted
def _chat_stream(recorder: Recorder, client: Any, context: Any, args: Any, kwargs: Any) -> None:
    """Observe the context that is returned: the request is made when it is entered."""
    within = _WithinAsync if hasattr(context, "__aenter__") else _Within
    context.gen = within(context.gen, partial(begin_call, _BEGIN, client, args, kwargs))


class _Context:
    """Stands before the generator of a context, and is no generator that a loop would close."""

    __slots__ = ("_begin", "_call", "_generator")

    def __init__(self, generator: Any, begin: Callable[[], Call | None]) -> None:
        self._generator = generator
        self._begin: Callable[[], Call | None] | None = begin
        self._call: Call | None = None

    def _enter(self) -> bool:
        """Begin the call; return whether the context is entered, and not left."""
        begin, self._begin = self._begin, None
        if begin is not None:
            self._call = begin()
        return begin is not None

    def _fail(self, error: BaseException) -> None:
        if self._call is not None:
            self._call.fail(error)

    def _entered(self, response: Any) -> Any:
        return response if self._call is None else watched(_watch, self._call, response)

    def _end(self) -> None:
        if self._call is not None:
            self._call.end()


class _Within(_Context):
    """Does what a generator does for its context."""

    __slots__ = ()

    def __next__(self) -> Any:
        if not self._enter():
            self._end()
            return next(self._generator)
        try:
            response = next(self._generator)
        except BaseException as error:
            self._fail(error)
            raise
        return self._entered(response)

    def throw(self, *error: Any) -> Any:
        self._end()
        return self._generator.throw(*error)


class _WithinAsync(_Context):
    """Does what an asynchronous generator does for its context."""

    __slots__ = ()

    async def __anext__(self) -> Any:
        if not self._enter():
            self._end()
            return await anext(self._generator)
        try:
            response = await anext(self._generator)
        except BaseException as error:
            self._fail(error)
            raise
        return self._entered(response)

    async def athrow(self, *error: Any) -> Any:
        self._end()
        return await self._generator.athrow(*error)


def _watch(call: Call, response: Any) -> Any:
    response._data = follow_either(call, response._data)
    return response
