"""Dictionaries of the user's: no look-up in one runs a method of a key of theirs."""

from __future__ import annotations

import builtins
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from keys import Dict, Key

from dev_analytics import Analytics
from dev_analytics.observers.errors import describe
from dev_analytics.observers.features import automagic
from dev_analytics.observers.llm.refusal import is_refused
from dev_analytics.observers.plain import MAX_NAMES, module_of, plain
from dev_analytics.observers.server import ServerEvents


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The modules of ours in whose look-ups a method of a key has run."""
    found: list[str] = []
    monkeypatch.setattr(Key, "ran", found, raising=False)
    return found


def test_a_key_s_own_method_would_run(ran: list[str]) -> None:
    assert eval("names['a']", {"__name__": "dev_analytics", "names": {Key("a"): 1}}) == 1
    assert ran == ["dev_analytics"]


def test_only_plain_keys_are_left() -> None:
    given = {"a": 1}
    assert plain(given) is given
    assert plain({Key("a"): 1, "b": 2, 3: 4}) == {"b": 2}
    assert list(dict.items(plain(Dict(a=1)))) == [("a", 1)]
    own: dict[str, object] = Dict({Key("a"): 1, "b": 2})
    assert plain(own) == {"b": 2}


def frame_in(names: dict[str, object]) -> Any:
    exec("import sys; frame = sys._getframe()", names)
    return dict.__getitem__(names, "frame")


def test_the_module_of_a_frame(ran: list[str]) -> None:
    assert module_of(sys._getframe()) == __name__
    assert module_of(frame_in({"__name__": "numpy"})) == "numpy"
    assert module_of(frame_in({})) is None
    assert module_of(frame_in({"__name__": Key("numpy")})) is None
    assert module_of(frame_in({Key("__name__"): "numpy"})) is None
    many: dict[str, object] = dict.fromkeys(map(str, range(MAX_NAMES)))
    assert module_of(frame_in({**many, "__name__": "numpy"})) is None
    assert not ran


def test_the_globals_of_a_frame_of_an_error(ran: list[str]) -> None:
    every: list[dict[str, Any]] = [
        {Key("__name__"): "dev_analytics"},
        Dict({Key("__name__"): "dev_analytics"}),
    ]
    for names in every:
        with pytest.raises(ZeroDivisionError) as raised:
            exec("1 / 0", names)
        assert describe(raised.value)["exception"] == "ZeroDivisionError"
        assert not is_refused(raised.value)
    assert not ran


def test_the_names_of_a_module_with_a_public_name(
    ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("numpy.exceptions")
    vars(module).pop("__file__", None)
    vars(module)[Key("__file__")] = "a"
    monkeypatch.setitem(sys.modules, "numpy.exceptions", module)
    error = type("AxisError", (Exception,), {"__module__": "numpy.exceptions"})
    assert describe(error())["exact"] is False
    assert not ran


def test_the_namespace_of_a_bare_magic(ran: list[str]) -> None:
    magics = SimpleNamespace(magics={"line": {"ls": None}})
    names: dict[str, object] = {Key("ls"): 1}
    shell = SimpleNamespace(
        automagic=True, user_ns=names, user_global_ns=Dict(names), magics_manager=magics
    )
    assert "run_line_magic" in automagic("ls", shell)
    shell.user_ns = {"ls": 1}
    assert automagic("ls", shell) == "ls"
    magics.magics["line"] = {Key("ls"): None}
    assert automagic("ls", shell) == "ls"
    assert "ls" not in vars(builtins)
    assert not ran


def test_the_data_of_a_server_s_event(analytics: Analytics, ran: list[str]) -> None:
    observer = ServerEvents(analytics)
    observer._kernel({Key("action"): "start", "status": "success"})
    observer._file({Key("action"): "save", "path": "a.py"})
    observer._file({"action": "save", "path": Key("a.py")})
    assert not ran
