"""Observes the classes of SDKs that read a stream for the user, and parse what has arrived.

Where an answer is cut off, or does not fit the wanted class, they raise, and the stream does not.
"""

from __future__ import annotations

from typing import Any

from dev_analytics.observers.llm.answers import fields
from dev_analytics.observers.llm.call import Call
from dev_analytics.observers.llm.recorder import Recorder
from dev_analytics.observers.llm.request import counted, observe_result


def observe_parsing(*readers: type) -> None:
    """Install hooks in classes around a stream, so that what they raise is its call's error."""
    for reader in readers:
        observe_result(reader, "__init__", _made)


@counted
def _made(recorder: Recorder, reader: Any, *of_method: Any) -> None:
    """Replace a reader's own iterator, which takes each chunk from the stream, and parses it."""
    own = fields(reader)
    call = recorder.held(own.get("_raw_stream"))
    if call is not None:
        events = own["_iterator"]
        parsed = _ParsedAsync if hasattr(events, "__anext__") else _Parsed
        own["_iterator"] = parsed(call, events)


class _Parsed:
    """An iterator over the same events; what it raises is the error of a call."""

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
    """Does what `_Parsed` does, asynchronously; a loop would close a generator by itself."""

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
