"""SDKs that Stainless generated: all their requests pass one method, ``request`` of the client."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from dev_analytics.drops import Drop
from dev_analytics.observers.llm.hooks import State, wrap
from dev_analytics.observers.llm.recorder import SDK, Call, follow, follow_async

_ITERATOR: Final = "_iterator"
"""Where a stream of theirs keeps the iterator over its chunks."""


def observe(
    sdk: SDK,
    clients: tuple[type, ...],
    operations: Mapping[str, str],
    *,
    streams: tuple[type, ...] = (),
    raw: tuple[type, ...] = (),
    provider: Callable[[Any], str | None] = lambda client: None,
) -> None:
    """Put hooks in the clients of an SDK.

    `request` is hooked and not the documented `post` that calls it: resources keep a bound `post`,
    so that a client that was used before would never be seen.

    Parameters
    ----------
    sdk
        The SDK.
    clients
        Its synchronous and its asynchronous client.
    operations
        The operation by the path of a request; no other path is observed.
    streams
        Its classes of streamed answers: closing one before its end ends the call.
    raw
        The classes of unparsed answers, which are read when the user parses them.
    provider
        Tells who serves a client, where its class alone decides.
    """

    def begin(client: Any, options: Any, stream: object) -> Call | None:
        recorder = State.active
        if recorder is None:
            return None
        try:
            operation = operations.get(options.url)
            if operation is None or options.method != "post":
                return None
            body = options.json_data
            return recorder.begin(
                sdk,
                operation,
                body.get("model") if type(body) is dict else None,
                stream=stream is True,
                provider=provider(client),
                address=str(client.base_url),
            )
        except Exception:
            recorder.drops.count(Drop.FAILURE)
            return None

    def request(method: Any, client: Any, args: Any, kwargs: Any) -> Any:
        call = begin(client, _options(args, kwargs), kwargs.get("stream"))
        if call is None:
            return method(*args, **kwargs)
        try:
            answer = method(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        _watch(call, answer, raw)
        return answer

    async def request_async(method: Any, client: Any, args: Any, kwargs: Any) -> Any:
        call = begin(client, _options(args, kwargs), kwargs.get("stream"))
        if call is None:
            return await method(*args, **kwargs)
        try:
            answer = await method(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        _watch(call, answer, raw)
        return answer

    def parse(method: Any, response: Any, args: Any, kwargs: Any) -> Any:
        recorder = State.active
        call = recorder.release(response) if recorder else None
        if call is None:
            return method(*args, **kwargs)
        try:
            parsed = method(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        if inspect.iscoroutine(parsed):
            return _parsed(call, parsed)
        _watch(call, parsed, ())
        return parsed

    def close(method: Any, stream: Any, args: Any, kwargs: Any) -> Any:
        recorder = State.active
        call = recorder.release(stream) if recorder else None
        if call is not None:
            call.end()
        return method(*args, **kwargs)

    for client in clients:
        is_async = inspect.iscoroutinefunction(client.request)  # type: ignore[attr-defined]
        wrap(client, "request", request_async if is_async else request)
    for response in raw:
        wrap(response, "parse", parse)
    for stream in streams:
        if hasattr(stream, "close"):
            wrap(stream, "close", close)


async def _parsed(call: Call, parsing: Any) -> Any:
    try:
        parsed = await parsing
    except BaseException as error:
        call.fail(error)
        raise
    _watch(call, parsed, ())
    return parsed


def _options(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Give the options of a request, its second parameter."""
    return args[1] if len(args) > 1 else kwargs.get("options")


def _watch(call: Call, answer: Any, raw: tuple[type, ...]) -> None:
    """Read an answer now, or when its user does."""
    try:
        if issubclass(type(answer), raw):
            call.arrived()
            call.recorder.hold(answer, call)
        elif call.stream and _ITERATOR in vars(answer):
            chunks = answer._iterator
            follows = follow_async if hasattr(chunks, "__anext__") else follow
            answer._iterator = follows(call, chunks)
            call.recorder.hold(answer, call)
        else:
            call.read(answer)
            call.end()
    except Exception:
        call.recorder.drops.count(Drop.FAILURE)
        call.end()
