"""Calls made with Anthropic's SDK, including those to Claude on AWS, Google Cloud and Azure."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm import stainless
from dev_analytics.observers.llm.answers import SDK, Answer, get
from dev_analytics.observers.llm.parsing import observe_parsing

MODULES: Final = (
    "anthropic",
    "anthropic.lib.streaming._messages",
    "anthropic.lib.streaming._beta_messages",
)
COVERS: Final = ("anthropic", "0.28", "2.14", "messages; also at AWS, Google and Azure")

OPERATIONS: Final = {
    "/v1/messages": "chat",
    "/v1/messages?beta=true": "chat",
    "/v1/complete": "text_completion",
}
_READERS: Final = (
    "MessageStream",
    "AsyncMessageStream",
    "BetaMessageStream",
    "BetaAsyncMessageStream",
)
"""Classes that read a stream for the user, and close it."""
_CACHED: Final = ("cache_read_input_tokens", "cache_creation_input_tokens")
_INPUT: Final = ("input_tokens", *_CACHED)
_CLOUDS: Final = {
    "anthropic.lib.bedrock": "aws",
    "anthropic.lib.aws": "aws",
    "anthropic.lib.vertex": "google",
    "anthropic.lib.google_cloud": "google",
    "anthropic.lib.foundry": "azure",
}


def read(answer: Any) -> Answer | None:
    """Return the content of an answer or a stream event; only the first and last events have any.

    The counts in ``message_delta`` are cumulative, but some may be missing.
    """
    kind = getattr(answer, "type", None)
    if kind == "message_start":
        answer = answer.message
    elif kind not in ("message", "message_delta", "completion"):
        return None
    return read_usage(answer)


def read_usage(answer: Any) -> Answer:
    """Return the model and the token counts of a message, or of an event about one."""
    usage = get(answer, "usage")
    cached, written = (get(usage, name) for name in _CACHED)
    return Answer(
        get(answer, "model"),
        # Anthropic's input count excludes cached tokens.
        (get(usage, "input_tokens"), cached, written, _compacted(usage, *_INPUT)),
        (get(usage, "output_tokens"), _compacted(usage, "output_tokens")),
        (cached, _compacted(usage, _CACHED[0])),
        (written, _compacted(usage, _CACHED[1])),
        get(get(usage, "output_tokens_details"), "thinking_tokens"),
    )


def _compacted(usage: Any, *names: str) -> object:
    """Return the tokens spent on compacting the context, which the totals exclude."""
    iterations = get(usage, "iterations")
    if type(iterations) is not list:
        return None
    spent = [each for each in iterations if get(each, "type") == "compaction"]
    return tuple(get(each, name) for each in spent for name in names)


ANTHROPIC: Final = SDK("anthropic", "anthropic", read, errors=("pydantic_core",))


def hook(module: ModuleType) -> None:
    """Install the hooks."""
    if module.__name__ != "anthropic":
        observe_parsing(*(vars(module)[name] for name in _READERS if name in vars(module)))
        return
    stainless.observe(
        module,
        ANTHROPIC,
        (module.Anthropic, module.AsyncAnthropic),
        OPERATIONS,
        clouds=_CLOUDS,
    )
