"""Calls made with Cohere's SDK by version 1 of its API, which old notebooks still use."""

from __future__ import annotations

from types import ModuleType
from typing import Final

from dev_analytics.observers.llm.method import asks, observe
from dev_analytics.observers.llm.sdks.cohere import COHERE, observe_stream

COVERS: Final = None
"""Listed with `cohere`."""


def hook(module: ModuleType) -> None:
    """Install the hooks."""
    for client in (module.RawBaseCohere, module.AsyncRawBaseCohere):
        observe(COHERE, client, "chat", asks("chat"))
        observe(COHERE, client, "embed", asks("embeddings"))
        observe_stream(client)
