"""Chats with Mistral through LangChain, which makes the HTTP requests itself."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm.answers import SDK
from dev_analytics.observers.llm.method import Request, observe, watch_later
from dev_analytics.observers.llm.sdks.openai import read_usage

COVERS: Final = (
    "langchain-mistralai",
    "1.1",
    "1.1",
    "chats of `ChatMistralAI`",
)

LANGCHAIN: Final = SDK(
    "langchain-mistralai",
    "langchain_mistralai",
    read_usage,
    "mistral",
    plain=True,
    errors=("httpx",),
)


def hook(module: ModuleType) -> None:
    """Install the hooks: one in a method, the other in a function."""
    observe(LANGCHAIN, module.ChatMistralAI, "completion_with_retry", _asked)
    observe(LANGCHAIN, module, "acompletion_with_retry", _asked, watch_later)


def _asked(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Request:
    return Request("chat", kwargs.get("model"), kwargs.get("stream") is True)
