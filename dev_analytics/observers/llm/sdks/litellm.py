"""Calls that litellm makes with its own HTTP code; calls through an SDK are recorded there.

litellm's callbacks are not used. They also report cached and mocked answers, report some calls
twice and others late or never, and report nothing if the user replaces their lists. Instead a call
begins where the request is sent, and ends where its answer is returned.

litellm has one `Logging` object for each call. It refers to messages and keys, so only the fields
that `_begun` names are read.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any, Final

from dev_analytics.catalogue.models import PREFIXES
from dev_analytics.catalogue.vocabulary import OTHER
from dev_analytics.observers.hooks import wrap
from dev_analytics.observers.llm.answers import SDK, Answer, belongs, get
from dev_analytics.observers.llm.call import Call
from dev_analytics.observers.llm.recorder import Recorder
from dev_analytics.observers.llm.request import counted, observe_request, observe_result
from dev_analytics.observers.plain import module_of, plain

MODULES: Final = ("litellm",)
COVERS: Final = (
    "litellm",
    "1.83",
    "1.110",
    "calls through its own HTTP code; calls through one of these SDKs are recorded as that SDK's",
)

OPERATIONS: Final = {
    "completion": "chat",
    "responses": "chat",
    "anthropic_messages": "chat",
    "text_completion": "text_completion",
    "generate_content": "generate_content",
    "generate_content_stream": "generate_content",
    "embedding": "embeddings",
}
"""The operations by litellm's ``call_type``, which has an ``a`` in front if asynchronous."""

_LAST: Final = ("response.completed", "response.incomplete", "response.failed")
_CHUNK: Final = "ModelResponseStream"
_WHOLE: Final = frozenset(
    {"ModelResponse", "TextCompletionResponse", "EmbeddingResponse", "ResponsesAPIResponse"}
)
"""The classes of whole answers."""


def read(answer: Any) -> Answer | None:
    """Return the content of an answer: OpenAI's fields, with cached tokens in the input."""
    kind = getattr(answer, "type", None)
    if kind is not None:
        # An event of the Responses API; only the last one holds the counts.
        kind = getattr(kind, "value", kind)
        if kind == "error":
            return Answer(failed=True)
        if kind not in _LAST:
            return None
        answer = answer.response
    usage = get(answer, "usage")
    if get(usage, "prompt_tokens") is None:
        sent, received = "input_tokens", "output_tokens"
    else:
        sent, received = "prompt_tokens", "completion_tokens"
    details = get(usage, f"{sent}_details")
    written = get(details, "cache_creation_tokens")
    counts = (
        get(usage, sent),
        get(usage, received),
        get(details, "cached_tokens"),
        get(details, "cache_write_tokens") if written is None else written,
        get(get(usage, f"{received}_details"), "reasoning_tokens"),
    )
    if type(answer).__name__ == _CHUNK:
        # A count that is missing from a chunk is zero.
        return Answer(get(answer, "model"), *(count or None for count in counts))
    failed = True if get(answer, "status") == "failed" else None
    return Answer(get(answer, "model"), *counts, failed)


_SDK: Final = SDK("litellm", "litellm", read)
_CORE: Final = "litellm.litellm_core_utils"
_STREAMS: Final = (
    (f"{_CORE}.streaming_handler", "CustomStreamWrapper"),
    ("litellm.responses.streaming_iterator", "ResponsesAPIStreamingIterator"),
    ("litellm.responses.streaming_iterator", "SyncResponsesAPIStreamingIterator"),
)


def hook(module: ModuleType) -> None:
    """Install the hooks."""
    for name in ("HTTPHandler", "AsyncHTTPHandler"):
        handler = _class("litellm.llms.custom_httpx.http_handler", name)
        observe_request(handler, "post", _begin, _arrived, _interrupted)
    logging = _class(f"{_CORE}.litellm_logging", "Logging")
    wrap(logging, "handle_sync_success_callbacks_for_async_calls", _handed_to)
    for name in ("success_handler", "async_success_handler"):
        wrap(logging, name, _succeeded)
    for name in ("failure_handler", "async_failure_handler"):
        wrap(logging, name, _failed)
    metadata = f"{_CORE}.llm_response_utils.response_metadata"
    wrap(_class(metadata, "ResponseMetadata"), "set_timing_metrics", _handed_on)
    for place, name in _STREAMS:
        stream = _class(place, name)
        for method in ("__next__", "__anext__", "close", "aclose"):
            if not hasattr(stream, method):
                continue
            if method.endswith("close"):
                wrap(stream, method, _closed)
            else:
                observe_result(stream, method, _read, _ended, before=_note)


def _class(module: str, name: str) -> type:
    found: type = vars(sys.modules[module])[name]
    return found


# The request is sent.


def _begin(recorder: Recorder, handler: Any, args: Any, kwargs: Any) -> Call | None:
    """Begin the call that a request belongs to, or continue it; None if it is not observed."""
    logging = kwargs.get("logging_obj") or _find_logging(sys._getframe(1))
    if logging is None:
        return None
    call = recorder.held(logging)
    if call is not None and not call.has_failed:
        return call
    if call is not None:
        # litellm retries, and does not report the request that failed.
        recorder.release(logging)
        call.end()
    call = _begun(recorder, logging.model_call_details)
    if call is not None:
        recorder.hold(logging, call)
    return call


def _arrived(call: Call, answer: Any) -> Any:
    call.arrived()
    return answer


_MODULES: Final = ("litellm.llms.", f"{_CORE}.logging_utils", "dev_analytics.observers.llm.")
"""The modules of the frames between the request and the function that has the `Logging`."""
_NAMES: Final = ("logging_obj", "litellm_logging_obj")


def _find_logging(frame: FrameType | None) -> Any:
    """Return the `Logging` of the litellm function that posts, as not all of them pass it on.

    Return None for a request from anywhere else, such as one to a cache or for a price.
    """
    while frame is not None and (module := module_of(frame) or "").startswith(_MODULES):
        if module.startswith("litellm."):
            for each in [frame.f_locals.get(name) for name in _NAMES]:
                if belongs(type(each), f"{_CORE}.litellm_logging"):
                    return each
        frame = frame.f_back
    return None


def _begun(recorder: Recorder, details: dict[str, Any]) -> Call | None:
    """Begin a call that litellm describes with `details`; None if it is not observed."""
    details = plain(details)
    kind, provider = details.get("call_type"), details.get("custom_llm_provider")
    operation = OPERATIONS.get(kind) or OPERATIONS.get(kind[1:]) if type(kind) is str else None
    if operation is None:
        return None
    return recorder.begin(
        _SDK,
        operation,
        details.get("model"),
        stream=details.get("stream") is True,
        provider=PREFIXES.get(provider, OTHER) if type(provider) is str else OTHER,
    )


def _interrupted(call: Call, error: BaseException) -> None:
    """Note that a request failed; the error that the user gets is reported later, if at all."""
    call.note_error(error)
    if not issubclass(type(error), Exception):
        call.end()


# The answer is returned.


def _before(look: Callable[..., None]) -> Callable[..., Any]:
    """Return a hook that lets `look` see a call of litellm's own before it goes on."""
    seen = counted(look)

    def hooked(method: Any, own: Any, args: Any, kwargs: Any) -> Any:
        seen(own, args, kwargs)
        return method(*args, **kwargs)

    return hooked


@_before
def _handed_on(recorder: Recorder, metadata: Any, args: Any, kwargs: Any) -> None:
    for each in (*args, *kwargs.values()):
        if belongs(type(each), f"{_CORE}.litellm_logging"):
            _finish(recorder, each, metadata.result)


@_before
def _handed_to(recorder: Recorder, logging: Any, args: Any, kwargs: Any) -> None:
    _finish(recorder, logging, _first(args, kwargs, "result"))


@_before
def _succeeded(recorder: Recorder, logging: Any, args: Any, kwargs: Any) -> None:
    """Use the answer given to callbacks only if the whole answer is returned nowhere else."""
    call, answer = recorder.held(logging), _first(args, kwargs, "result")
    if call is not None and logging not in _READ:
        assembled = call.stream and type(answer).__name__ in _WHOLE
        if assembled or type(answer) is dict:
            _finish(recorder, logging, answer)


def _first(args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> Any:
    return args[0] if args else plain(kwargs).get(name)


def _finish(recorder: Recorder, logging: Any, answer: Any) -> None:
    """End the call of `logging`, or hold it for its answer if that is a stream."""
    call = recorder.held(logging)
    if call is None:
        return
    if hasattr(type(answer), "__next__") or hasattr(type(answer), "__anext__"):
        recorder.hold(answer, call)
        return
    recorder.release(logging)
    if type(answer) is dict:
        # It has Anthropic's fields.
        from dev_analytics.observers.llm.sdks.anthropic import read_usage

        call.add(read_usage(answer))
        call.arrived()
    else:
        call.read(answer)
    call.end()


@_before
def _failed(recorder: Recorder, logging: Any, args: Any, kwargs: Any) -> None:
    # The reader of a stream gets the error too, and the hooks of the stream record that one.
    if logging not in _READ:
        call = recorder.release(logging)
        error = _first(args, kwargs, "exception")
        if call is not None and issubclass(type(error), BaseException):
            call.fail(error)


# The answer is streamed.

_READ: Final[weakref.WeakSet[Any]] = weakref.WeakSet()
"""The `Logging` objects of the streams that are being read."""

_AWAITED: Final[weakref.WeakSet[Any]] = weakref.WeakSet()
"""The streams whose next chunk is awaited: newer versions close one before they raise its error."""


@counted
def _note(recorder: Recorder, stream: Any) -> None:
    """Note that a stream is being read; its request may be sent only now."""
    _READ.add(stream.logging_obj)
    _AWAITED.add(stream)


@counted
def _read(recorder: Recorder, stream: Any, chunk: Any, *arguments: Any) -> None:
    _AWAITED.discard(stream)
    call = recorder.held(stream.logging_obj)
    if call is None:
        return
    if recorder.held(stream) is None:
        recorder.hold(stream, call)
    # The chunks that the user gets have no counts; those in litellm's own list do.
    chunks = vars(stream).get("chunks")
    if type(chunks) is list:
        for each in chunks[call.place :]:
            call.read(each)
        call.place = len(chunks)
    else:
        call.read(chunk)


@_before
def _closed(recorder: Recorder, stream: Any, args: Any, kwargs: Any) -> None:
    if stream not in _AWAITED:
        _ended(stream, None)


@counted
def _ended(recorder: Recorder, stream: Any, error: BaseException | None) -> None:
    """End the call of a stream that was read to its end, was closed, or failed."""
    _read(stream, None)
    call = recorder.release(stream.logging_obj)
    if call is None:
        return
    recorder.release(stream)
    if error is None or issubclass(type(error), StopIteration | StopAsyncIteration):
        call.end()
    else:
        call.fail(error)
