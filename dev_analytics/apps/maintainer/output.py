"""What a task says, and how it ends if it fails: in one line."""

from __future__ import annotations

import os
import sys

from dev_analytics.views.report.tables import printable


class MaintainerError(Exception):
    """The command cannot do what it was asked; the message says why, in one line."""


def say(text: str) -> None:
    """Print a line at once, as what it reports is done."""
    write(printable(text))


def write(text: str) -> None:
    """Write to standard output, at once."""
    try:
        print(text, flush=True)
    except OSError as error:
        # Python would complain once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise MaintainerError(f"standard output: {error.strerror}") from None
