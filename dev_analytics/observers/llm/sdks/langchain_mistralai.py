"""Chats and embeddings of Mistral through LangChain, which makes the HTTP requests itself."""

from __future__ import annotations

from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any, Final

from dev_analytics.observers.hooks import wrap
from dev_analytics.observers.llm.answers import SDK
from dev_analytics.observers.llm.call import Call
from dev_analytics.observers.llm.method import Request, observe, watch_lazy
from dev_analytics.observers.llm.recorder import Recorder
from dev_analytics.observers.llm.request import observed, read_whole
from dev_analytics.observers.llm.sdks.openai import read_usage

MODULES: Final = ("langchain_mistralai.chat_models", "langchain_mistralai.embeddings")
COVERS: Final = (
    "langchain-mistralai",
    "1.1",
    "1.1",
    "chats of `ChatMistralAI`; each batch of `MistralAIEmbeddings`, without counts",
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
    """Install the hooks of a module: in methods, and one in a function."""
    if module.__name__.endswith(".embeddings"):
        _hook_embeddings(module)
        return
    observe(LANGCHAIN, module.ChatMistralAI, "completion_with_retry", _request)
    observe(LANGCHAIN, module, "acompletion_with_retry", _request, watch_lazy)


def _request(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Request:
    return Request("chat", kwargs.get("model"), kwargs.get("stream") is True)


def _hook_embeddings(module: ModuleType) -> None:
    """Install the hook for the functions that post a batch: methods of LangChain define them.

    Each passes `_retry`, which may repeat it. Its answer is not read: it is a response of httpx,
    whose text LangChain parses later.
    """

    def retry(method: Any, own: Any, args: Any, kwargs: Any) -> Any:
        function = args[0] if len(args) == 1 and not kwargs else None
        # A class of the user's may repeat functions of its own with it.
        if type(function) is FunctionType and function.__globals__ is vars(module):
            return method(observed(function, own, _begin_embedding, read_whole))
        return method(*args, **kwargs)

    wrap(module.MistralAIEmbeddings, "_retry", retry)


def _begin_embedding(recorder: Recorder, own: Any, args: Any, kwargs: Any) -> Call | None:
    return recorder.begin(LANGCHAIN, "embeddings", vars(own).get("model"))
