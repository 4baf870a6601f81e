"""What a kernel does once the user has the reply to a cell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


def after_reply(call: Callable[[], None]) -> None:
    """Call `call` as soon as the kernel has replied to the request that it handles now.

    A kernel goes from the end of a cell to its reply without giving way to its loop.

    Raises
    ------
    RuntimeError
        No loop runs here, and nobody will reply.
    """
    loop = asyncio.get_running_loop()
    loop.call_soon(loop.call_soon, call)
