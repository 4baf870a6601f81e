"""Calls that a kernel makes after it has replied to a cell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


def after_reply(call: Callable[[], None]) -> None:
    """Call `call` as soon as the kernel has replied to the current request.

    Between the end of a cell and its reply a kernel runs nothing else on its loop.

    Raises
    ------
    RuntimeError
        No event loop runs on this thread, so no reply will follow.
    """
    loop = asyncio.get_running_loop()
    loop.call_soon(loop.call_soon, call)
