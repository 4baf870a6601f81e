"""SDKs that Stainless generated: all their requests pass one method, ``request`` of the client."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from types import MappingProxyType, ModuleType
from typing import Any, Final

from dev_analytics.drops import Drop
from dev_analytics.observers.llm.answers import SDK, belongs
from dev_analytics.observers.llm.hooks import State, wrap
from dev_analytics.observers.llm.recorder import Call
from dev_analytics.observers.llm.streams import follow, follow_async

_RAW: Final = ("LegacyAPIResponse", "APIResponse", "AsyncAPIResponse")


def observe(
    module: ModuleType,
    sdk: SDK,
    clients: tuple[type, type],
    operations: Mapping[str, str],
    *,
    clouds: Mapping[str, str] = MappingProxyType({}),
    runtimes: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Put hooks in the clients of an SDK.

    `request` is hooked and not the documented `post` that calls it: resources keep a bound `post`,
    so that a client that was used before would never be seen.

    Parameters
    ----------
    module
        The module that the SDK is imported by.
    sdk
        The SDK.
    clients
        Its synchronous and its asynchronous client.
    operations
        The operation by the path of a request; no other path is observed.
    clouds
        Who serves a client, by the module of its class, where that alone decides.
    runtimes
        Who serves it, by the name of the provider that it was made with, which some take.
    """
    # Closing a stream before its end ends the call; an unparsed answer is read when it is parsed.
    streams = tuple(_classes(module, "_streaming", ("Stream", "AsyncStream")))
    raw = (*_classes(module, "_legacy_response", _RAW), *_classes(module, "_response", _RAW))

    def begin(client: Any, options: Any, stream: object) -> Call | None:
        recorder = State.active
        if recorder is None:
            return None
        try:
            operation = operations.get(options.url)
            if operation is None or options.method != "post":
                return None
            body = options.json_data
            # A class of the SDK's main module says nothing more.
            known = sdk.provider if type(client) in clients else _cloud(type(client), clouds)
            runtime = vars(client).get("_provider_runtime")
            if runtime is not None:
                known = runtimes.get(runtime.name)
            return recorder.begin(
                sdk,
                operation,
                body.get("model") if type(body) is dict else None,
                stream=stream is True,
                provider=known,
                address=None if known else str(client.base_url),
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
        _watch(call, answer, streams, raw)
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
        _watch(call, answer, streams, raw)
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
            return _parsed(call, parsed, streams)
        _watch(call, parsed, streams)
        return parsed

    for client in clients:
        is_async = inspect.iscoroutinefunction(client.request)  # type: ignore[attr-defined]
        wrap(client, "request", request_async if is_async else request)
    for response in raw:
        wrap(response, "parse", parse)
    observe_ends(sdk.package, *streams, *raw)


def observe_ends(package: str, *classes: type) -> None:
    """Put hooks in what ends an answer before its end, where a class has it.

    Parameters
    ----------
    package
        The dotted name that the modules of the SDK begin with.
    *classes
        Those of streams, of helpers around one, and of answers that may be parsed as one.
    """

    def close(method: Any, closed: Any, args: Any, kwargs: Any) -> Any:
        recorder = State.active
        if recorder is not None:
            try:
                own = vars(closed)
                parsed = (own.get("_parsed_by_type") or {}).values()
                # A class to parse it as may be the user's.
                known = [each for each in parsed if belongs(type(each), package)]
                for each in (closed, own.get("_raw_stream"), *known):
                    call = recorder.release(each)
                    if call is not None:
                        call.end()
            except Exception:
                recorder.drops.count(Drop.FAILURE)
        return method(*args, **kwargs)

    for cls in classes:
        if hasattr(cls, "close"):
            wrap(cls, "close", close)


def _cloud(client: type, clouds: Mapping[str, str]) -> str | None:
    for cls in client.__mro__:
        for package, provider in clouds.items():
            if belongs(cls, package):
                return provider
    return None


def _classes(module: ModuleType, part: str, names: tuple[str, ...]) -> Iterator[type]:
    """Return the classes of these names that a part of the SDK has in this version."""
    found = sys.modules.get(f"{module.__name__}.{part}")
    if found is not None:
        yield from (vars(found)[name] for name in names if name in vars(found))


async def _parsed(call: Call, parsing: Any, streams: tuple[type, ...]) -> Any:
    try:
        parsed = await parsing
    except BaseException as error:
        call.fail(error)
        raise
    _watch(call, parsed, streams)
    return parsed


def _options(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return the options of a request, its second parameter."""
    return args[1] if len(args) > 1 else kwargs.get("options")


def _watch(call: Call, answer: Any, streams: tuple[type, ...], raw: tuple[type, ...] = ()) -> None:
    """Read an answer now, or when its user does."""
    try:
        if issubclass(type(answer), raw):
            call.arrived()
            call.recorder.hold(answer, call)
        elif issubclass(type(answer), streams):
            # Some versions make the iterator when it is first asked for.
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
