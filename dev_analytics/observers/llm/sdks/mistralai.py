"""Calls made with the SDK of Mistral."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from dev_analytics.drops import Drop
from dev_analytics.observers.llm.answers import SDK, Answer, get
from dev_analytics.observers.llm.hooks import State, wrap
from dev_analytics.observers.llm.method import asks, observe
from dev_analytics.observers.llm.recorder import Call
from dev_analytics.observers.llm.streams import follow, follow_async

COVERS: Final = (
    "mistralai",
    "1.2",
    "3.7",
    "`complete` and `stream` of `chat`, `agents` and `fim`; `embeddings`",
)


def read(answer: Any) -> Answer:
    """Tell what an answer, or an event with a chunk of one, says."""
    answer = getattr(answer, "data", answer)
    usage, choices = answer.usage, answer.choices
    return Answer(
        answer.model,
        get(usage, "prompt_tokens"),
        get(usage, "completion_tokens"),
        cache_read_input_tokens=get(get(usage, "prompt_tokens_details"), "cached_tokens"),
        failed=True if choices and choices[-1].finish_reason == "error" else None,
    )


MISTRAL: Final = SDK("mistralai", "mistralai", read, "mistral")


def hook(module: ModuleType) -> None:
    """Put the hooks in."""
    chat = module.Chat
    for name in ("complete", "complete_async"):
        observe(MISTRAL, chat, name, asks("chat"))
    for name in ("stream", "stream_async"):
        observe(MISTRAL, chat, name, asks("chat", stream=True), _watch)
    for stream in (module.eventstreaming.EventStream, module.eventstreaming.EventStreamAsync):
        if hasattr(stream, "close"):
            wrap(stream, "close", _close)


def _watch(call: Call, stream: Any) -> Any:
    """Have a stream's own iterator read for the call, which ends with it at the latest."""
    try:
        chunks = stream.generator
        stream.generator = (follow_async if hasattr(chunks, "__anext__") else follow)(call, chunks)
        call.recorder.hold(stream, call)
    except Exception:
        call.recorder.drops.count(Drop.FAILURE)
        call.end()
    return stream


def _close(method: Any, stream: Any, args: Any, kwargs: Any) -> Any:
    recorder = State.active
    call = recorder.release(stream) if recorder else None
    if call is not None:
        call.end()
    return method(*args, **kwargs)
