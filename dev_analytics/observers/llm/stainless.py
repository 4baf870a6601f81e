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
from dev_analytics.observers.llm.recorder import Call, Recorder
from dev_analytics.observers.llm.request import observe_request
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
    """Install hooks in the clients of an SDK.

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

    def begin(recorder: Recorder, client: Any, args: Any, kwargs: Any) -> Call | None:
        options = args[1] if len(args) > 1 else kwargs.get("options")
        url = options.url
        operation = operations.get(url)
        if operation is None and url[:1] != "/":
            # A path is put behind the client's address, and an address stands for itself.
            base = str(vars(client).get("_base_url"))
            operation = operations.get(f"/{url.removeprefix(base)}")
        if operation is None or options.method.lower() != "post":
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
            stream=kwargs.get("stream") is True,
            provider=known,
            address=None if known else _address(client, sdk.package),
        )

    def watch(call: Call, answer: Any) -> Any:
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
        observe_request(client, "request", begin, watch)
    for response in raw:
        wrap(response, "parse", parse)
    observe_ends(sdk.package, *streams, *raw)


def observe_ends(package: str, *classes: type) -> None:
    """Install hooks in what ends an answer early, where a class has it.

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


def _address(client: Any, package: str) -> str | None:
    """Return where a client asks; a property of a class of the user's is not asked."""
    for cls in type(client).__mro__:
        own = vars(cls).get("base_url")
        if own is not None and belongs(cls, package):
            return str(own.__get__(client))
    return None


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
