"""The output of a task, and its error, which is one line."""

from __future__ import annotations

import os
import sys

from dev_analytics.process.messages import printable


class MaintainerError(Exception):
    """The task failed; the message says why, in one line."""


def say(text: str) -> None:
    """Print a line at once, so that the progress is visible."""
    write(printable(text))


def write(text: str) -> None:
    """Write to standard output, and flush it."""
    try:
        print(text, flush=True)
    except OSError as error:
        # Otherwise Python would report the same error when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise MaintainerError(f"standard output: {error.strerror}") from None
