"""Calls to Bedrock, made with boto3 or aiobotocore.

Both send every request to AWS through one method; requests to other services pass untouched. The
bodies of requests and answers are never read: the token counts are in the headers, or in a
separate event.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm.answers import SDK, Answer, belongs, text
from dev_analytics.observers.llm.call import Call
from dev_analytics.observers.llm.recorder import Recorder
from dev_analytics.observers.llm.request import (
    end,
    observe_closing,
    observe_request,
    observe_result,
    observe_sending,
    read_whole,
)
from dev_analytics.observers.llm.streams import observe_parts
from dev_analytics.observers.plain import plain

MODULES: Final = ("botocore.client", "aiobotocore.client")
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
"""The operations that call a model, and whether the answer is a stream of events."""

_STREAMS: Final = ("stream", "body")
"""The fields of an answer that may hold the stream."""

_BODIES: Final = ("AioStreamingBody", "AioHttpxStreamingBody", "StreamingBody")
"""The classes of bodies, in whichever of both libraries and versions has them."""

_NO_LANGUAGE: Final = re.compile(
    r"(?:[a-z-]+\.)?(?:stability\.|luma\.|amazon\.(?:titan-image|nova-canvas|nova-reel))"
    r"|.*(?:rerank|marengo)"
)
"""Models that generate images, rank texts or embed videos: their calls are not recorded."""

_METRICS: Final = re.compile(rb'"amazon-bedrock-invocationMetrics":\{([^{}]*)\}')
"""The end of a stream's last chunk. In text from a model the quotes would be escaped."""

_METRIC: Final = re.compile(rb'"(\w+)TokenCount":(\d{1,9})')


def read(answer: Any) -> Answer | None:
    """Return the content of an answer or a stream event; neither names the model."""
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
    """Return the counts; AWS's own input count excludes cached tokens."""
    return Answer(
        None,
        None if sent is None else (sent, read, written),
        received,
        cache_read_input_tokens=read,
        cache_write_input_tokens=written,
    )


BEDROCK: Final = SDK("boto3", "botocore", read, "aws", plain=True)


def hook(module: ModuleType) -> None:
    """Install the hooks, in botocore or in aiobotocore, whose classes have names of their own."""
    package = module.__name__.partition(".")[0]
    prefix, iterate = ("", "__iter__") if package == "botocore" else ("Aio", "__aiter__")

    def classes(part: str) -> dict[str, Any]:
        return vars(importlib.import_module(f"{package}.{part}"))

    observe_sending(classes("endpoint")[f"{prefix}Endpoint"], "_send")
    client = classes("client")[f"{prefix}BaseClient"]
    observe_request(client, "_make_api_call", _begin, _watch, announced=True)
    events = classes("eventstream")[f"{prefix}EventStream"]
    observe_parts(events, iterate)
    observe_closing(events)
    for body in [each for name, each in classes("response").items() if name in _BODIES]:
        for name in ("read", "readinto"):
            observe_result(body, name, _read, end)
        observe_closing(body)


def _begin(recorder: Recorder, client: Any, args: Any, kwargs: Any) -> Call | None:
    """Begin a call if the request goes to a language model."""
    # No method of a class of the user's is called.
    name, parameters = text(args[0]), args[1]
    if name not in STREAMED or not issubclass(type(parameters), dict):
        return None
    model = text(dict.get(plain(parameters), "modelId"))
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
    """Read an answer, or attach the call to what its user reads: a stream, or a body."""
    given = plain(answer) if type(answer) is dict else {}
    parts = [given[part] for part in _STREAMS if part in given]
    # A handler of the user's may have put something else there.
    held = [
        part
        for part in parts
        if belongs(type(part), "botocore") or belongs(type(part), "aiobotocore")
    ]
    if not held:
        return read_whole(call, answer)
    if not call.stream:
        call.read(answer)
    call.recorder.hold(held[0], call)
    return answer


def _read(body: Any, part: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """End the call of a body that was read to its end."""
    # The first argument is how much to read, or into what.
    if not part or next(iter((*args, *kwargs.values())), None) is None:
        end(body)
