"""For SDKs in which each kind of request has a method of its own, synchronous or asynchronous."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

from dev_analytics.observers.llm.answers import SDK
from dev_analytics.observers.llm.call import Call
from dev_analytics.observers.llm.recorder import Recorder
from dev_analytics.observers.llm.request import Begin, Watch, observe_request, read_whole
from dev_analytics.observers.llm.streams import follow, follow_async


class Request(NamedTuple):
    """A request: its operation, the model's name in it, and whether the answer is streamed."""

    operation: str
    model: object
    stream: bool = False


Describe = Callable[[tuple[Any, ...], Mapping[str, Any]], Request | None]
"""Describes the request in a method's arguments; None: it is not observed."""


def request_of(operation: str, *, stream: bool = False) -> Describe:
    """Describe a method that makes one kind of request, and takes the model by keyword."""
    return lambda args, kwargs: Request(operation, kwargs.get("model"), stream)


def begins(sdk: SDK, describe: Describe) -> Begin:
    """Return a function that begins the call of a method; `describe` reads the arguments."""

    def begin(recorder: Recorder, own: Any, args: Any, kwargs: Any) -> Call | None:
        request = describe(args, kwargs)
        if request is None:
            return None
        return recorder.begin(sdk, request.operation, request.model, stream=request.stream)

    return begin


def watch(call: Call, answer: Any, *, lazy: bool = False) -> Any:
    """Read an answer, or return an iterator that replaces a streamed one and reads its chunks.

    A generator of an SDK makes its request when it is first read, and without that there is no
    call; for an asynchronous one, `lazy` says whether it does so.
    """
    if call.stream and hasattr(answer, "__anext__"):
        return follow_async(call, answer, lazy=lazy)
    if call.stream and hasattr(answer, "__next__"):
        return follow(call, answer, lazy=True)
    return read_whole(call, answer)


def observe(
    sdk: SDK,
    owner: type | ModuleType,
    name: str,
    describe: Describe,
    watch: Watch = watch,
    *,
    announced: bool = False,
) -> None:
    """Install a hook in a method that makes the request that `describe` finds in its arguments.

    The other parameters are those of `observe_request`.
    """
    observe_request(owner, name, begins(sdk, describe), watch, announced=announced)


def watch_lazy(call: Call, answer: Any) -> Any:
    """Do what `watch` does, for SDKs whose asynchronous generators also ask when first read."""
    return watch(call, answer, lazy=True)
