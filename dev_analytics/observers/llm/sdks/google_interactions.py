"""Interactions with Gemini, made with google-genai: its newer way to ask, beside `models`."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm.answers import Answer, get, total
from dev_analytics.observers.llm.method import Request, observe
from dev_analytics.observers.llm.request import observe_closing
from dev_analytics.observers.llm.sdks.google_genai import GOOGLE
from dev_analytics.observers.llm.speakeasy import watch_stream

COVERS: Final = None
"""It is a part of another one."""


def read(answer: Any) -> Answer | None:
    """Return what an interaction, or an event of one, says; of events only the last counts."""
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
        observe(INTERACTIONS, interactions, "create", _asked, watch_stream)
    for stream in (module.Stream, module.AsyncStream):
        observe_closing(stream)


def _asked(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Request:
    """Return what is asked; it may also stand in a dictionary."""
    body = kwargs.get("request")
    asked = body if type(body) is dict else kwargs
    return Request("generate_content", asked.get("model"), asked.get("stream") is True)
