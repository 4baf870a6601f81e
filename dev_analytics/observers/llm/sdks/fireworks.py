"""Calls made with Fireworks' SDK."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm import stainless
from dev_analytics.observers.llm.answers import SDK, Answer
from dev_analytics.observers.llm.sdks import anthropic
from dev_analytics.observers.llm.sdks.openai import read_usage

MODULES: Final = ("fireworks",)
COVERS: Final = (
    "fireworks-ai",
    "1.2",
    "1.2",
    "chat completions, completions, embeddings, messages",
)

OPERATIONS: Final = stainless.at(
    "https://api.fireworks.ai/inference",
    {
        "/v1/chat/completions": "chat",
        "/v1/completions": "text_completion",
        "/v1/embeddings": "embeddings",
        "/v1/messages": "chat",
    },
)


def read(answer: Any) -> Answer | None:
    """Return the content of an answer, which has OpenAI's fields or Anthropic's."""
    if isinstance(getattr(answer, "type", None), str):
        return anthropic.read(answer)
    return read_usage(answer)


FIREWORKS: Final = SDK("fireworks", "fireworks", read, "fireworks")


def hook(module: ModuleType) -> None:
    """Install the hooks."""
    clients = (module.Fireworks, module.AsyncFireworks)
    stainless.observe(module, FIREWORKS, clients, OPERATIONS)
