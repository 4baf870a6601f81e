"""Chats made with xai-sdk, which uses gRPC; their messages are never read."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from dev_analytics.observers.llm.answers import SDK, Answer
from dev_analytics.observers.llm.call import Call
from dev_analytics.observers.llm.recorder import Recorder
from dev_analytics.observers.llm.request import observe_preparing, observe_request
from dev_analytics.observers.llm.streams import observe_lazy_stream

MODULES: Final = ("xai_sdk.sync.chat", "xai_sdk.aio.chat")
COVERS: Final = (
    "xai-sdk",
    "1.21",
    "1.21",
    "chats: `sample`, `sample_batch`, `parse`, `stream`, `defer`, `compact`; `compact_context`",
)


def read(answer: Any) -> Answer:
    """Return the content of an answer; its own output count excludes reasoning."""
    proto = answer.proto
    usage = proto.usage
    if not usage.prompt_tokens:
        # Before the last chunk all counts are zero.
        return Answer(getattr(proto, "model", None))
    return Answer(
        getattr(proto, "model", None),
        usage.prompt_tokens,
        usage.completion_tokens + usage.reasoning_tokens,
        cache_read_input_tokens=usage.cached_prompt_text_tokens,
        reasoning_output_tokens=usage.reasoning_tokens,
    )


XAI: Final = SDK("xai-sdk", "xai_sdk", read, "x-ai", errors=("grpc",))


def hook(module: ModuleType) -> None:
    """Install the hooks in the module's chat and client: both synchronous or both asynchronous."""
    chat = module.Chat
    # They refuse what is no request; what comes after is sent.
    observe_preparing(chat, "_make_request", "_make_compact_request")
    for name in ("sample", "sample_batch", "parse", "defer", "defer_batch", "compact"):
        observe_request(chat, name, _begin, _watch, announced=True)
    for name in ("stream", "stream_batch"):
        observe_lazy_stream(chat, name, _begin_stream, _so_far)
    observe_request(module.Client, "compact_context", _begin_compacting, _watch, _fail)


def _begin(recorder: Recorder, chat: Any, args: Any, kwargs: Any) -> Call | None:
    return recorder.begin(XAI, "chat", chat._proto.model)


def _begin_compacting(recorder: Recorder, client: Any, args: Any, kwargs: Any) -> Call | None:
    """Begin a request that is made without a chat: only its arguments have the model."""
    return recorder.begin(XAI, "chat", args[0] if args else kwargs.get("model"))


def _begin_stream(recorder: Recorder, chat: Any, args: Any, kwargs: Any) -> Call | None:
    return recorder.begin(XAI, "chat", chat._proto.model, stream=True)


def _watch(call: Call, answer: Any) -> Any:
    call.read(_first(answer))
    call.end()
    return answer


def _fail(call: Call, error: BaseException) -> None:
    """End a call with an error, unless its arguments were refused before they were sent."""
    call.unsent = type(error) in (TypeError, ValueError)
    call.fail(error)


def _first(answer: Any) -> Any:
    """Return an answer, or the first of several: one request has one usage."""
    return answer[0] if type(answer) in (list, tuple) and answer else answer


def _so_far(pair: Any) -> Any:
    """Return the answer so far, which comes with each chunk."""
    return _first(pair[0]) if type(pair) is tuple and pair else None
