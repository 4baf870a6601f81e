"""Calls made with Mistral's SDK, in which each kind of request has a module with one class.

A conversation is one with a model, or with an agent that has one.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm.answers import SDK, Answer, get
from dev_analytics.observers.llm.method import request_of
from dev_analytics.observers.llm.request import observe_closing
from dev_analytics.observers.llm.speakeasy import observe_methods

MODULES: Final = tuple(
    f"{place}.{name}"
    for place in ("mistralai.client", "mistralai")
    for name in ("agents", "chat", "conversations", "embeddings", "fim")
)
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


def read_embeddings(answer: Any) -> Answer:
    """Return the model and the tokens of an answer with embeddings."""
    return Answer(get(answer, "model"), get(get(answer, "usage"), "prompt_tokens"))


def read_conversation(answer: Any) -> Answer | None:
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


MISTRAL: Final = SDK("mistralai", "mistralai", read, "mistral")
_EMBEDDINGS: Final = MISTRAL._replace(read=read_embeddings)
_CONVERSATIONS: Final = MISTRAL._replace(read=read_conversation)


def hook(module: ModuleType) -> None:
    """Install the hooks in the class of a module, which has the module's name."""
    name = module.__name__.rpartition(".")[2].capitalize()
    cls = vars(module)[name]
    if name == "Embeddings":
        observe_methods(_EMBEDDINGS, cls, _both_forms("create"), request_of("embeddings"))
        return
    operation = "text_completion" if name == "Fim" else "chat"
    if name == "Conversations":
        sdk, whole = _CONVERSATIONS, ["start", "append", "restart"]
        streamed = [f"{each}_stream" for each in whole]
    else:
        sdk, whole, streamed = MISTRAL, ["complete"], ["stream"]
    observe_methods(sdk, cls, _both_forms(*whole), request_of(operation))
    observe_methods(sdk, cls, _both_forms(*streamed), request_of(operation, stream=True))
    for stream in (module.eventstreaming.EventStream, module.eventstreaming.EventStreamAsync):
        observe_closing(stream)


def _both_forms(*names: str) -> list[str]:
    """Return the names of methods, and those of their asynchronous forms."""
    return [form for name in names for form in (name, f"{name}_async")]
