"""Calls made with the SDK of OpenAI, also those to Azure and to servers that speak its language."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm import stainless
from dev_analytics.observers.llm.answers import SDK, Answer, belongs, get

OPERATIONS: Final = {
    "/chat/completions": "chat",
    "/responses": "chat",
    "/completions": "text_completion",
    "/embeddings": "embeddings",
}
_LAST: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


def read(answer: Any) -> Answer | None:
    """Tell what an answer, or a chunk or event of one, says."""
    if type(answer).__module__.startswith("openai.types.responses.response_"):
        # An event of the Responses API; only the last one holds the counts.
        return read_usage(answer.response) if getattr(answer, "type", None) in _LAST else None
    return read_usage(answer)


def read_usage(answer: Any) -> Answer:
    """Tell the model and the tokens of an answer, in the words of either API."""
    usage = get(answer, "usage")
    if usage is None:
        return Answer(get(answer, "model"), id=get(answer, "id"))
    # Most are chats; a field that is not there takes the longest to read.
    into, out = "prompt_tokens", "completion_tokens"
    sent, received = get(usage, into), get(usage, out)
    if sent is None and received is None:
        into, out = "input_tokens", "output_tokens"
        sent, received = get(usage, into), get(usage, out)
    return Answer(
        get(answer, "model"),
        sent,
        received,
        get(get(usage, f"{into}_details"), "cached_tokens"),
        None,
        get(get(usage, f"{out}_details"), "reasoning_tokens"),
        get(answer, "id"),
    )


def hook(module: ModuleType) -> None:
    """Put the hooks in."""
    stainless.observe(
        module,
        SDK("openai", "openai", read),
        (module.OpenAI, module.AsyncOpenAI),
        OPERATIONS,
        provider=_provider,
    )


def _provider(client: Any) -> str | None:
    """Tell Azure by the client's class: its address may be a gateway of the user's."""
    azure = any(belongs(cls, "openai.lib.azure") for cls in type(client).__mro__)
    return "azure" if azure else None
