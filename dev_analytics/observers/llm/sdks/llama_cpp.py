"""Texts and embeddings generated on this machine by llama.cpp, through llama-cpp-python.

Unless the user gives another name, a model's name is the path of its file. Of a path only the
file's name is compared with public names, without the format and the quantization at its end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.hooks import wrap
from dev_analytics.observers.llm.answers import SDK, Answer, get, text
from dev_analytics.observers.llm.method import Request, observe, request_of
from dev_analytics.observers.llm.outer import current_outer, outer_method

MODULES: Final = ("llama_cpp.llama",)
COVERS: Final = (
    "llama-cpp-python",
    "0.3.36",
    "0.3.36",
    "`create_completion`, `create_chat_completion`, `create_embedding`, on this machine; "
    "a streamed answer without counts",
)

_ENDING: Final = re.compile(r"([-.](i?q[0-9]\w*|bf16|f16|f32|fp16|mxfp4))?\.gguf", re.IGNORECASE)


def read(answer: Any) -> Answer:
    """Return the content of an answer or a chunk; a chunk has no counts."""
    usage = get(answer, "usage")
    return Answer(
        _public(get(answer, "model")),
        get(usage, "prompt_tokens"),
        get(usage, "completion_tokens"),
    )


LLAMA_CPP: Final = SDK("llama-cpp-python", "llama_cpp", read, "local", plain=True)


def hook(module: ModuleType) -> None:
    """Install the hooks."""
    observe(LLAMA_CPP, module.Llama, "create_completion", _completion)
    observe(LLAMA_CPP, module.Llama, "create_embedding", request_of("embeddings"))
    wrap(module.Llama, "create_chat_completion", _chat)


def _chat(method: Any, llama: Any, args: Any, kwargs: Any) -> Any:
    """Run `create_chat_completion`; the completions that it makes are chats."""
    with outer_method("chat"):
        return method(*args, **kwargs)


def _completion(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Request:
    """Return the request in the arguments of `create_completion`."""
    outer = current_outer()
    operation = outer.operation if outer else "text_completion"
    return Request(operation, _public(kwargs.get("model")), stream=kwargs.get("stream") is True)


def _public(model: object) -> str | None:
    """Return the part of a model's name that may be public."""
    name = text(model)
    if name is None:
        return None
    file = re.split(r"[/\\]", name)[-1]
    ending = _ENDING.search(file)
    return file[: ending.start()] if ending and ending.end() == len(file) else name
