"""The edit format in force inside a ``with`` block: a context variable, and nothing is patched.

Asynchronous code gets it from its context, as do ``asyncio.to_thread`` and
``contextvars.copy_context().run``. A plain thread has a context of its own, which begins empty
unless the interpreter lets threads inherit it (``sys.flags.thread_inherit_context``). Leaving a
block never raises, even in another context than the one it was entered in.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, NamedTuple

from dev_analytics.catalogue.events import EDIT_FORMATS, TOOLS


class Asked(NamedTuple):
    """How answers are asked for, in words of the vocabularies ``edit_formats`` and ``tools``."""

    edit_format: str
    tool: str | None = None


class _Block:
    """A ``with`` block, linked to the one around it."""

    __slots__ = ("around", "asked", "left")

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.around = _innermost()
        # True only if the context that it was entered in could not be reset at its end.
        self.left = False


_block: Final[ContextVar[_Block | None]] = ContextVar("edit_format", default=None)


def _innermost() -> _Block | None:
    block = _block.get()
    while block is not None and block.left:
        block = block.around
    return block


def current() -> Asked | None:
    """Return the format in force for the code that calls, or None."""
    block = _innermost()
    return None if block is None else block.asked


def complete(properties: dict[str, object]) -> None:
    """Add the format and tool in force to a request that does not name its own."""
    if "edit_format" not in properties or "tool" not in properties:
        asked = current()
        properties.setdefault("edit_format", asked and asked.edit_format)
        properties.setdefault("tool", asked and asked.tool)


@contextmanager
def asking(edit_format: str, tool: str | None = None) -> Iterator[None]:
    """Set `edit_format` and `tool` inside; what is no member becomes ``"other"``."""
    asked = Asked(EDIT_FORMATS.member(edit_format), None if tool is None else TOOLS.member(tool))
    block = _Block(asked)
    token = _block.set(block)
    try:
        yield
    finally:
        try:
            _block.reset(token)
        except ValueError:
            # An asynchronous generator may be closed in another context than it was started in.
            block.left = True
