"""Calls made with google-genai, to Gemini or to Vertex AI: by `models`, or as interactions.

Of `models` the private method that makes one request is hooked: a public method may make several,
to call functions or to continue an answer, and each has its own counts.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm.answers import SDK, Answer, get
from dev_analytics.observers.llm.method import Request, observe, request_of
from dev_analytics.observers.llm.request import (
    observe_closing,
    observe_preparing,
    observe_sending,
)
from dev_analytics.observers.llm.speakeasy import observe_methods
from dev_analytics.observers.plain import plain

MODULES: Final = ("google.genai.models", "google.genai._gaos.interactions")
COVERS: Final = (
    "google-genai",
    "1.0",
    "3.6",
    "`generate_content`, chats, `embed_content`, interactions; "
    "each round of automatic function calling is a call",
)


def read(answer: Any) -> Answer:
    """Return the content of an answer or a chunk; a chunk's counts are cumulative."""
    usage = answer.usage_metadata
    reasoning = get(usage, "thoughts_token_count")
    return Answer(
        answer.model_version,
        (get(usage, "prompt_token_count"), get(usage, "tool_use_prompt_token_count")),
        (get(usage, "candidates_token_count"), reasoning),
        cache_read_input_tokens=get(usage, "cached_content_token_count"),
        reasoning_output_tokens=reasoning,
    )


GOOGLE: Final = SDK("google-genai", "google.genai", read, "google")


def read_embeddings(answer: Any) -> Answer:
    """Return the tokens of an answer with embeddings; Vertex AI counts each text, as a float."""
    sent = get(get(answer, "usage_metadata"), "prompt_token_count")
    if sent is not None:
        return Answer(None, sent)
    texts = answer.embeddings or ()
    return Answer(None, tuple(get(get(each, "statistics"), "token_count") for each in texts))


def read_interaction(answer: Any) -> Answer | None:
    """Return the content of an interaction or a stream event; only the last event has any."""
    if hasattr(answer, "event_type"):
        if answer.event_type != "interaction.completed":
            return None
        answer = answer.interaction
    usage = get(answer, "usage")
    reasoning = get(usage, "total_thought_tokens")
    return Answer(
        get(answer, "model"),
        (get(usage, "total_input_tokens"), get(usage, "total_tool_use_tokens")),
        (get(usage, "total_output_tokens"), reasoning),
        cache_read_input_tokens=get(usage, "total_cached_tokens"),
        reasoning_output_tokens=reasoning,
    )


def hook(module: ModuleType) -> None:
    """Install the hooks of a module: those in `models`, or those in interactions."""
    if "Interactions" in vars(module):
        interactions = GOOGLE._replace(read=read_interaction)
        for cls in (module.Interactions, module.AsyncInteractions):
            observe_methods(interactions, cls, ("create",), _interaction)
        for stream in (module.Stream, module.AsyncStream):
            observe_closing(stream)
    else:
        _hook_models(module)


def _interaction(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Request:
    """Return the request; its parameters may also be given as one dictionary."""
    body = kwargs.get("request")
    parameters = plain(body) if type(body) is dict else kwargs
    return Request("generate_content", parameters.get("model"), parameters.get("stream") is True)


def _hook_models(module: ModuleType) -> None:
    below = vars(sys.modules["google.genai._api_client"])
    client = below.get("BaseApiClient") or below["ApiClient"]
    observe_sending(client, "_request", "_async_request")
    # Newer versions get a token of Vertex AI when the request is complete otherwise.
    tokens = [name for name in ("_access_token", "_async_access_token") if hasattr(client, name)]
    observe_preparing(client, *tokens)
    embeddings = GOOGLE._replace(read=read_embeddings)
    for models in (module.Models, module.AsyncModels):
        # Older versions have the request in the public method.
        name = "_embed_content" if hasattr(models, "_embed_content") else "embed_content"
        observe(embeddings, models, name, request_of("embeddings"), announced=True)
        observe(GOOGLE, models, "_generate_content", request_of("generate_content"), announced=True)
        streamed = request_of("generate_content", stream=True)
        observe(GOOGLE, models, "_generate_content_stream", streamed, announced=True)
