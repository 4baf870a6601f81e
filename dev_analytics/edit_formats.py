"""The edit format in force: inside a ``with`` block, its asynchronous code, and its threads.

Asynchronous code has it from its context. A thread has a context of its own, which on Python 3.11
begins empty, so while a block is open, and only then, two methods are wrapped: a thread keeps the
format of the code that starts it, and a task the one of the code that submits it to a pool.
Leaving a block never raises, wherever it is left.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dev_analytics.catalogue.events import EDIT_FORMATS, TOOLS
from dev_analytics.native import RLock

if TYPE_CHECKING:
    from concurrent.futures import Future


class Asked(NamedTuple):
    """How answers are asked for.

    Attributes
    ----------
    edit_format, tool
        Members of the vocabularies ``edit_formats`` and ``tools``.
    """

    edit_format: str
    tool: str | None = None


class _Block:
    """A block as the contexts of its code have it, and the one around it."""

    __slots__ = ("around", "asked", "left")

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.around = _innermost()
        # Only where the context that it was entered in could not be told of its end.
        self.left = False


_block: Final[ContextVar[_Block | None]] = ContextVar("edit_format", default=None)
_MARK: Final = "_dev_analytics_edit_format"


def _innermost() -> _Block | None:
    block = _block.get()
    while block is not None and block.left:
        block = block.around
    return block


def current() -> Asked | None:
    """Give the format in force for the code that calls, or None."""
    block = _innermost()
    if block is None:
        marked = vars(threading.current_thread()).get(_MARK)
        return marked if type(marked) is Asked else None
    return block.asked


def complete(properties: dict[str, object]) -> None:
    """Add to a request what is in force where it is made, if it does not say so itself."""
    if "edit_format" not in properties or "tool" not in properties:
        asked = current()
        properties.setdefault("edit_format", asked and asked.edit_format)
        properties.setdefault("tool", asked and asked.tool)


@contextmanager
def asking(edit_format: str, tool: str | None = None) -> Iterator[None]:
    """Have `edit_format` and `tool` in force inside; what is no member becomes ``"other"``."""
    asked = Asked(EDIT_FORMATS.member(edit_format), None if tool is None else TOOLS.member(tool))
    block = _Block(asked)
    token = _block.set(block)
    _Wrapped.open()
    try:
        yield
    finally:
        _Wrapped.close()
        try:
            _block.reset(token)
        except ValueError:
            # An asynchronous generator may be closed in another context than it was read in.
            block.left = True


class _Wrapped:
    """The wrapped methods, in place while a block is open anywhere in the process."""

    # A generator that is collected meanwhile may leave its block in the same thread.
    lock = RLock()
    blocks = 0
    put: Final[list[tuple[type, str, Any, Any]]] = []

    @classmethod
    def open(cls) -> None:
        from concurrent.futures import ThreadPoolExecutor

        with cls.lock:
            cls.blocks += 1
            # Not empty also where an earlier one could not be taken away.
            if not cls.put:
                for owner, name, wrapping in (
                    (threading.Thread, "start", _starting),
                    (ThreadPoolExecutor, "submit", _submitting),
                ):
                    original = vars(owner)[name]
                    wrapper = wrapping(original)
                    setattr(owner, name, wrapper)
                    cls.put.append((owner, name, original, wrapper))

    @classmethod
    def close(cls) -> None:
        with cls.lock:
            cls.blocks -= 1
            if cls.blocks:
                return
            # Somebody may have wrapped it once more: theirs stays, and ours below it, idle.
            if all(vars(owner)[name] is wrapper for owner, name, _, wrapper in cls.put):
                for owner, name, original, _ in cls.put:
                    setattr(owner, name, original)
                cls.put.clear()


class _Submitting(threading.local):
    """Whether this thread is submitting: the thread of a pool that it starts serves many."""

    now = False


_submitting_now: Final = _Submitting()


def _starting(original: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    @wraps(original)
    def start(self: threading.Thread) -> None:
        with suppress(Exception):
            asked = None if _submitting_now.now else current()
            if asked is not None:
                vars(self)[_MARK] = asked
        original(self)

    return start


def _submitting(original: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    @wraps(original)
    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        asked = current()
        before, _submitting_now.now = _submitting_now.now, True
        try:
            task = fn if asked is None else partial(_with, asked, fn)
            return original(self, task, *args, **kwargs)
        finally:
            _submitting_now.now = before

    return submit


def _with(asked: Asked, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    token = _block.set(_Block(asked))
    try:
        return fn(*args, **kwargs)
    finally:
        _block.reset(token)


def _after_fork() -> None:
    _Wrapped.lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
