"""Moves the places that IPython and Jupyter have for everybody on a machine below a folder.

Neither has a variable for these places, and ``sitecustomize`` belongs to the system on Debian and
Ubuntu. So the Makefile copies this module into ``.venv``, with a ``.pth`` file that imports it at
the start of every Python that sees the packages of ``.venv``. It does nothing unless ``FAKE_ROOT``
names the folder that is to stand for ``/``.
"""

from __future__ import annotations

import os
import sys

VARIABLE = "FAKE_ROOT"
PLACES = {
    "IPython.core.application": ("SYSTEM_CONFIG_DIRS",),
    "jupyter_core.paths": ("SYSTEM_CONFIG_PATH", "SYSTEM_JUPYTER_PATH"),
}
"""The lists of places, by the module that has them; other modules hold the same lists."""

_real: dict[str, list[str]] = {}


class Mover:
    """A finder that moves the places of a module as soon as it is imported."""

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        if name not in PLACES:
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_move(module):  # type: ignore[no-untyped-def]
                execute(module)
                _move(module)

            spec.loader.exec_module = execute_and_move  # type: ignore[method-assign]
        return spec


def use(folder: str) -> None:
    """Make `folder` stand for ``/`` in this process and in those that it starts."""
    os.environ[VARIABLE] = folder
    if not any(isinstance(finder, Mover) for finder in sys.meta_path):
        sys.meta_path.insert(0, Mover())
    for name in PLACES:
        if name in sys.modules:
            _move(sys.modules[name])


def _move(module) -> None:  # type: ignore[no-untyped-def]
    for name in PLACES[module.__name__]:
        places = getattr(module, name)
        real = _real.setdefault(f"{module.__name__}.{name}", list(places))
        places[:] = [os.environ[VARIABLE] + place for place in real]


if os.environ.get(VARIABLE):
    use(os.environ[VARIABLE])
