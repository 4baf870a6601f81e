"""Processes that run: which are senders, and what they hold."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from dev_analytics.delivery.launcher import MODULE


def senders(data: Path) -> list[int]:
    """Give the processes that are senders of a data directory.

    Their arguments name only what they are, so they are told by a variable that every process of a
    test is given.
    """
    variable = b"DEV_ANALYTICS_DIR=" + os.fsencode(data)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if MODULE.encode() in arguments and variable in variables:
            found.append(int(process.name))
    return found


def descriptors(process: int) -> list[str]:
    """Give what each descriptor of a process is; it may open and close some meanwhile."""
    found = []
    for one in Path(f"/proc/{process}/fd").glob("*"):
        with suppress(OSError):
            found.append(str(one.readlink()))
    return found
