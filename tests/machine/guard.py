"""Fails a run of the tests that changed something outside of its own folders, and names it.

What stands in the places that the product, IPython or Jupyter could write to is compared before
and after the whole run, whatever failed in it.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

NAME = "outside of the tests' own folders"


class Watched(NamedTuple):
    """Where nothing may change: whole trees, and folders of which only the names count."""

    trees: tuple[Path, ...]
    folders: tuple[Path, ...] = ()


def outside(environ: Mapping[str, str]) -> Watched:
    """Return the places outside of the tests' folders that the product could write to."""
    home = Path(environ.get("HOME") or Path.home())
    xdg = {
        "XDG_CONFIG_HOME": home / ".config",
        "XDG_DATA_HOME": home / ".local" / "share",
        "XDG_STATE_HOME": home / ".local" / "state",
        "XDG_CACHE_HOME": home / ".cache",
    }
    of_the_user = [Path(environ.get(name) or usual) for name, usual in xdg.items()]
    own = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "DEV_ANALYTICS_DIR")
    machine = ["/", "/usr", "/usr/local", sys.prefix, sys.base_prefix]
    return Watched(
        (
            *(
                Path(prefix, place, name)
                for prefix in dict.fromkeys(machine)
                for place in ("etc", "share")
                for name in ("ipython", "jupyter")
            ),
            Path("/etc/xdg"),
            *map(Path, filter(None, environ.get("XDG_CONFIG_DIRS", "").split(os.pathsep))),
            *(home / name for name in (".ipython", ".jupyter")),
            *(
                folder / name
                for folder in of_the_user
                for name in ("ipython", "jupyter", "dev-analytics")
            ),
            *(Path(environ[name]).expanduser() for name in own if environ.get(name)),
        ),
        (home, *of_the_user),
    )


def snapshot(watched: Watched) -> dict[str, tuple[object, ...]]:
    """Return the content of these places by path."""
    found: dict[str, tuple[object, ...]] = {}
    for tree in watched.trees:
        _take_in(tree, found)
    for folder in watched.folders:
        for path in _entries(folder):
            found.setdefault(str(path), ())
    return found


def differences(
    before: Mapping[str, tuple[object, ...]], after: Mapping[str, tuple[object, ...]]
) -> list[str]:
    """Name what is new, gone or changed, a line each."""
    return [
        f"{path}: {'new' if path not in before else 'gone' if path not in after else 'changed'}"
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]


class Guard:
    """The plugin: it belongs to the process that ends the run, and not to workers of it."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._before = snapshot(watched)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Report what changed as an error of the run."""
        changed = differences(self._before, snapshot(self._watched))
        if not changed:
            return
        lines = [
            "The tests, or another program that ran meanwhile, wrote outside of their own folders:",
            *changed,
        ]
        report = pytest.TestReport(
            nodeid=NAME,
            location=(NAME, None, NAME),
            keywords={},
            outcome="failed",
            longrepr="\n".join(lines),
            when="teardown",
        )
        session.config.hook.pytest_runtest_logreport(report=report)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _take_in(path: Path, found: dict[str, tuple[object, ...]]) -> None:
    try:
        now = path.lstat()
    except OSError:
        return
    if stat.S_ISDIR(now.st_mode):
        found[str(path)] = (now.st_mode,)
        for entry in _entries(path):
            _take_in(entry, found)
    else:
        found[str(path)] = now.st_mode, now.st_size, now.st_mtime_ns


def _entries(folder: Path) -> Iterable[Path]:
    try:
        return [Path(entry) for entry in os.scandir(folder) if entry.name != "__pycache__"]
    except OSError:
        return []
