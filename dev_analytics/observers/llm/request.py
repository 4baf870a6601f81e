"""Hooks a method that makes one request: the call begins before it and ends with its answer.

If beginning a call fails, that is counted, and the request is made all the same. What is refused
before a request goes out, such as a wrong argument or missing credentials, is no call: where an SDK
has a method that sends, its hook announces that the request goes out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from functools import wraps
from types import ModuleType
from typing import Any, Final

from dev_analytics.callbacks import count_failure
from dev_analytics.observers.hooks import State, wrap
from dev_analytics.observers.llm.call import Call
from dev_analytics.observers.llm.recorder import Recorder
from dev_analytics.observers.plain import plain

Begin = Callable[[Recorder, Any, tuple[Any, ...], Mapping[str, Any]], Call | None]
"""Begins the call that an object's method makes with these arguments; None: not observed."""

Watch = Callable[[Call, Any], Any]
"""Reads an answer for its call, and returns what the user gets."""

Fail = Callable[[Call, BaseException], None]
"""Notes for a call that its request failed."""


def begin_call(
    begin: Begin, own: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Call | None:
    """Return the call of a method of `own` with these arguments; a failure is counted.

    Of the keyword arguments `begin` gets those with plain names.
    """
    recorder = State.active
    if recorder is None:
        return None
    try:
        return begin(recorder, own, args, plain(kwargs))
    except Exception as error:
        count_failure(recorder.drops, error)
        return None


_MAKING: Final[ContextVar[Call | None]] = ContextVar("making", default=None)
"""The call whose method is running, where a method below announces that its request goes out."""


def start_making(call: Call) -> Token[Call | None] | None:
    """Note that a call's request is made from here on; pass the result to `stop_making`.

    Two functions, as a block with an object of its own takes three times as long.
    """
    return _MAKING.set(call) if call.unsent else None


def stop_making(before: Token[Call | None] | None) -> None:
    """Note that it is not made any longer."""
    if before is not None:
        try:  # noqa: SIM105, takes a fifth of the time of a block that suppresses
            _MAKING.reset(before)
        except ValueError:
            pass  # a coroutine may be closed in another context


def call_being_made() -> Call | None:
    """Return the call whose request is being made, if it has not gone out."""
    call = _MAKING.get()
    return call if call is not None and call.unsent else None


def observe_sending(owner: type, *names: str) -> None:
    """Note that requests go out, in methods that are called with a complete one."""
    for name in names:
        wrap(owner, name, _sending)


def observe_preparing(owner: type, *names: str) -> None:
    """Note that requests go out when methods return that a request needs, and not if they fail."""
    for name in names:
        observe_result(owner, name, _note_sent, before=_note_unsent)


def _sending(method: Any, own: Any, args: Any, kwargs: Any) -> Any:
    _note_sent()
    return method(*args, **kwargs)


def _note_unsent(own: Any) -> None:
    call = _MAKING.get()
    if call is not None:
        call.unsent = True


def _note_sent(*of_method: Any) -> None:
    call = _MAKING.get()
    if call is not None:
        call.unsent = False


def observe_result(
    owner: type,
    name: str,
    returned: Callable[..., None] = lambda own, result, args, kwargs: None,
    failed: Callable[[Any, BaseException], None] = lambda own, error: None,
    before: Callable[[Any], None] = lambda own: None,
) -> None:
    """Install a hook in a method, synchronous or asynchronous, that only sees how it ends.

    Parameters
    ----------
    owner, name
        The class and its method.
    returned
        Called with the method's object, its result, and its arguments.
    failed
        Called with the object and what the method raises.
    before
        Called with the object before the method runs.
    """

    def run(method: Any, own: Any, args: Any, kwargs: Any) -> Any:
        before(own)
        try:
            result = method(*args, **kwargs)
        except BaseException as error:
            failed(own, error)
            raise
        returned(own, result, args, kwargs)
        return result

    async def run_async(method: Any, own: Any, args: Any, kwargs: Any) -> Any:
        before(own)
        try:
            result = await method(*args, **kwargs)
        except BaseException as error:
            failed(own, error)
            raise
        returned(own, result, args, kwargs)
        return result

    is_async = inspect.iscoroutinefunction(getattr(owner, name))
    wrap(owner, name, run_async if is_async else run)


def observe_request(
    owner: type | ModuleType,
    name: str,
    begin: Begin,
    watch: Watch,
    fail: Fail = Call.fail,
    *,
    announced: bool = False,
) -> None:
    """Install a hook in a method that makes one request, synchronous or asynchronous.

    Parameters
    ----------
    owner, name
        The class and its method, or a module and its function.
    begin, watch, fail
        Called when the method begins, when it returns, and when it raises.
    announced
        Whether a method below announces that the request goes out; until then it is unsent.
    """
    is_async = inspect.iscoroutinefunction(getattr(owner, name))
    wrap(owner, name, _observing(is_async, begin, watch, fail, announced=announced))


def observed(function: Any, own: Any, begin: Begin, watch: Watch) -> Any:
    """Return a function that does what `function` of the SDK does for `own`, and observes it.

    The SDK defines `function` anew for each request, so that no hook can be installed in it.
    """
    is_async = inspect.iscoroutinefunction(function)
    observing = _observing(is_async, begin, watch, Call.fail)

    @wraps(function)
    def ask(*args: Any, **kwargs: Any) -> Any:
        return observing(function, own, args, kwargs)

    @wraps(function)
    async def ask_async(*args: Any, **kwargs: Any) -> Any:
        return await observing(function, own, args, kwargs)

    return ask_async if is_async else ask


def _observing(
    is_async: bool, begin: Begin, watch: Watch, fail: Fail, *, announced: bool = False
) -> Callable[..., Any]:
    """Return what calls a method that makes one request, as wrapt does."""

    def ask(method: Any, own: Any, args: Any, kwargs: Any) -> Any:
        call = begin_call(begin, own, args, kwargs)
        if call is None:
            return method(*args, **kwargs)
        call.unsent = announced
        try:
            before = start_making(call)
            try:
                answer = method(*args, **kwargs)
            finally:
                stop_making(before)
        except BaseException as error:
            fail(call, error)
            raise
        return watched(watch, call, answer)

    async def ask_async(method: Any, own: Any, args: Any, kwargs: Any) -> Any:
        call = begin_call(begin, own, args, kwargs)
        if call is None:
            return await method(*args, **kwargs)
        call.unsent = announced
        try:
            before = start_making(call)
            try:
                answer = await method(*args, **kwargs)
            finally:
                stop_making(before)
        except BaseException as error:
            fail(call, error)
            raise
        return watched(watch, call, answer)

    return ask_async if is_async else ask


def watched(watch: Watch, call: Call, answer: Any) -> Any:
    """Return what `watch` returns; if it fails, that is counted, and the answer is the SDK's."""
    try:
        return watch(call, answer)
    except Exception as error:
        call.end()
        count_failure(call.recorder.drops, error)
        return answer


def counted(look: Callable[..., None]) -> Callable[..., None]:
    """Return what calls `look` with the recorder, while there is one, and counts its failures."""

    def looked(*given: Any) -> None:
        recorder = State.active
        if recorder is not None:
            try:
                look(recorder, *given)
            except Exception as error:
                count_failure(recorder.drops, error)

    return looked


def read_whole(call: Call, answer: Any) -> Any:
    """Read a whole answer, which ends its call; a `Watch`."""
    call.read(answer)
    call.end()
    return answer


def observe_closing(stream: type) -> None:
    """End the call if its stream is closed early; some versions cannot close one."""
    if hasattr(stream, "close"):
        observe_result(stream, "close", before=end)


def end(thing: Any, error: BaseException | None = None) -> None:
    """End the call that is held for `thing`, if there is one; with an error it has failed."""
    recorder = State.active
    call = recorder.release(thing) if recorder else None
    if call is None:
        return
    if error is None:
        call.end()
    else:
        call.fail(error)
