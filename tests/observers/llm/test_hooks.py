"""The hooks: put in whenever an SDK comes, at no cost before, and taken out whole."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from contextvars import copy_context
from importlib.util import LazyLoader, find_spec, module_from_spec
from pathlib import Path
from typing import Any

import openai
import pytest
from fake_llm import MARK, FakeLLM

from dev_analytics.analytics import Analytics
from dev_analytics.observers import hooks
from dev_analytics.views.status import status_rows

MESSAGES: Any = [{"role": "user", "content": MARK}]
# Each format has a model of its own, to tell whose call it is.
PAIRS = (
    ("diff", "gpt-4o"),
    ("whole", "gpt-4o-mini"),
    ("udiff", "o3-mini"),
    ("ask", "gpt-4-turbo"),
    ("architect", "gpt-3.5-turbo"),
) * 4

PROGRAM = """
import sys
from pathlib import Path
from dev_analytics.analytics import Analytics
from dev_analytics.observers import hooks

analytics = Analytics(delivery=None, strict=True)
analytics.log_to(Path({log!r}))
{before}
hooks.register(analytics)
if "openai" not in sys.modules:
    assert "wrapt" not in sys.modules, "loaded too early"
{after}
import openai
assert "exec_module" not in vars(openai.__spec__.loader)
client = openai.OpenAI(base_url={address!r}, api_key="k", max_retries=0)
client.chat.completions.create(model="gpt-4o-2024-08-06", messages=[])
{last}
assert "genai_prices" not in sys.modules
"""


def run(server: FakeLLM, log: Any, *, before: str = "", after: str = "", last: str = "") -> str:
    address = f"{server.address}/v1"
    program = PROGRAM.format(
        log=str(log.path), before=before, after=after, last=last, address=address
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


@pytest.mark.parametrize("when", ["before", "after", "within a from-import"])
def test_a_call_of_an_sdk_imported_before_or_after_loading_is_recorded_at_once(
    server: FakeLLM, log: Any, when: str
) -> None:
    if when == "before":
        run(server, log, before="import openai")
    elif when == "after":
        run(server, log, after="import openai")
    else:
        run(server, log, after="from openai.types.chat import ChatCompletion")
    (call,) = log.of("$ai_generation")
    assert (call["$ai_model"], call["sdk"]) == ("gpt-4o", "openai")


def test_without_the_extra_nothing_breaks_and_status_says_what_to_install(
    server: FakeLLM, log: Any
) -> None:
    block = """
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "wrapt":
            raise ModuleNotFoundError(name, name="wrapt")
sys.meta_path.insert(0, Missing())
"""
    show = """
analytics.pipeline.catch_up()
assert not analytics.drops.counts
from dev_analytics.views.status import status
print(status(analytics, analytics.gate.now()[0]))
"""
    shown = run(server, log, before=block, last=show)
    assert 'pip install "dev-analytics[llm]"' in shown
    assert log.of("$ai_generation") == []


def test_a_complete_installation_is_not_mentioned_in_the_status(recorded: Any) -> None:
    assert "openai" in hooks.State.seen
    analytics = recorded.analytics
    assert "LLM calls" not in status_rows(analytics, analytics.gate.now()[0])


def test_calls_and_events_by_hand_keep_their_order_and_edit_format(
    server: FakeLLM, recorded: Any
) -> None:
    client = openai.OpenAI(base_url=f"{server.address}/v1", api_key=MARK)
    with recorded.analytics.edit_format("diff"):
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    with recorded.analytics.edit_format("whole"):
        recorded.analytics.event("message_send", model="gpt-4o-2024-08-06")
    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    calls = recorded.calls()
    assert [call.get("edit_format") for call in calls] == ["diff", "whole", None]
    assert {call["$ai_model"] for call in calls} == {"gpt-4o"}


def test_twenty_threads_have_one_call_each_in_their_own_edit_format(
    server: FakeLLM, recorded: Any
) -> None:
    client = openai.OpenAI(base_url=f"{server.address}/v1", api_key=MARK)
    together = threading.Barrier(20)

    def ask(model: str) -> None:
        client.chat.completions.create(model=model, messages=MESSAGES)

    def work(edit_format: str, model: str) -> None:
        with recorded.analytics.edit_format(edit_format):
            together.wait()
            helper = threading.Thread(target=copy_context().run, args=(ask, model))
            helper.start()
            helper.join()

    threads = [threading.Thread(target=work, args=pair) for pair in PAIRS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls = recorded.calls()
    assert sorted((call["edit_format"], call["$ai_model"]) for call in calls) == sorted(PAIRS)


def test_the_extension_in_a_kernel_observes_calls(
    kernel: Callable[..., Any], server: FakeLLM, log: Any
) -> None:
    notebook = kernel({"DEV_ANALYTICS_LOG": str(log.path)})
    for cell in (
        "%load_ext dev_analytics",
        "import openai, dev_analytics",
        f"client = openai.OpenAI(base_url='{server.address}/v1', api_key='{MARK}')",
        f"ask = lambda: client.chat.completions.create(model='gpt-4o', messages={MESSAGES})",
        "with dev_analytics.get_analytics().edit_format('diff'): _ = ask()",
        "dev_analytics.get_analytics().pipeline.catch_up()",
        "%dev_analytics log --stop",
        "_ = ask()",
        "%unload_ext dev_analytics",
        "_ = ask()",
        "type(client).request.__class__.__name__",
    ):
        ran = notebook.run(cell)
        assert ran.status == "ok", ran.text
    assert ran.text == "'function'"
    notebook.stop()
    (call,) = log.of("$ai_generation")
    assert call["edit_format"] == "diff"


@pytest.mark.parametrize("module", ["dev_analytics.drops", "dev_analytics.that_is_missing"])
def test_a_failing_hook_module_is_counted_and_the_import_goes_on(
    analytics: Analytics, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str
) -> None:
    (tmp_path / "an_sdk").mkdir()
    (tmp_path / "an_sdk-1.0.dist-info").mkdir()
    (tmp_path / "an_sdk" / "__init__.py").write_text("value = 1")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(hooks.HOOKS, "an_sdk", module)
    hooks.register(analytics)
    import an_sdk  # type: ignore[import-not-found]

    # What the extra does not give, it is no use to install it for.
    assert "LLM calls" not in status_rows(analytics, analytics.gate.now()[0])
    hooks.unregister()
    assert an_sdk.value == 1
    assert sum(analytics.drops.counts.values()) == 1
    del sys.modules["an_sdk"]
    hooks.State.seen.discard("an_sdk")


def test_an_object_in_sys_modules_is_not_touched_and_a_lazy_module_stays_lazy(
    analytics: Analytics, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Touched:
        def __getattribute__(self, name: str) -> object:
            raise SystemExit(name)

    for name in ("a_lazy_sdk", "another_lazy_sdk"):
        (tmp_path / name).mkdir()
        (tmp_path / f"{name}-1.0.dist-info").mkdir()
        (tmp_path / name / "__init__.py").write_text("value = 1\nimport a_marker")
    (tmp_path / "a_marker.py").touch()
    (tmp_path / "a_hook.py").write_text("hooked = []\ndef hook(module): hooked.append(module)")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("an_object", "a_lazy_sdk", "another_lazy_sdk"):
        monkeypatch.setitem(hooks.HOOKS, name, "a_hook")
    before = lazy("a_lazy_sdk")
    # It is gone again when a failure is reported, which asks every module.
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "an_object", Touched())
        hooks.register(analytics)
        after = lazy("another_lazy_sdk")
        assert "a_marker" not in sys.modules
        assert (before.value, after.value) == (1, 1)
    import a_hook  # type: ignore[import-not-found]

    hooked = [module.__name__ for module in a_hook.hooked]
    hooks.unregister()
    assert hooked == ["a_lazy_sdk", "another_lazy_sdk"]
    assert analytics.drops.counts == {}
    for name in ("a_lazy_sdk", "another_lazy_sdk", "a_marker", "a_hook"):
        sys.modules.pop(name, None)
        hooks.State.seen.discard(name)


@pytest.mark.parametrize("body", ["1 / 0", "raise ImportError", "import no_such_module"])
def test_a_failing_import_shows_the_same_as_without_hooks(
    analytics: Analytics, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str
) -> None:
    (tmp_path / "a_broken_sdk.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(hooks.HOOKS, "a_broken_sdk", "a_hook")
    shown = []
    for observed in (False, True):
        if observed:
            hooks.register(analytics)
        try:
            import a_broken_sdk  # type: ignore[import-not-found]  # noqa: F401
        except Exception as error:
            shown.append(traceback.format_exception(error))
    hooks.unregister()
    assert shown[0] == shown[1]
    assert analytics.drops.counts == {}


@pytest.mark.parametrize("loaded", ["before", "after"])
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("fireworks", "fireworks.py"),
        ("openai", "openai/__init__.py"),
        ("xai_sdk.sync.chat", "xai_sdk/sync/chat.py"),  # a folder without __init__.py
    ],
)
def test_a_user_module_with_the_name_of_an_sdk_is_not_touched(
    recorded: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    file: str,
    loaded: str,
) -> None:
    place = tmp_path / file
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("touched = []\ndef __getattr__(n): touched.append(n); raise SystemExit(n)\n")
    # What describes another distribution does not make an SDK of it.
    (tmp_path / "numpy-2.0.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    hooks.unregister()
    top = name.partition(".")[0]
    with monkeypatch.context() as patch:
        for each in [each for each in sys.modules if each.partition(".")[0] == top]:
            patch.delitem(sys.modules, each)
        importlib.invalidate_caches()
        if loaded == "before":
            hooks.register(recorded.analytics)
        module: Any = importlib.import_module(name)
        before = set(vars(module))
        if loaded == "after":
            hooks.register(recorded.analytics)
        assert vars(module)["touched"] == []
        assert set(vars(module)) == before
        assert "exec_module" not in vars(module.__spec__.loader)
        assert recorded.analytics.drops.counts == {}
        for each in [each for each in sys.modules if each.partition(".")[0] == top]:
            del sys.modules[each]


def lazy(name: str) -> Any:
    """Import a module that is run only when it is used."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    spec.loader = LazyLoader(spec.loader)
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("module", "gone"),
    [
        ("botocore.client", "botocore.endpoint.Endpoint"),
        ("aiobotocore.client", "aiobotocore.eventstream.AioEventStream"),
        ("cohere.v2.raw_client", "cohere.v2.raw_client.AsyncRawV2Client"),
        ("cohere.raw_base_client", "cohere.raw_base_client.RawBaseCohere"),
        ("mistralai.client.chat", "mistralai.client.chat.Chat.stream"),
        ("mistralai.client.conversations", "mistralai.client.conversations.Conversations.start"),
        ("mistralai.client.fim", "mistralai.client.fim.Fim.complete_async"),
        ("mistralai.client.embeddings", "mistralai.client.embeddings.Embeddings.create"),
    ],
)
def test_calls_that_an_sdk_no_longer_lets_us_see_are_a_counted_failure(
    module: str, gone: str, analytics: Analytics, monkeypatch: pytest.MonkeyPatch
) -> None:
    importlib.import_module(module)
    monkeypatch.delattr(gone)
    hooks.register(analytics)
    try:
        assert analytics.drops.counts == {"failure inside": 1}
    finally:
        hooks.unregister()
