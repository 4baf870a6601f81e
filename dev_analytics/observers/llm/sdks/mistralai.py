"""Chats made with Mistral's SDK."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm.answers import SDK, Answer, get
from dev_analytics.observers.llm.method import asks
from dev_analytics.observers.llm.request import observe_closing
from dev_analytics.observers.llm.speakeasy import observe_asked

COVERS: Final = (
    "mistralai",
    "1.2",
    "3.7",
    "`complete` and `stream` of `chat`, `agents` and `fim`; conversations; `embeddings`",
)


def read(answer: Any) -> Answer:
    """Return the content of an answer, or of a stream event with a chunk."""
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
    """Install the hooks."""
    chat = module.Chat
    observe_asked(MISTRAL, chat, ("complete", "complete_async"), asks("chat"))
    observe_asked(MISTRAL, chat, ("stream", "stream_async"), asks("chat", stream=True))
    for stream in (module.eventstreaming.EventStream, module.eventstreaming.EventStreamAsync):
        observe_closing(stream)
