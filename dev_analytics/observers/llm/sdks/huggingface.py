"""Calls made with the inference client of huggingface_hub, whichever provider answers.

Two methods are hooked. The public one returns an answer that can be read, but makes no request if
its arguments are wrong, and two if it retries without some of them. The private one below it makes
each request, and knows its address and model, but gets bytes.
"""

from __future__ import annotations

import inspect
from functools import partial
from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.hooks import wrap
from dev_analytics.observers.llm.answers import SDK, Answer, get
from dev_analytics.observers.llm.call import Call
from dev_analytics.observers.llm.outer import current_outer, outer_method
from dev_analytics.observers.llm.recorder import Recorder
from dev_analytics.observers.llm.request import observe_request, read_whole, watched
from dev_analytics.observers.llm.sdks.openai import read_usage
from dev_analytics.observers.llm.streams import follow_either
from dev_analytics.observers.plain import plain

MODULES: Final = (
    "huggingface_hub.inference._client",
    "huggingface_hub.inference._generated._async_client",
)
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
    run = _run_async if inspect.iscoroutinefunction(client._inner_post) else _run
    observe_request(client, "_inner_post", _begin, lambda call, data: data)
    for name, operation in OPERATIONS.items():
        wrap(client, name, partial(run, operation))


def _run(operation: str, method: Any, client: Any, args: Any, kwargs: Any) -> Any:
    """Run a public method, and read its answer."""
    with outer_method(operation) as outer:
        answer = method(*args, **kwargs)
    return answer if outer.call is None else watched(_watch, outer.call, answer)


async def _run_async(operation: str, method: Any, client: Any, args: Any, kwargs: Any) -> Any:
    """Do what `_run` does, asynchronously."""
    with outer_method(operation) as outer:
        answer = await method(*args, **kwargs)
    return answer if outer.call is None else watched(_watch, outer.call, answer)


def _begin(recorder: Recorder, client: Any, args: Any, kwargs: Any) -> Call | None:
    """Begin a call if one of the observed public methods is running, which can read its answer."""
    outer = current_outer()
    if outer is None:
        return None
    request = args[0] if args else kwargs["request_parameters"]
    body = request.json
    outer.call = recorder.begin(
        HUGGINGFACE,
        outer.operation,
        (plain(body).get("model") if type(body) is dict else None) or request.model,
        stream=kwargs.get("stream") is True,
        address=request.url,
    )
    return outer.call


def _watch(call: Call, answer: Any) -> Any:
    """Read an answer; replace a streamed one with an iterator that reads its chunks."""
    if call.stream and (hasattr(answer, "__next__") or hasattr(answer, "__anext__")):
        return follow_either(call, answer)
    return read_whole(call, answer)
