"""Starts processes of our own that are independent of the user's process.

They run the same Python with the same flags, which finds the package where this process found it,
and imports nothing from the notebook's folder. If there is no Python to start, as in a program that
embeds Python, nothing is started.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from shlex import join, quote
from shutil import which
from typing import Final

from dev_analytics.process.descriptors import give_up, pipe_above
from dev_analytics.process.handlers import Refusals, pass_on
from dev_analytics.process.native import ENVIRON, environ_now, system
from dev_analytics.process.plain_json import encode
from dev_analytics.process.unseen_child import adopts_orphans, run_unseen

_PACKAGE_FOLDER: Final = Path(__file__).parents[2]
_ENTRY: Final = Path(__file__).with_name("entry.py")
_PYTHON: Final = re.compile(
    r"(python|pypy|graalpy)w?[\d.]*t?d?(-(dbg|intel64|real))?(\.exe)?", re.ASCII | re.IGNORECASE
)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_BEGIN: Final = "exec </dev/null >/dev/null 2>&1; {} -i /bin/sh {} &"
_END: Final = "END-OF-CONTENT"
_NEEDED: Final = frozenset(
    {"CI", "CURL_CA_BUNDLE", "DO_NOT_TRACK", "HOME", "LANG", "LANGUAGE", "PATH"}
    | {"REQUESTS_CA_BUNDLE", "TMPDIR", "TZ", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"}
)
_NEEDED_BY_WINDOWS: Final = frozenset(
    {"APPDATA", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PATHEXT", "PROGRAMDATA", "SYSTEMDRIVE"}
    | {"SYSTEMROOT", "TEMP", "TMP", "USERPROFILE", "WINDIR"}
)
_NEEDED_BEGINNINGS: Final = (
    *("PYTHON", "CONDA_PREFIX", "GUIX_", "NIX_", "LD_", "DYLD_", "LC_"),
    *("DEV_ANALYTICS", "XDG_", "SSL_", "OPENSSL_"),
)
"""Variables that our processes are given: to find Python, the package, a proxy, certificates and
the system's folders, and those that decide about consent."""


def spawn(module: str, options: Mapping[str, object], *, later: float = 0.0) -> None:
    """Call a module's ``begin`` with `options` in a process and session of its own.

    The process is not a visible child. The options go through a pipe, as other users of the machine
    can read a command line; so does the environment, where they can read that. At the end of this
    process, it waits first, for `later` seconds.

    Raises
    ------
    OSError, ValueError, AttributeError, NotImplementedError
        It cannot be started; the last two mean that the system has no way to do it.
    """
    command = [python(), *flags(), str(_ENTRY), module]
    if not later and adopts_orphans():
        raise OSError("it would become a child of this process, and is started at its end")
    if sys.platform == "win32":
        from dev_analytics.process.windows_child import start_unbound

        content = {"path": _path(), "options": options, "later": later}
        start_unbound(command, encode(content).encode(), environment())
        return
    sys.audit("os.posix_spawn", command[0], command, None)
    script = _script(command, encode({"path": _path(), "options": options}), later)
    reading, writing = pipe_above()
    try:
        ours = system.fstat(writing)
    except BaseException:
        give_up(reading, writing)
        raise
    try:
        # Beyond the pipe's capacity, the write would wait for a reader that has not started yet.
        system.set_blocking(writing, False)
        _write(writing, script, ours)
        _close(writing, ours)
        system.set_inheritable(reading, True)
        clean = which("env", path=os.defpath)
        pipe = f"/proc/self/fd/{reading}"
        known = clean is not None and os.path.exists(pipe)  # noqa: PTH110, it is no file
        if not (known and run_unseen(_BEGIN.format(clean, pipe))):
            _run_seen(reading)
    finally:
        _close(writing, ours)
        _close(reading, ours)


def python() -> str:
    """Return the path of this process's Python.

    Raises
    ------
    OSError
        There is none: starting the executable would start the user's program again.
    """
    program = Path(sys.executable or "")
    if not sys.executable:
        raise OSError("no Python to start")
    if getattr(sys, "frozen", False) or hasattr(sys, "_MEIPASS"):
        raise OSError("this is a frozen program, and no Python that could be started")
    if not any(_PYTHON.fullmatch(each.name) for each in (program, program.resolve())):
        raise OSError("Python runs inside another program, and none could be started")
    if not os.access(program, os.X_OK):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return sys.executable


def flags() -> list[str]:
    """Return flags that exclude from our processes what the user excluded from this one."""
    given = sys.flags
    kept = ["-I"] if given.isolated else ["-P"]
    if given.ignore_environment and not given.isolated:
        kept.append("-E")
    if given.no_user_site and not given.isolated:
        kept.append("-s")
    if given.no_site:  # pragma: no cover - measuring begins in site; test_detached.py runs it
        kept.append("-S")
    if sys.dont_write_bytecode:
        kept.append("-B")
    if given.utf8_mode:
        kept += ["-X", "utf8"]
    if sys.pycache_prefix:
        kept += ["-X", f"pycache_prefix={sys.pycache_prefix}"]
    return kept


def environment() -> dict[str, str]:
    """Return the environment of our processes: the variables that Python, network and consent need.

    Other variables, in which users and notebooks keep keys and other secrets, are not passed on.
    The notebook's folder is not on the import path, unless the package itself is there, as in a
    checkout.
    """
    own = {name: value for name, value in {**ENVIRON, **environ_now()}.items() if _is_needed(name)}
    if kept := _safe(filter(None, own.pop("PYTHONPATH", "").split(os.pathsep))):
        own["PYTHONPATH"] = os.pathsep.join(kept)
    return own


def _path() -> list[str]:
    """Return the import path of our processes: first the package's folder, then the others."""
    given = (each for each in tuple(sys.path) if type(each) is str)
    return [str(_PACKAGE_FOLDER.absolute()), *_safe(given)]


def _safe(entries: Iterable[str]) -> list[str]:
    return [str(Path(entry).absolute()) for entry in entries if _is_safe(Path(entry))]


def _is_needed(name: str) -> bool:
    if name == "PYTHONINSPECT":
        return False
    if sys.platform == "win32" and name in _NEEDED_BY_WINDOWS:
        return True
    return name in _NEEDED or name.startswith(_NEEDED_BEGINNINGS) or name.lower().endswith("_proxy")


def _is_safe(entry: Path) -> bool:
    try:
        return not entry.samefile(Path.cwd()) or entry.samefile(_PACKAGE_FOLDER)
    except OSError as error:
        pass_on(error)
        # A folder does not exist; if it is the working directory, "." cannot be resolved.
        return entry.is_absolute()


def _script(command: Sequence[str], content: str, later: float) -> bytes:
    """Return the script for a shell without an environment; `content` is its last line but one."""
    lines = ["trap '' HUP"]
    if later:
        lines.append(f"sleep {later}")
    for name, value in environment().items():
        if _NAME.fullmatch(name):
            lines.append(f"export {name}={quote(value)}")
    lines += ["unset PWD OLDPWD", f"exec {join(command)} >/dev/null 2>&1 <<'{_END}'", content, _END]
    return os.fsencode("\n".join(lines) + "\n")


def _write(descriptor: int, content: bytes, ours: os.stat_result) -> None:
    """Write to a pipe of ours.

    Raises
    ------
    OSError
        The pipe cannot hold everything, or the descriptor belongs to something else by now.
    """
    if not os.path.samestat(system.fstat(descriptor), ours):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    if system.write(descriptor, content) < len(content):
        raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))


def _close(descriptor: int, ours: os.stat_result) -> None:
    with Refusals():
        if os.path.samestat(system.fstat(descriptor), ours):
            system.close(descriptor)


def _run_seen(reading: int) -> None:
    """Run the shell as a child that is visible for an instant, if the system has no better way."""
    files = [(system.POSIX_SPAWN_OPEN, each, os.devnull, os.O_RDWR, 0) for each in (0, 1, 2)]
    onto = (system.POSIX_SPAWN_DUP2, reading, 3)
    command = ["/bin/sh", "-c", "/bin/sh /dev/fd/3 &"]
    child = system.posix_spawn("/bin/sh", command, {}, file_actions=[*files, onto], setsid=True)
    # It ends at once. The user's code may have waited for it already.
    with contextlib.suppress(ChildProcessError):
        system.waitpid(child, 0)
