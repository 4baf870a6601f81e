"""Conversations made with Mistral's SDK, with a model or with an agent that has one."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm.answers import Answer, get
from dev_analytics.observers.llm.method import asks
from dev_analytics.observers.llm.request import observe_closing
from dev_analytics.observers.llm.sdks.mistralai import MISTRAL
from dev_analytics.observers.llm.speakeasy import observe_asked

COVERS: Final = None
"""Listed with `mistralai`."""

_METHODS: Final = ("start", "append", "restart")
"""The methods that call a model, each in four forms: whole or streamed, and sync or async."""


def read(answer: Any) -> Answer | None:
    """Return the content of an answer or a stream event; the last event has the counts.

    Each output names its model. Tokens that connectors add are counted separately from the input.
    """
    answer = getattr(answer, "data", answer)
    if getattr(answer, "type", None) == "conversation.response.error":
        return Answer(failed=True)
    models = [get(each, "model") for each in get(answer, "outputs") or (answer,)]
    usage = get(answer, "usage")
    return Answer(
        next((model for model in models if type(model) is str), None),
        (get(usage, "prompt_tokens"), get(usage, "connector_tokens")),
        get(usage, "completion_tokens"),
    )


CONVERSATIONS: Final = MISTRAL._replace(read=read)


def hook(module: ModuleType) -> None:
    """Install the hooks."""
    cls, streamed = module.Conversations, asks("chat", stream=True)
    for end in ("", "_async"):
        observe_asked(CONVERSATIONS, cls, [f"{name}{end}" for name in _METHODS], asks("chat"))
        observe_asked(CONVERSATIONS, cls, [f"{name}_stream{end}" for name in _METHODS], streamed)
    for events in (module.eventstreaming.EventStream, module.eventstreaming.EventStreamAsync):
        observe_closing(events)
