"""What may stand in `sys.modules` is told of when it has been imported, and is never touched."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import pytest

from dev_analytics.observers import hooks
from dev_analytics.observers.imports import Imports

SDK = "an_sdk_of_a_test"
RAN = "ran_of_a_test"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package that says when it runs, and waits in its midst if it shall."""
    package = tmp_path / "site" / SDK
    package.mkdir(parents=True)
    (package.parent / f"{SDK}-1.0.dist-info").mkdir()
    (package / "__init__.py").write_text(
        f"import {RAN}\n{RAN}.begun.append(__name__)\n"
        f"{RAN}.half.set()\nassert {RAN}.go_on.wait(60)\n"
        f"from {SDK} import part\n"
        f"if {RAN}.fails:\n    raise RuntimeError('of a test')\n"
        "value = 1\n"
    )
    (package / "part.py").write_text("value = 2\n")
    monkeypatch.syspath_prepend(package.parent)
    ran: Any = ModuleType(RAN)
    ran.begun, ran.half, ran.go_on, ran.fails = [], threading.Event(), threading.Event(), False
    ran.go_on.set()
    monkeypatch.setitem(sys.modules, RAN, ran)
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == SDK]:
        del sys.modules[name]


@pytest.fixture
def told() -> list[ModuleType]:
    return []


@pytest.fixture
def imports(told: list[ModuleType]) -> Iterator[Imports]:
    made = Imports((SDK,), told.append)
    yield made
    made.end()


def ran() -> Any:
    return sys.modules[RAN]


TOUCHED: list[str] = []


class Raises:
    def __getattribute__(self, name: str) -> Any:
        TOUCHED.append(name)
        raise RuntimeError(f"{name} was looked at")


class RaisingModule(ModuleType):
    def __getattribute__(self, name: str) -> Any:
        TOUCHED.append(name)
        raise RuntimeError(f"{name} was looked at")


def stub() -> ModuleType:
    return ModuleType("openai")


def strange_spec() -> ModuleType:
    made = ModuleType("openai")
    made.__spec__ = MagicMock()
    return made


@pytest.mark.parametrize(
    "thing", [MagicMock, Raises, lambda: RaisingModule("openai"), stub, strange_spec, lambda: None]
)
def test_anything_but_an_imported_module_is_left_alone(
    recorded: Any, monkeypatch: pytest.MonkeyPatch, thing: Callable[[], Any]
) -> None:
    hooks.unregister()
    stands_in = thing()
    mocked = stands_in if type(stands_in) is MagicMock else MagicMock()
    for name in hooks.HOOKS:
        monkeypatch.setitem(sys.modules, name, stands_in)
    before = set(sys.modules)
    TOUCHED.clear()
    hooks.register(recorded.analytics)
    # The import of another module, as of a part, looks at none either.
    assert importlib.util.find_spec("that_is_missing") is None
    assert hooks._IMPORTS.find_spec("openai.that_is_missing") is None
    assert TOUCHED == []
    assert set(sys.modules) == before
    assert not mocked.mock_calls
    assert not recorded.analytics.drops.counts
    assert hooks.State.active is None


def test_an_imported_module_is_reported(
    source: Path, imports: Imports, told: list[ModuleType]
) -> None:
    module = importlib.import_module(SDK)
    imports.begin()
    assert told == [module]
    imports.end()
    for name in (SDK, f"{SDK}.part"):
        del sys.modules[name]
    imports.begin()
    again: Any = importlib.import_module(SDK)
    assert told == [module, again]
    assert "exec_module" not in vars(again.__spec__.loader)
    importlib.reload(again)
    assert told == [module, again, again]


@pytest.mark.parametrize("fails", [False, True])
def test_a_module_that_another_thread_imports_is_reported_once_imported(
    source: Path, imports: Imports, told: list[ModuleType], fails: bool
) -> None:
    ran().go_on.clear()
    ran().fails = fails

    def work() -> None:
        try:
            importlib.import_module(SDK)
        except RuntimeError:
            assert fails

    thread = threading.Thread(target=work)
    thread.start()
    assert ran().half.wait(60)
    module = sys.modules[SDK]
    imports.begin()
    assert told == []
    ran().go_on.set()
    thread.join()
    assert told == ([] if fails else [module])
    assert type(module.__spec__) is ModuleSpec
    assert [name for name in vars(module.__spec__) if "analytics" in name] == []


def test_a_half_imported_package_is_reported_once_imported(
    source: Path, imports: Imports, told: list[ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own import had been begun, but not come so far that it stood in `sys.modules`."""

    class Late:
        def find_spec(self, name: str, *_: object) -> None:
            if name == SDK and imports not in sys.meta_path:
                # As the list is gone through, ours is not asked any more.
                sys.meta_path.insert(0, imports)

    monkeypatch.setattr(sys, "meta_path", [Late(), *sys.meta_path])
    module = importlib.import_module(SDK)
    assert told == [module]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lazy_module_is_reported_when_it_is_loaded(
    source: Path, imports: Imports, told: list[ModuleType], when: str
) -> None:
    if when == "after":
        imports.begin()
    spec = importlib.util.find_spec(SDK)
    assert spec is not None
    assert spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[SDK] = module
    spec.loader.exec_module(module)
    imports.begin()
    assert (told, ran().begun) == ([], [])
    assert module.value == 1
    assert ran().begun == [SDK]
    assert len(told) == 1
    assert told[0] is module


def test_lazy_modules_of_the_user_s_own_finder_stay_lazy(
    source: Path, imports: Imports, told: list[ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lazily:
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
            if name != SDK:
                return None
            found = importlib.machinery.PathFinder.find_spec(name, path)
            assert found is not None
            assert found.loader is not None
            found.loader = importlib.util.LazyLoader(found.loader)
            return found

    monkeypatch.setattr(sys, "meta_path", [Lazily(), *sys.meta_path])
    imports.begin()
    module = importlib.import_module(SDK)
    assert (told, ran().begun) == ([], [])
    assert module.value == 1
    assert ran().begun == [SDK]
    assert len(told) == 1


def test_a_loader_that_another_tool_has_changed_keeps_its_change(
    source: Path, imports: Imports, told: list[ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    loaders: list[Any] = []

    class Other:
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
            found = importlib.machinery.PathFinder.find_spec(name, path)
            if name == SDK and found is not None:
                loader: Any = found.loader
                run = loader.exec_module
                loaders.append(loader)
                loader.exec_module = lambda module: run(seen.append(name) or module)  # type: ignore[func-returns-value]
            return found

    monkeypatch.setattr(sys, "meta_path", [Other(), *sys.meta_path])
    imports.begin()
    module = importlib.import_module(SDK)
    assert (told, seen) == ([module], [SDK])
    assert loaders[0].exec_module.__name__ == "<lambda>"


def test_a_module_that_is_not_there_is_not_found_as_without_us(
    imports: Imports, told: list[ModuleType]
) -> None:
    imports.begin()
    with pytest.raises(ModuleNotFoundError) as missed:
        importlib.import_module(SDK)
    assert (missed.value.name, told) == (SDK, [])


def test_a_module_whose_import_ends_as_it_is_looked_at_is_reported(
    imports: Imports, told: list[ModuleType], source: Path
) -> None:
    module = importlib.import_module(SDK)
    spec = module.__spec__
    assert spec is not None
    imports._report_when_initialized(spec, module)
    assert told == [module]
    assert type(spec) is ModuleSpec


def test_a_module_whose_import_ends_after_unloading_is_not_hooked() -> None:
    hooks.unregister()
    hooks._hook(ModuleType("openai"))
    assert hooks.State.active is None
