"""Notices which modules are imported, without importing or touching any.

An entry of `sys.modules` may be anything: a test's mock, a lazy module, one that another thread is
importing, an object that raises, a folder of the user's with the name of an SDK. Only what is a
module by its type is looked at, in its own dictionary. Only a module of an installed distribution
is reported, and not before its own code has run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

_IMPORTLIB: Final = "<frozen importlib._bootstrap_external>"
"""The traceback of a failing import shows no line of importlib, and so none of ours."""

# Each returns an object's own dictionary, whatever its class does instead.
_dictionary: Final[Any] = vars(ModuleType)["__dict__"].__get__
_of_spec: Final[Any] = vars(ModuleSpec)["__dict__"].__get__


class Imports:
    """A finder that finds no module itself, but sees which are looked for.

    Parameters
    ----------
    names
        The modules to watch.
    report
        Called with each module after it has been imported, or imported again.
    """

    def __init__(self, names: Collection[str], report: Callable[[ModuleType], None]) -> None:
        self._names = names
        self._report = report
        self._running: set[str] = set()

    def begin(self) -> None:
        """Watch from now on, and report what has already been imported."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        for name in [each for each in self._names if each in sys.modules]:
            self._look(name)

    def end(self) -> None:
        """Stop watching."""
        with suppress(ValueError):
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Any = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Note which module is looked for; the finders after this one find it."""
        if name not in self._names:
            # The import of its package may have begun before this finder was there.
            package = name.rpartition(".")[0]
            if package in self._names and package not in self._running:
                self._look(package, under_way=True)
            return None
        spec = self._found_by_others(name, path, target)
        with suppress(Exception):
            if spec is not None and _is_installed(spec, name) and spec.loader is not None:
                self._report_when_run(spec.loader, name)
        return spec

    def _look(self, name: str, *, under_way: bool = False) -> None:
        """Report a module that is loaded, or as soon as it is.

        With `under_way` only one that is being imported just now.
        """
        with suppress(Exception):
            module: Any = sys.modules.get(name)
            if not issubclass(type(module), ModuleType):
                return
            spec = _dictionary(module).get("__spec__")
            if not _is_installed(spec, name):
                return
            if _of_spec(spec).get("_initializing"):
                self._report_when_initialized(spec, module)
            elif under_way:
                return
            elif type(module) is ModuleType:
                self._report(module)
            else:
                # A module that is only loaded when it is touched.
                self._report_when_run(spec.loader, name)

    def _report_when_initialized(self, spec: ModuleSpec, module: ModuleType) -> None:
        """Report a module that another thread is importing, once it is loaded."""
        if type(spec) is ModuleSpec:
            vars(spec)[_REPORT] = lambda: self._report_if_there(module)
            spec.__class__ = _Watched
            if not vars(spec).get("_initializing"):  # it was faster
                spec._initializing = False  # type: ignore[attr-defined]

    def _report_if_there(self, module: ModuleType) -> None:
        if sys.modules.get(module.__name__) is module:  # otherwise its import failed
            self._report(module)

    def _report_when_run(self, loader: Any, name: str) -> None:
        """Report the module `name` when `loader` has run it, and leave no trace in the loader."""
        before = vars(loader).get("exec_module")
        if getattr(before, "__module__", None) == __name__:
            return
        run = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            if _dictionary(module).get("__name__") != name:
                run(module)
                return
            if before is None:
                vars(loader).pop("exec_module", None)
            else:
                loader.exec_module = before
            self._running.add(name)
            try:
                run(module)
            finally:
                self._running.discard(name)
            with suppress(Exception):
                last = _dictionary(module)["__spec__"].loader
                if last is loader or type(module) is ModuleType:
                    self._report(module)
                else:
                    # It became a lazy module, which another loader loads when it is touched.
                    self._report_when_run(last, name)

        exec_module.__code__ = exec_module.__code__.replace(co_filename=_IMPORTLIB)
        loader.exec_module = exec_module

    def _found_by_others(
        self, name: str, path: Any, target: ModuleType | None
    ) -> ModuleSpec | None:
        """Ask the finders that come after this one: those before it were asked already."""
        is_after = False
        for finder in list(sys.meta_path):
            if is_after and hasattr(finder, "find_spec"):
                spec: ModuleSpec | None = finder.find_spec(name, path, target)
                if spec is not None:
                    return spec
            is_after = is_after or finder is self
        return None


def _is_installed(spec: Any, name: str) -> bool:
    """Return whether a spec says that its module is a distribution's; nothing of it is run."""
    if not issubclass(type(spec), ModuleSpec):
        return False
    # Loaded with the first SDK: most sessions load the extension before one.
    from dev_analytics.observers.installed import is_installed

    return is_installed(name, _of_spec(spec).get("origin"))


_REPORT: Final = "_dev_analytics_report"


class _Watched(ModuleSpec):
    """The spec of a module that is being imported, until it has been."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "_initializing" and not value:
            with suppress(Exception):
                self.__class__ = ModuleSpec  # type: ignore[assignment]
                vars(self).pop(_REPORT)()
