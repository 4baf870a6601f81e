"""Starts an independent process on Windows.

It has no window, no console from which Ctrl-C could come, and no open files of this process. A job
may end its processes together: if the job allows it, the new process is in none.
"""

from __future__ import annotations

import _winapi
import msvcrt
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

assert sys.platform == "win32"

_ALONE: Final = (
    subprocess.CREATE_NO_WINDOW
    | subprocess.CREATE_NEW_PROCESS_GROUP
    | subprocess.BELOW_NORMAL_PRIORITY_CLASS
)
_IN_NO_JOB: Final = subprocess.CREATE_BREAKAWAY_FROM_JOB


def start_unbound(command: Sequence[str], content: bytes, environment: Mapping[str, str]) -> None:
    """Start a program, with `content` as its standard input, without waiting for it."""
    # Large enough for all of it, which waits there even after the end of this process.
    reading, writing = _winapi.CreatePipe(None, len(content) + 1)
    try:
        descriptor = msvcrt.open_osfhandle(reading, os.O_RDONLY)
        try:
            _start(command, environment, descriptor)
        finally:
            os.close(descriptor)
        _winapi.WriteFile(writing, content)
    finally:
        _winapi.CloseHandle(writing)


def _start(command: Sequence[str], environment: Mapping[str, str], standard_input: int) -> None:
    """Start a program in no job, or else in that of this process."""
    for flags in (_ALONE | _IN_NO_JOB, _ALONE):
        try:
            started = subprocess.Popen(
                command,
                stdin=standard_input,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # Otherwise the folder of this process could not be renamed or deleted meanwhile.
                cwd=Path(command[0]).parent,
                env=environment,
                creationflags=flags,
            )
        except PermissionError:
            if not flags & _IN_NO_JOB:
                raise
        else:
            # Prevents the warning that the process still runs.
            started.returncode = 0
            return
