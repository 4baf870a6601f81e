"""Calls made with OpenAI's SDK, including those to Azure and to compatible servers."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from dev_analytics.catalogue.vocabulary import OTHER
from dev_analytics.observers.llm import stainless
from dev_analytics.observers.llm.answers import SDK, Answer, get, get_rare
from dev_analytics.observers.llm.parsing import observe_parsing

MODULES: Final = (
    "openai",
    "openai.lib.streaming.chat._completions",
    "openai.lib.streaming.responses._responses",
)
COVERS: Final = (
    "openai",
    "1.3",
    "3.57",
    "chat completions, responses, completions, embeddings, decisions; "
    "also by Azure, AWS, compatible servers",
)

OPERATIONS: Final = {
    "/chat/completions": "chat",
    "/responses": "chat",
    "/responses?beta=true": "chat",
    "/responses/compact": "chat",
    "/responses/compact?beta=true": "chat",
    "/completions": "text_completion",
    "/embeddings": "embeddings",
    "/decisions": OTHER,
}
# The client's class decides, since its address may be a gateway of the user's.
_CLOUDS: Final = {"openai.lib.azure": "azure"}
_RUNTIMES: Final = {"bedrock": "aws", "vertex": "google"}
_READERS: Final = (
    "ChatCompletionStream",
    "AsyncChatCompletionStream",
    "ResponseStream",
    "AsyncResponseStream",
)
"""Classes that read a stream for the user, and close the connection below it."""
_EVENTS: Final = ("openai.types.responses.response_", "openai.types.beta.beta_response_")
"""The prefixes of the modules that define the events of the Responses API."""
_LAST: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
_FAILED: Final = frozenset({"error", "failed"})
"""The ``finish_reason`` of a choice, or the ``status`` of a response, that failed."""


def read(answer: Any) -> Answer | None:
    """Return the content of an answer, a chunk or a stream event."""
    if type(answer).__module__.startswith(_EVENTS):
        # An event of the Responses API; only the last one holds the counts.
        kind = getattr(answer, "type", None)
        if kind == "error":
            return Answer(failed=True)
        return read_usage(answer.response) if kind in _LAST else None
    return read_usage(answer)


def read_usage(answer: Any) -> Answer:
    """Return the model and the token counts of an answer, whichever API's fields it has."""
    usage, choices = get(answer, "usage"), get(answer, "choices")
    if choices and type(choices) is list:
        ended = get(choices[-1], "finish_reason")
        if usage is None and ended is not None:
            # Moonshot streams the usage in the last choice.
            usage = get(choices[-1], "usage")
    else:
        # Some servers answer with an error in place of the choices.
        ended = "error" if get(answer, "error") else get(answer, "status")
    failed = True if ended in _FAILED else None
    if usage is None:
        return Answer(get(answer, "model"), failed=failed)
    # Chats first: they are the most frequent, and reading a missing field is slow.
    sent_name, received_name = "prompt_tokens", "completion_tokens"
    sent, received = get(usage, sent_name), get(usage, received_name)
    if sent is None and received is None:
        sent_name, received_name = "input_tokens", "output_tokens"
        sent, received = get(usage, sent_name), get(usage, received_name)
    details = get(usage, f"{sent_name}_details")
    cached = get(details, "cached_tokens")
    if cached is None:
        # Moonshot and DeepSeek have it next to the details, not in them.
        cached = get_rare(usage, "cached_tokens")
    if cached is None:
        cached = get_rare(usage, "prompt_cache_hit_tokens")
    return Answer(
        get(answer, "model"),
        sent,
        received,
        cached,
        get(details, "cache_write_tokens"),
        get(get(usage, f"{received_name}_details"), "reasoning_tokens"),
        failed,
    )


OPENAI: Final = SDK("openai", "openai", read, errors=("pydantic_core",))


def hook(module: ModuleType) -> None:
    """Install the hooks."""
    if module.__name__ != "openai":
        readers = [vars(module)[name] for name in _READERS if name in vars(module)]
        observe_parsing(*readers)
        stainless.observe_ends("openai", *readers)
        return
    stainless.observe(
        module,
        OPENAI,
        (module.OpenAI, module.AsyncOpenAI),
        OPERATIONS,
        clouds=_CLOUDS,
        runtimes=_RUNTIMES,
    )
