"""Starts processes of our own that the user's process has nothing more to do with.

``python -P -m``: nothing in the notebook's folder is imported, and the package is found however
this process found it: virtual environment, user site, ``PYTHONPATH``, editable install.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dev_analytics.native import ENVIRON, environ_now, system

_PACKAGE_FOLDER: Final = Path(__file__).parent.parent
_NEEDED: Final = frozenset(
    {"CI", "CURL_CA_BUNDLE", "DO_NOT_TRACK", "HOME", "LANG", "LANGUAGE", "PATH"}
    | {"REQUESTS_CA_BUNDLE", "TMPDIR", "TZ", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"}
)
_NEEDED_BEGINNINGS: Final = (
    *("PYTHON", "CONDA_PREFIX", "GUIX_", "NIX_", "LD_", "DYLD_", "LC_"),
    *("DEV_ANALYTICS", "XDG_", "SSL_", "OPENSSL_"),
)
"""Variables that our processes are given: to find Python and the package, a proxy, certificates,
the system's folders, and what has a say in consent."""


def spawn(
    module: str,
    *options: str,
    before: Sequence[str] = (),
    stdin: int | None = None,
    stdout: int | None = None,
) -> int:
    """Start a module in a session of its own, and give the process to be waited for.

    Parameters
    ----------
    module
        It ends at once, leaving its work to a child, so that nobody waits for it.
    *options
        What it is told.
    before
        A command that starts it, in its place.
    stdin, stdout
        Descriptors that it reads and writes; without one it has nothing there.

    Raises
    ------
    OSError, ValueError, AttributeError, NotImplementedError
        It cannot be started; the last two where the system knows no such way.
    """
    if not sys.executable:
        raise OSError("no Python to start")
    if not os.access(sys.executable, os.X_OK):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    files = [
        (os.POSIX_SPAWN_OPEN, descriptor, os.devnull, os.O_RDWR, 0)
        if given is None
        else (os.POSIX_SPAWN_DUP2, given, descriptor)
        for descriptor, given in enumerate((stdin, stdout, None))
    ]
    command = [*before, sys.executable, "-P", "-m", module, *options]
    return system.posix_spawn(command[0], command, environment(), file_actions=files, setsid=True)


def environment() -> dict[str, str]:
    """Give the environment of our processes: of this one, what Python, network and consent need.

    The keys and words that a user keeps in others, or a notebook puts there, are no business of
    theirs. The notebook's folder is not on their path, unless the package itself is there: a
    checkout that is worked in.
    """
    own = {name: value for name, value in {**ENVIRON, **environ_now()}.items() if _is_needed(name)}
    named = filter(None, own.pop("PYTHONPATH", "").split(os.pathsep))
    kept = [entry for entry in named if _is_safe(Path(entry))]
    if kept:
        own["PYTHONPATH"] = os.pathsep.join(str(Path(entry).absolute()) for entry in kept)
    return own


def _is_needed(name: str) -> bool:
    if name == "PYTHONINSPECT":
        return False
    return name in _NEEDED or name.startswith(_NEEDED_BEGINNINGS) or name.lower().endswith("_proxy")


def _is_safe(entry: Path) -> bool:
    try:
        return not entry.samefile(Path.cwd()) or entry.samefile(_PACKAGE_FOLDER)
    except OSError:
        # A folder does not exist: if it is the one that this process stands in, "." is lost.
        return entry.is_absolute()
