"""Links a method of an SDK to the requests that methods below it make.

Some SDKs have one method that returns a readable answer, and below it another that makes each
request and knows its address. The upper one declares the request; the lower one begins the call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from dev_analytics.observers.llm.recorder import Call


class Asking:
    """One call of an upper method.

    Attributes
    ----------
    operation
        The kind of request.
    stream
        Whether the answer is streamed.
    call
        The request, once it is made; None while nothing is collected.
    around
        The call within which this one is made, if any.
    left
        Whether it is over although the context in which it began could not be reset.
    """

    __slots__ = ("around", "call", "left", "operation", "stream")

    def __init__(self, operation: str, *, stream: bool = False) -> None:
        self.operation = operation
        self.stream = stream
        self.call: Call | None = None
        self.around = asked()
        self.left = False


_ASKING: Final[ContextVar[Asking | None]] = ContextVar("asking", default=None)


@contextmanager
def asking(operation: str, *, stream: bool = False) -> Iterator[Asking]:
    """Declare a request for the block; an error in it ends the call that began there."""
    one = Asking(operation, stream=stream)
    token = _ASKING.set(one)
    try:
        yield one
    except BaseException as error:
        if one.call is not None:
            one.call.fail(error)
        raise
    finally:
        try:
            _ASKING.reset(token)
        except ValueError:
            # A coroutine may be closed in another context than it ran in.
            one.left = True


def asked() -> Asking | None:
    """Return the declared request, if an upper method is running."""
    one = _ASKING.get()
    while one is not None and one.left:
        one = one.around
    return one
