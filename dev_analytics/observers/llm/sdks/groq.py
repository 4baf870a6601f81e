"""Calls made with the SDK of Groq."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm import stainless
from dev_analytics.observers.llm.answers import SDK, Answer, get
from dev_analytics.observers.llm.sdks.openai import read_usage

COVERS: Final = (
    "groq",
    "1.7",
    "1.7",
    "chat completions, embeddings",
)

OPERATIONS: Final = {
    "/openai/v1/chat/completions": "chat",
    "/openai/v1/embeddings": "embeddings",
}


def read(answer: Any) -> Answer:
    """Tell what an answer, or a chunk of one, says; older versions stream the usage apart."""
    told = read_usage(answer)
    apart = get(answer, "x_groq")
    if apart is None:
        return told
    if told.input_tokens is None and get(apart, "usage") is not None:
        told = read_usage(apart)._replace(model=told.model, failed=told.failed)
    return told._replace(failed=True) if get(apart, "error") else told


def hook(module: ModuleType) -> None:
    """Put the hooks in."""
    stainless.observe(
        module,
        SDK("groq", "groq", read),
        (module.Groq, module.AsyncGroq),
        OPERATIONS,
    )
