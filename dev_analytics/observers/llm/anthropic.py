"""Calls made with the SDK of Anthropic, also those to Claude at AWS and Google."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm import stainless
from dev_analytics.observers.llm.answers import SDK, Answer, belongs, get, total

OPERATIONS: Final = {
    "/v1/messages": "chat",
    "/v1/messages?beta=true": "chat",
    "/v1/complete": "text_completion",
}
_CLOUDS: Final = {
    "anthropic.lib.bedrock": "aws",
    "anthropic.lib.aws": "aws",
    "anthropic.lib.vertex": "google",
    "anthropic.lib.google_cloud": "google",
    "anthropic.lib.foundry": "azure",
}


def read(answer: Any) -> Answer | None:
    """Tell what an answer, or an event of one, says; an event between first and last says nothing.

    The counts in ``message_delta`` are those of the whole answer so far.
    """
    kind = getattr(answer, "type", None)
    if kind == "message_start":
        answer = answer.message
    elif kind not in ("message", "message_delta", "completion"):
        return None
    usage = get(answer, "usage")
    read = get(usage, "cache_read_input_tokens")
    written = get(usage, "cache_creation_input_tokens")
    fresh = get(usage, "input_tokens")
    return Answer(
        get(answer, "model"),
        # Theirs leaves out what is cached.
        None if fresh is None else total(fresh, read, written),
        get(usage, "output_tokens"),
        cache_read_input_tokens=read,
        cache_write_input_tokens=written,
        reasoning_output_tokens=get(get(usage, "output_tokens_details"), "thinking_tokens"),
        id=get(answer, "id"),
    )


def hook(module: ModuleType) -> None:
    """Put the hooks in."""
    stainless.observe(
        module,
        SDK("anthropic", "anthropic", read),
        (module.Anthropic, module.AsyncAnthropic),
        OPERATIONS,
        provider=_provider,
    )


def _provider(client: Any) -> str | None:
    """Tell a cloud by the client's class."""
    for cls in type(client).__mro__:
        for package, provider in _CLOUDS.items():
            if belongs(cls, package):
                return provider
    return None
