"""Calls made with Together's SDK."""

from __future__ import annotations

from types import ModuleType
from typing import Final

from dev_analytics.observers.llm import stainless
from dev_analytics.observers.llm.answers import SDK
from dev_analytics.observers.llm.sdks.openai import read_usage

MODULES: Final = ("together",)
COVERS: Final = ("together", "3.1", "3.1", "chat completions, completions, embeddings")

OPERATIONS: Final = stainless.at(
    "https://api-inference.together.ai",
    {
        "/v1/chat/completions": "chat",
        "/v1/completions": "text_completion",
        "/v1/embeddings": "embeddings",
    },
)


TOGETHER: Final = SDK("together", "together", read_usage, "together")


def hook(module: ModuleType) -> None:
    """Install the hooks."""
    stainless.observe(module, TOGETHER, (module.Together, module.AsyncTogether), OPERATIONS)
