"""The real magic ``%%ai`` of Jupyter AI in a real shell, which asks with litellm."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_llm import MARK, FakeLLM

from dev_analytics.observers import hooks

FOLDER = Path(sys.prefix) / "jupyter-ai" / "site-packages"
pytestmark = pytest.mark.filterwarnings("ignore:Importing:UserWarning")


@pytest.fixture(scope="module")
def installed() -> Path:
    """Return its folder outside the environment, as it needs other versions of SDKs."""
    assert FOLDER.is_dir(), "Jupyter AI is missing: run make .venv/jupyter-ai.stamp"
    return FOLDER


@pytest.fixture
def magic(
    shell: Any, installed: Path, server: FakeLLM, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[[str], Any]]:
    """Ask by a cell with these options."""
    monkeypatch.syspath_prepend(installed)
    monkeypatch.setenv("OPENAI_API_KEY", MARK)
    # It looks there for a file with keys.
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)

    def ask(options: str) -> Any:
        result = shell.run(f"%%ai openai/gpt-4o --api-base {server.address}/v1 {options}\n{MARK}")
        assert result.success
        return result.result

    yield ask
    for name in set(sys.modules) - before:
        if name.startswith("jupyter_ai"):
            del sys.modules[name]


@pytest.mark.parametrize("loaded", ["before", "after"])
@pytest.mark.parametrize(
    ("options", "edit_format"),
    [("-f code", "code"), ("-f json", "json"), ("", "markdown")],
)
def test_the_output_format_is_the_edit_format_of_the_call(
    shell: Any,
    magic: Callable[[str], Any],
    request: pytest.FixtureRequest,
    loaded: str,
    options: str,
    edit_format: str,
) -> None:
    if loaded == "before":
        assert shell.run("%load_ext jupyter_ai_magic_commands").success
        recorded = request.getfixturevalue("recorded")
    else:
        recorded = request.getfixturevalue("recorded")
        assert shell.run("%load_ext jupyter_ai_magic_commands").success
    magic(options)
    (call,) = recorded.calls()
    assert (call["edit_format"], call["tool"]) == (edit_format, "jupyter_ai")
    assert (call["$ai_model"], call["$ai_input_tokens"]) == ("gpt-4o", 120)


def test_a_call_outside_the_magic_does_not_have_its_format(
    shell: Any, magic: Callable[[str], Any], server: FakeLLM, recorded: Any
) -> None:
    assert shell.run("%load_ext jupyter_ai_magic_commands").success
    magic("-f code")
    with recorded.analytics.edit_format("diff"):
        shell.run(
            "import litellm; litellm.completion('openai/gpt-4o', api_key='k',"
            f" api_base='{server.address}/v1', messages=[])"
        )
    calls = [(call["edit_format"], call.get("tool")) for call in recorded.calls()]
    assert calls == [("code", "jupyter_ai"), ("diff", None)]


def test_unloading_takes_the_hook_out_and_the_magic_works_on(
    shell: Any, magic: Callable[[str], Any], recorded: Any
) -> None:
    assert shell.run("%load_ext jupyter_ai_magic_commands").success
    magics = sys.modules["jupyter_ai_magic_commands.magics"].AiMagics
    hooked = vars(magics)["run_ai_cell"].__code__
    hooks.unregister()
    assert vars(magics)["run_ai_cell"].__code__ is not hooked
    assert MARK in magic("-f text").text
    assert recorded.calls() == []


def test_a_failure_of_ours_does_not_reach_the_user(
    shell: Any, magic: Callable[[str], Any], recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of order")

    assert shell.run("%load_ext jupyter_ai_magic_commands").success
    monkeypatch.setattr(recorded.analytics, "edit_format", fail)
    assert MARK in magic("-f text").text
    assert sum(recorded.analytics.drops.counts.values()) == 1
    recorded.analytics.drops.counts.clear()
    assert "edit_format" not in recorded.calls()[0]
