"""Starts a process on Windows that this one has nothing more to do with.

It has no window, no console that Ctrl-C comes from, and nothing of this process's open; where a
job would end it with this process, and lets go of what it is asked for, it is in no job either.
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


def start_unbound(command: Sequence[str], told: bytes, environment: Mapping[str, str]) -> None:
    """Start a program, and give it what it is told at its standard input; nobody waits for it.

    Raises
    ------
    OSError
        It cannot be started.
    """
    # As large as what is told: it waits there, also when this process is gone.
    reading, writing = _winapi.CreatePipe(None, len(told) + 1)
    try:
        descriptor = msvcrt.open_osfhandle(reading, os.O_RDONLY)
        try:
            _start(command, environment, descriptor)
        finally:
            os.close(descriptor)
        _winapi.WriteFile(writing, told)
    finally:
        _winapi.CloseHandle(writing)


def _start(command: Sequence[str], environment: Mapping[str, str], told: int) -> None:
    """Start a program in no job, or in that of this process.

    Raises
    ------
    OSError
        It cannot be started.
    """
    for flags in (_ALONE | _IN_NO_JOB, _ALONE):
        try:
            started = subprocess.Popen(
                command,
                stdin=told,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # The folder of this process could not be renamed or deleted meanwhile.
                cwd=Path(command[0]).parent,
                env=environment,
                creationflags=flags,
            )
        except PermissionError:
            if not flags & _IN_NO_JOB:
                raise
        else:
            # Nobody asks what becomes of it, and so nobody is warned that it runs.
            started.returncode = 0
            return
