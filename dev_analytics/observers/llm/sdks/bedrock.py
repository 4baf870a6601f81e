"""Calls to Bedrock, made with boto3 or aiobotocore.

Both make every request to AWS in one method: those to other services are let through untouched.
The body of a request to a model, and of its answer, is never looked into: the counts stand in the
headers, or in an event of their own.
"""

from __future__ import annotations

import importlib
import re
from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm.answers import SDK, Answer, text, total
from dev_analytics.observers.llm.hooks import State, wrap
from dev_analytics.observers.llm.recorder import Call, Recorder
from dev_analytics.observers.llm.request import observe_closing, observe_request, read_whole
from dev_analytics.observers.llm.streams import follow, follow_async

COVERS: Final = (
    "boto3, aiobotocore",
    "1.43",
    "1.43",
    "Bedrock: `converse`, `converse_stream`, `invoke_model`, also streamed",
)

STREAMED: Final = {
    "Converse": False,
    "ConverseStream": True,
    "InvokeModel": False,
    "InvokeModelWithResponseStream": True,
}
"""The operations that ask a model, each with whether its answer is a stream of events."""

_STREAMS: Final = ("stream", "body")
"""The parts of an answer that may be such a stream."""

_NO_LANGUAGE: Final = re.compile(
    r"(?:[a-z-]+\.)?(?:stability\.|luma\.|amazon\.(?:titan-image|nova-canvas|nova-reel))"
    r"|.*(?:rerank|marengo)"
)
"""Models that make pictures, or put texts in order."""

_METRICS: Final = re.compile(rb'"amazon-bedrock-invocationMetrics":\{([^{}]*)\}')
"""What the last chunk of a stream ends with. In a text of a model the quotes would be escaped."""

_METRIC: Final = re.compile(rb'"(\w+)TokenCount":(\d{1,9})')


def read(answer: Any) -> Answer | None:
    """Return what an answer or an event of one says; no answer names its model."""
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
    """Return the counts; what is cached is left out of AWS's own count of the input."""
    return Answer(
        None,
        None if sent is None else total(sent, read, written),
        received,
        cache_read_input_tokens=read,
        cache_write_input_tokens=written,
    )


BEDROCK: Final = SDK("boto3", "botocore", read, "aws", plain=True)


def hook(module: ModuleType) -> None:
    """Install the hooks, in botocore or in aiobotocore."""
    if "AioBaseClient" in vars(module):
        observe_request(module.AioBaseClient, "_make_api_call", _begin, _watch)
        events = importlib.import_module("aiobotocore.eventstream")
        wrap(events.AioEventStream, "__aiter__", _events_async)
    else:
        observe_request(module.BaseClient, "_make_api_call", _begin, _watch)
        events = importlib.import_module("botocore.eventstream")
        wrap(events.EventStream, "__iter__", _events)
        observe_closing(events.EventStream)


def _begin(recorder: Recorder, client: Any, args: Any, kwargs: Any) -> Call | None:
    """Begin the call of a request that asks a model."""
    if len(args) != 2 or args[0] not in STREAMED:
        return None
    name, asked = args
    model = text(asked.get("modelId"))
    if (
        client.meta.service_model.service_name != "bedrock-runtime"
        or model is None
        or _NO_LANGUAGE.match(model)
    ):
        return None
    return recorder.begin(
        BEDROCK,
        "embeddings" if "embed" in model else "chat",
        model,
        stream=STREAMED[name],
    )


def _watch(call: Call, answer: Any) -> Any:
    """Read an answer, or see to it that its events are read."""
    if not call.stream:
        return read_whole(call, answer)
    try:
        call.recorder.hold(next(answer[part] for part in _STREAMS if part in answer), call)
    except Exception:
        call.recorder.drops.count("failure inside")
        call.end()
    return answer


def _events(method: Any, stream: Any, args: Any, kwargs: Any) -> Any:
    """Return the events of a stream, read while they pass."""
    recorder = State.active
    call = recorder.held(stream) if recorder else None
    events = method(*args, **kwargs)
    return events if call is None else follow(call, events)


def _events_async(method: Any, stream: Any, args: Any, kwargs: Any) -> Any:
    """Do what `_events` does for asynchronous ones."""
    recorder = State.active
    call = recorder.held(stream) if recorder else None
    events = method(*args, **kwargs)
    return events if call is None else follow_async(call, events)
