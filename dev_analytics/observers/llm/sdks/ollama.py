"""Calls made with Ollama's SDK, by a client or by the functions of its package.

The private method below all of them is hooked: the functions of the package are bound to a client
that is created when the package is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm.answers import SDK, Answer, text
from dev_analytics.observers.llm.method import Request, observe, watch_lazy
from dev_analytics.observers.plain import plain

MODULES: Final = ("ollama._client",)
COVERS: Final = ("ollama", "0.4", "0.6", "`chat`, `generate`, `embed`, `embeddings`")

OPERATIONS: Final = {
    "/api/chat": "chat",
    "/api/generate": "text_completion",
    "/api/embed": "embeddings",
    "/api/embeddings": "embeddings",
}


def read(answer: Any) -> Answer:
    """Return the content of an answer or a chunk; `/api/embeddings` returns none of it."""
    names = ("model", "prompt_eval_count", "eval_count")
    return Answer(*(getattr(answer, name, None) for name in names))


OLLAMA: Final = SDK("ollama", "ollama", read, "ollama")


def hook(module: ModuleType) -> None:
    """Install the hooks."""
    for client in (module.Client, module.AsyncClient):
        observe(OLLAMA, client, "_request", _request, watch_lazy)


def _request(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Request | None:
    """Return the request in the arguments: the class of the answer, the verb and the path."""
    operation = OPERATIONS.get(text(args[2]) or "") if len(args) > 2 else None
    body = kwargs.get("json")
    if operation is None or type(body) is not dict:
        return None
    return Request(operation, plain(body).get("model"), stream=kwargs.get("stream") is True)
