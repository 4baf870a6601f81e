"""Calls made with Groq's SDK."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm import stainless
from dev_analytics.observers.llm.answers import SDK, Answer, get
from dev_analytics.observers.llm.sdks.openai import read_usage

MODULES: Final = ("groq",)
COVERS: Final = ("groq", "1.7", "1.7", "chat completions, embeddings")

OPERATIONS: Final = {
    "/openai/v1/chat/completions": "chat",
    "/openai/v1/embeddings": "embeddings",
}


def read(answer: Any) -> Answer:
    """Return the content of an answer or a chunk; older versions stream the usage in `x_groq`."""
    found = read_usage(answer)
    own = get(answer, "x_groq")
    if own is None:
        return found
    if found.input_tokens is None and get(own, "usage") is not None:
        found = read_usage(own)._replace(model=found.model, failed=found.failed)
    return found._replace(failed=True) if get(own, "error") else found


GROQ: Final = SDK("groq", "groq", read)


def hook(module: ModuleType) -> None:
    """Install the hooks."""
    stainless.observe(module, GROQ, (module.Groq, module.AsyncGroq), OPERATIONS)
