"""Calls to Bedrock, made with boto3 or aiobotocore.

Both make every request to AWS in one method: those to other services are let through untouched.
The body of a request to a model, and of its answer, is never looked into: the counts stand in the
headers, or in an event of their own.
"""

from __future__ import annotations

import importlib
import inspect
import re
from types import ModuleType
from typing import Any, Final

from dev_analytics.drops import Drop
from dev_analytics.observers.llm.answers import SDK, Answer, total
from dev_analytics.observers.llm.hooks import State, wrap
from dev_analytics.observers.llm.recorder import Call
from dev_analytics.observers.llm.streams import follow, follow_async

COVERS: Final = (
    "boto3, aiobotocore",
    "1.43",
    "1.43",
    "Bedrock: `converse`, `converse_stream`, `invoke_model`, also streamed",
)

STREAMED: Final = {
    "Converse": None,
    "ConverseStream": "stream",
    "InvokeModel": None,
    "InvokeModelWithResponseStream": "body",
}
"""The operations that ask a model, each with the part of its answer that is a stream of events."""

_NO_LANGUAGE: Final = re.compile(
    r"(?:[a-z-]+\.)?(?:stability\.|luma\.|amazon\.(?:titan-image|nova-canvas|nova-reel))"
    r"|.*(?:rerank|marengo)"
)
"""Models that make pictures, or put texts in order."""

_METRICS: Final = re.compile(rb'"amazon-bedrock-invocationMetrics":\{([^{}]*)\}')
"""What the last chunk of a stream ends with. In a text of a model the quotes would be escaped."""

_METRIC: Final = re.compile(rb'"(\w+)TokenCount":(\d{1,9})')


def read(answer: Any) -> Answer | None:
    """Tell what an answer or an event of one says; no answer names its model."""
    if "chunk" in answer:
        return _last_chunk(answer["chunk"])
    usage = answer.get("usage") or answer.get("metadata", {}).get("usage")
    if usage:
        names = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
        return _counted(*map(usage.get, names))
    if "ResponseMetadata" not in answer:
        return None
    headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
    names = ("input", "output", "cache-read-input", "cache-write-input")
    counts = [headers.get(f"x-amzn-bedrock-{name}-token-count", "") for name in names]
    return _counted(*(int(each) if each.isdecimal() else None for each in counts))


def _last_chunk(chunk: Any) -> Answer | None:
    found = _METRICS.search(chunk.get("bytes", b""))
    if found is None:
        return None
    counts = {name.decode(): int(count) for name, count in _METRIC.findall(found[1])}
    return _counted(*map(counts.get, ("input", "output", "cacheReadInput", "cacheWriteInput")))


def _counted(sent: object, received: object, read: object, written: object) -> Answer:
    """Tell the counts; what is cached is left out of AWS's own count of the input."""
    return Answer(
        None,
        None if sent is None else total(sent, read, written),
        received,
        cache_read_input_tokens=read,
        cache_write_input_tokens=written,
    )


BEDROCK: Final = SDK("boto3", "botocore", read, "aws", plain=True)


def hook(module: ModuleType) -> None:
    """Put the hooks in, in botocore or in aiobotocore."""
    client = vars(module).get("AioBaseClient") or module.BaseClient
    is_async = inspect.iscoroutinefunction(client._make_api_call)
    wrap(client, "_make_api_call", _call_async if is_async else _call)
    if is_async:
        events = importlib.import_module("aiobotocore.eventstream")
        wrap(events.AioEventStream, "__aiter__", _events_async)
    else:
        events = importlib.import_module("botocore.eventstream")
        wrap(events.EventStream, "__iter__", _events)
        wrap(events.EventStream, "close", _close)


def _call(method: Any, client: Any, args: Any, kwargs: Any) -> Any:
    """Make a request."""
    call = _begin(client, args)
    if call is None:
        return method(*args, **kwargs)
    try:
        answer = method(*args, **kwargs)
    except BaseException as error:
        call.fail(error)
        raise
    _watch(call, args[0], answer)
    return answer


async def _call_async(method: Any, client: Any, args: Any, kwargs: Any) -> Any:
    """Do what `_call` does, asynchronously."""
    call = _begin(client, args)
    if call is None:
        return await method(*args, **kwargs)
    try:
        answer = await method(*args, **kwargs)
    except BaseException as error:
        call.fail(error)
        raise
    _watch(call, args[0], answer)
    return answer


def _begin(client: Any, args: Any) -> Call | None:
    recorder = State.active
    if recorder is None or len(args) != 2 or args[0] not in STREAMED:
        return None
    try:
        name, asked = args
        model = asked.get("modelId")
        if (
            client.meta.service_model.service_name != "bedrock-runtime"
            or type(model) is not str
            or _NO_LANGUAGE.match(model)
        ):
            return None
        return recorder.begin(
            BEDROCK,
            "embeddings" if "embed" in model else "chat",
            model,
            stream=STREAMED[name] is not None,
        )
    except Exception:
        recorder.drops.count(Drop.FAILURE)
        return None


def _watch(call: Call, name: str, answer: Any) -> None:
    """Read an answer, or see to it that its events are read."""
    part = STREAMED[name]
    if part is None:
        call.read(answer)
        call.end()
        return
    try:
        call.recorder.hold(answer[part], call)
    except Exception:
        call.recorder.drops.count(Drop.FAILURE)
        call.end()


def _events(method: Any, stream: Any, args: Any, kwargs: Any) -> Any:
    """Return the events of a stream, read while they pass."""
    recorder = State.active
    call = recorder.release(stream) if recorder else None
    events = method(*args, **kwargs)
    return events if call is None else follow(call, events)


def _events_async(method: Any, stream: Any, args: Any, kwargs: Any) -> Any:
    """Do what `_events` does for asynchronous ones."""
    recorder = State.active
    call = recorder.release(stream) if recorder else None
    events = method(*args, **kwargs)
    return events if call is None else follow_async(call, events)


def _close(method: Any, stream: Any, args: Any, kwargs: Any) -> Any:
    """Close a stream, which ends a call whose events nobody asked for."""
    recorder = State.active
    call = recorder.release(stream) if recorder else None
    if call is not None:
        call.end()
    return method(*args, **kwargs)
