"""Calls made with the inference client of huggingface_hub, whichever provider answers.

Two methods are hooked. The public one returns an answer that can be read, but makes no request if
its arguments are wrong, and two if it retries without some of them. The private one below it makes
each request, and knows its address and model, but gets bytes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.hooks import wrap
from dev_analytics.observers.llm.answers import SDK, Answer, get
from dev_analytics.observers.llm.asking import asked, asking
from dev_analytics.observers.llm.recorder import Call, Recorder
from dev_analytics.observers.llm.request import observe_request, read_whole
from dev_analytics.observers.llm.sdks.openai import read_usage
from dev_analytics.observers.llm.streams import follow_either

COVERS: Final = (
    "huggingface_hub",
    "0.36",
    "2.4",
    "`chat_completion`, `text_generation`, `feature_extraction` of the inference clients",
)

OPERATIONS: Final = {
    "chat_completion": "chat",
    "text_generation": "text_completion",
    "feature_extraction": "embeddings",
}
"""The operations by public method; those that generate images or audio are not recorded."""


def read(answer: Any) -> Answer:
    """Return the content of an answer or a chunk; a generated text has its counts in `details`."""
    details = get(answer, "details")
    if details is None:
        return read_usage(answer)
    prefill = get(details, "prefill")
    sent = len(prefill) if type(prefill) is list and prefill else get(details, "input_length")
    return Answer(None, sent, get(details, "generated_tokens"))


HUGGINGFACE: Final = SDK("huggingface_hub", "huggingface_hub", read)


def hook(module: ModuleType) -> None:
    """Install the hooks in the module's client: the synchronous or the asynchronous one."""
    client = vars(module).get("InferenceClient") or module.AsyncInferenceClient
    is_async = inspect.iscoroutinefunction(client._inner_post)
    observe_request(client, "_inner_post", _begin, _leave)
    for name, operation in OPERATIONS.items():
        wrap(client, name, (_asks_async if is_async else _asks)(operation))


def _asks(operation: str) -> Callable[..., Any]:
    """Return a wrapper that runs a public method, and reads its answer."""

    def ask(method: Any, client: Any, args: Any, kwargs: Any) -> Any:
        with asking(operation) as one:
            answer = method(*args, **kwargs)
        return _watch(one.call, answer)

    return ask


def _asks_async(operation: str) -> Callable[..., Any]:
    """Do what `_asks` does for an asynchronous method."""

    async def ask(method: Any, client: Any, args: Any, kwargs: Any) -> Any:
        with asking(operation) as one:
            answer = await method(*args, **kwargs)
        return _watch(one.call, answer)

    return ask


def _begin(recorder: Recorder, client: Any, args: Any, kwargs: Any) -> Call | None:
    """Begin a call if one of the observed public methods is running."""
    upper = asked()
    if upper is None:
        return None
    request = args[0] if args else kwargs["request_parameters"]
    body = request.json
    return recorder.begin(
        HUGGINGFACE,
        upper.operation,
        (body.get("model") if type(body) is dict else None) or request.model,
        stream=kwargs.get("stream") is True,
        address=request.url,
    )


def _leave(call: Call, data: Any) -> Any:
    """Hand the call to the public method, which can read the answer."""
    upper = asked()
    if upper is not None:
        upper.call = call
    return data


def _watch(call: Call | None, answer: Any) -> Any:
    """Read an answer; replace a streamed one with an iterator that reads its chunks."""
    if call is None:
        return answer
    if call.stream and (hasattr(answer, "__next__") or hasattr(answer, "__anext__")):
        return follow_either(call, answer)
    return read_whole(call, answer)
