"""What a process of our own runs first: it detaches itself, and finds the package.

It is run as a file, by a Python that may not find the package yet, so it imports nothing of it
before. Everything comes on standard input: the package's folder, the import path, and the
dictionary for its module.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from json import loads
from pathlib import Path
from typing import Final

PACKAGE: Final = "dev_analytics"
FAILED: Final = "sender.failed"
"""The file in the data directory that says why a process could not begin."""


def enter(module: str) -> None:
    """Call the module's ``begin`` with what was sent; if that fails, write down why."""
    content = loads(sys.stdin.buffer.read())
    if os.name == "posix":
        _detach()
    _close_input()
    time.sleep(content.get("later", 0))
    options = content["options"]
    noted = Path(options["data"]) / FAILED
    try:
        _find_package(*content["path"])
        begin = import_module(module).begin
    except Exception as error:
        _note(noted, error)
        raise
    with contextlib.suppress(OSError):
        noted.unlink(missing_ok=True)
    begin(options)


def _detach() -> None:
    """Leave the session, the signals and the descriptors of the process that started it.

    Files that it creates are for the user only, whatever umask it inherited.
    """
    os.umask(0o077)
    with contextlib.suppress(OSError):  # it already leads a group
        os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    # A file that a library left open for children.
    with contextlib.suppress(OSError):
        for each in os.listdir("/dev/fd"):  # noqa: PTH208, no more is loaded than must be
            with contextlib.suppress(OSError):
                if int(each) > 2:
                    os.close(int(each))


def _close_input() -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _find_package(package: str, *path: str) -> None:
    """Import modules as the process that started this one does, and the package in any case.

    Its own path comes before what was added there: the user may have modules of any name.
    """
    spec = find_spec(PACKAGE)
    origin = None if spec is None else spec.origin
    if origin is None or not _is_same(Path(origin).parent.parent, Path(package)):
        standard = str(Path(os.__file__).parent)
        places = [i for i, each in enumerate(sys.path) if each.startswith(standard)]
        before = [i for i in places if "-packages" not in sys.path[i]]
        sys.path.insert(max(before, default=-1) + 1, package)
    sys.path.extend(each for each in path if each not in sys.path)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _note(file: Path, error: Exception) -> None:
    if (file.parent / "consent" / "opted-out").exists():
        return
    missing = f": no module {error.name}" if isinstance(error, ModuleNotFoundError) else ""
    with contextlib.suppress(OSError):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
        with open(os.open(file, flags, 0o600), "w", encoding="utf-8") as opened:
            opened.write(f"{type(error).__name__}{missing}")


if __name__ == "__main__":
    enter(sys.argv[1])
