"""Calls made with the SDK of Cohere by the first version of its API, which old notebooks still use.

What is hooked is the client below the public one, as with the second version.
"""

from __future__ import annotations

from types import ModuleType
from typing import Final

from dev_analytics.observers.llm.method import asks, observe
from dev_analytics.observers.llm.sdks.cohere import COHERE, observe_stream

COVERS: Final = None
"""It is a part of another one."""


def hook(module: ModuleType) -> None:
    """Install the hooks."""
    for client in (module.RawBaseCohere, module.AsyncRawBaseCohere):
        observe(COHERE, client, "chat", asks("chat"))
        observe(COHERE, client, "embed", asks("embeddings"))
        observe_stream(client)
