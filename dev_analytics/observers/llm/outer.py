"""Links a method of an SDK to the requests that methods below it make.

Some SDKs have an outer method that returns a readable answer, and below it another that makes each
request and knows its address. The outer one says which operation it is; the inner one begins the
call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from dev_analytics.observers.llm.call import Call


class Outer:
    """An outer method that is running.

    Attributes
    ----------
    operation
        A member of the vocabulary ``operations``.
    call
        The call of its request, once that is made; None while nothing is collected.
    around
        The outer method within which it runs, if any.
    is_over
        Whether it has ended although the context in which it began could not be reset.
    """

    __slots__ = ("around", "call", "is_over", "operation")

    def __init__(self, operation: str) -> None:
        self.operation = operation
        self.call: Call | None = None
        self.around = current_outer()
        self.is_over = False


_OUTER: Final[ContextVar[Outer | None]] = ContextVar("outer", default=None)


@contextmanager
def outer_method(operation: str) -> Iterator[Outer]:
    """Declare that an outer method runs in the block; an error in it ends the call that began."""
    outer = Outer(operation)
    token = _OUTER.set(outer)
    try:
        yield outer
    except BaseException as error:
        if outer.call is not None:
            outer.call.fail(error)
        raise
    finally:
        try:
            _OUTER.reset(token)
        except ValueError:
            # A coroutine may be closed in another context than it ran in.
            outer.is_over = True


def current_outer() -> Outer | None:
    """Return the innermost outer method that is running."""
    outer = _OUTER.get()
    while outer is not None and outer.is_over:
        outer = outer.around
    return outer
