"""Agents, fill-in-the-middle completions and embeddings, made with Mistral's SDK."""

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

OPERATIONS: Final = {"Agents": "chat", "Fim": "text_completion"}
"""The operations by class; each class has a module of its own."""


def read_embeddings(answer: Any) -> Answer:
    """Return the model and the tokens of an answer with embeddings."""
    return Answer(get(answer, "model"), get(get(answer, "usage"), "prompt_tokens"))


def hook(module: ModuleType) -> None:
    """Install the hooks in the class that the module defines."""
    if "Embeddings" in vars(module):
        sdk = MISTRAL._replace(read=read_embeddings)
        observe_asked(sdk, module.Embeddings, ("create", "create_async"), asks("embeddings"))
        return
    name = next(name for name in OPERATIONS if name in vars(module))
    cls, operation = vars(module)[name], OPERATIONS[name]
    observe_asked(MISTRAL, cls, ("complete", "complete_async"), asks(operation))
    observe_asked(MISTRAL, cls, ("stream", "stream_async"), asks(operation, stream=True))
    for events in (module.eventstreaming.EventStream, module.eventstreaming.EventStreamAsync):
        observe_closing(events)
