"""Interactions with Gemini: the newer API of google-genai, beside `models`."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm.answers import Answer, get, total
from dev_analytics.observers.llm.method import Request
from dev_analytics.observers.llm.request import observe_closing
from dev_analytics.observers.llm.sdks.google_genai import GOOGLE
from dev_analytics.observers.llm.speakeasy import observe_asked

COVERS: Final = None
"""Listed with `google_genai`."""


def read(answer: Any) -> Answer | None:
    """Return the content of an interaction or a stream event; only the last event has any."""
    if hasattr(answer, "event_type"):
        if answer.event_type != "interaction.completed":
            return None
        answer = answer.interaction
    usage = get(answer, "usage")
    reasoning = get(usage, "total_thought_tokens")
    return Answer(
        get(answer, "model"),
        total(get(usage, "total_input_tokens"), get(usage, "total_tool_use_tokens")),
        total(get(usage, "total_output_tokens"), reasoning),
        cache_read_input_tokens=get(usage, "total_cached_tokens"),
        reasoning_output_tokens=reasoning,
    )


INTERACTIONS = GOOGLE._replace(read=read)


def hook(module: ModuleType) -> None:
    """Install the hooks."""
    for interactions in (module.Interactions, module.AsyncInteractions):
        observe_asked(INTERACTIONS, interactions, ("create",), _asked)
    for stream in (module.Stream, module.AsyncStream):
        observe_closing(stream)


def _asked(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Request:
    """Return the request; its parameters may also be given as one dictionary."""
    body = kwargs.get("request")
    parameters = body if type(body) is dict else kwargs
    return Request("generate_content", parameters.get("model"), parameters.get("stream") is True)
