"""Calls that DSPy makes with its own client; those through litellm are recorded there.

An engine's public method calls `_target`, which looks up the provider; the call begins there. An
attempt that fails earlier, for example for want of a key, makes no request and is not recorded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import chain, islice
from types import ModuleType
from typing import Any, Final

from dev_analytics.callbacks import count_failure
from dev_analytics.observers.hooks import State, wrap
from dev_analytics.observers.llm.answers import SDK, Answer, get, total
from dev_analytics.observers.llm.asking import asked, asking
from dev_analytics.observers.llm.streams import follow, follow_async

COVERS: Final = (
    "dspy",
    "3.4",
    "3.4",
    "calls through DSPy's own client",
)


def read(answer: Any) -> Answer:
    """Return the content of an answer or a stream event."""
    usage = get(answer, "usage")
    return Answer(
        get(answer, "model"),
        get(usage, "input_tokens"),
        get(usage, "output_tokens"),
        cache_read_input_tokens=get(usage, "cache_read_tokens"),
        cache_write_input_tokens=get(usage, "cache_write_tokens"),
        reasoning_output_tokens=get(usage, "reasoning_tokens"),
    )


def _read_anthropic(answer: Any) -> Answer:
    """Return the content where the input count excludes cached tokens."""
    found = read(answer)
    if found.input_tokens is None:
        return found
    cached = (found.cache_read_input_tokens, found.cache_write_input_tokens)
    return found._replace(input_tokens=total(found.input_tokens, *cached))


def _read_separately(answer: Any) -> Answer:
    """Return the content where the output count excludes reasoning."""
    found = read(answer)
    return found._replace(output_tokens=total(found.output_tokens, found.reasoning_output_tokens))


DSPY: Final = SDK("dspy", "dspy", read)
_SDKS: Final = {
    f"{prefix}{name}": DSPY._replace(read=reader)
    for prefix in ("", "Async")
    for name, reader in {
        "AnthropicLM": _read_anthropic,
        "GeminiLM": _read_separately,
        "XaiLM": _read_separately,
    }.items()
}
"""The readers of DSPy's classes whose counts are not those of `read`."""


def hook(module: ModuleType) -> None:
    """Install the hooks."""
    wrap(module._Routing, "_target", _target)  # of both engines
    wrap(module.LM15Engine, "complete", _complete)
    wrap(module.LM15Engine, "stream", _stream)
    wrap(module.AsyncLM15Engine, "complete", _complete_async)
    wrap(module.AsyncLM15Engine, "stream", _stream_async)


def _target(method: Any, engine: Any, args: Any, kwargs: Any) -> Any:
    """Look up the client that serves the model, and begin the call."""
    lm, request = found = method(*args, **kwargs)
    recorder, upper = State.active, asked()
    if recorder is not None and upper is not None:
        try:
            names = [cls.__name__ for cls in type(lm).__mro__]
            upper.call = recorder.begin(
                next((_SDKS[name] for name in names if name in _SDKS), DSPY),
                upper.operation,
                request.model,
                stream=upper.stream,
                address=lm.base_url,
            )
        except Exception as error:
            count_failure(recorder.drops, error)
    return found


def _complete(method: Any, engine: Any, args: Any, kwargs: Any) -> Any:
    """Request a whole answer, and read it."""
    with asking("chat") as one:
        answer = method(*args, **kwargs)
    if one.call is not None:
        one.call.read(answer)
        one.call.end()
    return answer


async def _complete_async(method: Any, engine: Any, args: Any, kwargs: Any) -> Any:
    """Do what `_complete` does, asynchronously."""
    with asking("chat") as one:
        answer = await method(*args, **kwargs)
    if one.call is not None:
        one.call.read(answer)
        one.call.end()
    return answer


def _stream(method: Any, engine: Any, args: Any, kwargs: Any) -> Iterator[Any]:
    return _streaming(method(*args, **kwargs))


def _streaming(events: Any) -> Iterator[Any]:
    """Return the same events; the first one triggers the request."""
    try:
        with asking("chat", stream=True) as one:
            first = list(islice(events, 1))
        every = chain(first, events)
        yield from every if one.call is None else follow(one.call, every)
    finally:
        events.close()


def _stream_async(method: Any, engine: Any, args: Any, kwargs: Any) -> AsyncIterator[Any]:
    return _streaming_async(method(*args, **kwargs))


async def _streaming_async(events: Any) -> AsyncIterator[Any]:
    """Do what `_streaming` does, asynchronously."""

    async def every() -> AsyncIterator[Any]:
        for event in first:
            yield event
        async for event in events:
            yield event

    try:
        with asking("chat", stream=True) as one:
            try:
                first = [await anext(events)]
            except StopAsyncIteration:
                first = []
        async for event in every() if one.call is None else follow_async(one.call, every()):
            yield event
    finally:
        await events.aclose()
