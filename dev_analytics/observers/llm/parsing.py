"""Classes of SDKs that read a stream for the user, and parse what has arrived of it.

What they raise about an answer, as of one that is cut off or not of the class that was asked for,
is raised above the stream, in which nothing fails.
"""

from __future__ import annotations

from typing import Any

from dev_analytics.callbacks import count_failure
from dev_analytics.observers.hooks import State, wrap
from dev_analytics.observers.llm.recorder import Call


def observe_parsing(*readers: type) -> None:
    """Install hooks in classes around a stream: what they raise is the error of its call."""
    for reader in readers:
        wrap(reader, "__init__", _make)


def _make(method: Any, reader: Any, args: Any, kwargs: Any) -> None:
    """Make a reader, whose iterator asks that of its stream for the next chunk, and parses it."""
    method(*args, **kwargs)
    recorder = State.active
    if recorder is None:
        return
    try:
        own = vars(reader)
        call = recorder.held(own.get("_raw_stream"))
        if call is not None:
            events = own["_iterator"]
            parsed = _ParsedAsync if hasattr(events, "__anext__") else _Parsed
            own["_iterator"] = parsed(call, events)
    except Exception as error:
        count_failure(recorder.drops, error)


class _Parsed:
    """The same events, whose failure is that of a call."""

    __slots__ = ("_call", "_events")

    def __init__(self, call: Call, events: Any) -> None:
        self._call, self._events = call, events

    def __iter__(self) -> _Parsed:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._events)
        except StopIteration:
            raise
        except Exception as error:
            self._call.fail(error)
            raise


class _ParsedAsync:
    """The same events, asynchronous; no generator, which a loop would close by itself."""

    __slots__ = ("_call", "_events")

    def __init__(self, call: Call, events: Any) -> None:
        self._call, self._events = call, events

    def __aiter__(self) -> _ParsedAsync:
        return self

    async def __anext__(self) -> Any:
        try:
            return await anext(self._events)
        except StopAsyncIteration:
            raise
        except Exception as error:
            self._call.fail(error)
            raise
