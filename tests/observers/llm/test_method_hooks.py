"""Hooks beside those of other tools: put in and taken out in any order, of one call one record."""

from __future__ import annotations

import asyncio
import copy
import functools
import importlib
import inspect
import itertools
import json
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import MethodType
from typing import Any

import httpx2
import openai
import pytest
import wrapt
from fake_llm import MARK, FakeLLM, openai_chat

from dev_analytics.observers import hooks
from dev_analytics.observers.llm.method_hooks import MethodHooks

CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": MARK}]}
OPENAI = openai.OpenAI
BASE = next(cls for cls in OPENAI.__mro__ if "request" in vars(cls))


class Theirs:
    """Another tool, which puts a function in the place of the SDK's and later puts that back.

    Attributes
    ----------
    seen
        How many calls passed it.
    """

    def __init__(self, owner: type, style: str) -> None:
        self.owner, self.style, self.seen = owner, style, 0
        self.inherited = "request" not in vars(owner)

    def instrument(self) -> None:
        original = self.owner.request  # type: ignore[attr-defined]

        def plain(client: Any, *args: Any, **kwargs: Any) -> Any:
            self.seen += 1
            return original(client, *args, **kwargs)

        def wrapping(method: Any, client: Any, args: Any, kwargs: Any) -> Any:
            self.seen += 1
            return method(*args, **kwargs)

        made: dict[str, Callable[[], Any]] = {
            "a closure": lambda: plain,
            "wraps": lambda: functools.wraps(original)(plain),
            "wrapt": lambda: wrapt.FunctionWrapper(original, wrapping),
        }
        # As many do it: what was inherited is the class's own afterwards.
        self.original = original
        self.owner.request = made[self.style]()  # type: ignore[attr-defined]

    def uninstrument(self) -> None:
        self.owner.request = self.original  # type: ignore[attr-defined]

    def clean(self) -> None:
        if self.inherited and "request" in vars(self.owner):
            del self.owner.request  # type: ignore[attr-defined]


@pytest.fixture
def theirs(request: pytest.FixtureRequest) -> Iterator[Theirs]:
    one = Theirs(*request.param)
    yield one
    one.clean()


styles = pytest.mark.parametrize(
    "theirs",
    [
        pytest.param(pair, id=f"{pair[0].__name__}, {pair[1]}")
        for pair in itertools.product((OPENAI, BASE), ("a closure", "wraps", "wrapt"))
    ],
    indirect=True,
)


@styles
@pytest.mark.parametrize("first", ["theirs", "ours"])
@pytest.mark.parametrize("out", ["theirs", "ours", "theirs for a while"])
def test_each_call_is_one_record_in_any_order_of_loading_and_unloading(
    server: FakeLLM, recorded: Any, theirs: Theirs, first: str, out: str
) -> None:
    client = openai.OpenAI(base_url=f"{server.address}/v1", api_key=MARK, max_retries=0)
    hooks.unregister()
    before, code = vars(BASE)["request"], vars(BASE)["request"].__code__

    def ours() -> None:
        hooks.register(recorded.analytics)

    def seen() -> tuple[int, int]:
        """Ask once, and give how many records there are more, and how many calls they saw."""
        records, calls = len(recorded.calls()), theirs.seen
        client.chat.completions.create(**CHAT)
        return len(recorded.calls()) - records, theirs.seen - calls

    for begin in (theirs.instrument, ours) if first == "theirs" else (ours, theirs.instrument):
        begin()
    assert seen() == (1, 1)
    if out == "theirs":
        theirs.uninstrument()
        assert seen() == (1, 0)
        hooks.unregister()
        assert seen() == (0, 0)
        ours()
        assert seen() == (1, 0)
        hooks.unregister()
    elif out == "ours":
        hooks.unregister()
        assert seen() == (0, 1)
        ours()
        assert seen() == (1, 1)
        hooks.unregister()
        theirs.uninstrument()
    else:
        for _ in range(2):
            theirs.uninstrument()
            assert seen() == (1, 0)
            theirs.instrument()
            assert seen() == (1, 1)
        hooks.unregister()
        theirs.uninstrument()
    assert seen() == (0, 0)
    theirs.clean()
    assert vars(BASE)["request"] is before
    assert before.__code__ is code


def test_a_module_that_is_loaded_again_is_hooked_again(
    server: FakeLLM, recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"model": "llama3.2:1b", "messages": [{"role": "user", "content": MARK}]}
    module = importlib.import_module("ollama._client")
    first, before = module.Client, dict(vars(module))
    try:
        again = importlib.reload(module).Client
        assert again is not first
        for cls in (first, again):
            cls(server.address).chat(**asked)
        assert len(recorded.calls()) == 2
    finally:
        vars(module).update(before)
    # As somebody does it who wants a fresh one.
    for name in [name for name in sys.modules if name.partition(".")[0] == "ollama"]:
        monkeypatch.delitem(sys.modules, name)
    fresh = importlib.import_module("ollama")
    assert fresh.Client is not first
    fresh.Client(server.address).chat(**asked)
    assert len(recorded.calls()) == 3


def test_after_twenty_loads_each_call_is_recorded_once(server: FakeLLM, recorded: Any) -> None:
    client = openai.OpenAI(base_url=f"{server.address}/v1", api_key=MARK, max_retries=0)
    for number in range(20):
        hooks.unregister()
        hooks.register(recorded.analytics)
        client.chat.completions.create(**CHAT)
        assert len(recorded.calls()) == number + 1


class Base:
    def told(self, one: int, *, two: int = 2) -> tuple[object, ...]:
        """Return what it was given."""
        return one, two

    async def awaited(self, one: int = 1) -> int:
        return one


class Derived(Base):
    def told(self, one: int, *, two: int = 4) -> tuple[object, ...]:
        return *super().told(one, two=two), __class__  # type: ignore[name-defined]

    def generated(self) -> Iterator[int]:
        yield 1

    @contextmanager
    def managed(self) -> Iterator[int]:
        yield 1


NAMES = ("told", "awaited", "generated", "managed")


@pytest.fixture
def method_hooks() -> Iterator[MethodHooks]:
    made = MethodHooks()
    yield made
    made.remove()


def described() -> list[object]:
    methods = [getattr(Derived, name) for name in NAMES]
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction)
    return [
        (
            inspect.signature(each),
            inspect.getsource(each),
            each.__doc__,
            [kind(each) for kind in kinds],
        )
        for each in methods
    ]


def pickled(method: Any) -> Any:
    return pickle.loads(pickle.dumps(method))


def test_a_hooked_method_looks_and_works_as_before(method_hooks: MethodHooks) -> None:
    seen: list[tuple[object, ...]] = []

    def hook(method: MethodType, own: Any, args: Any, kwargs: Any) -> Any:
        seen.append((method.__name__, type(own).__name__, args, kwargs))
        return method(*args, **kwargs)

    before = described()
    for name in NAMES * 2:
        method_hooks.install(Derived, name, hook)
    assert described() == before
    one = Derived()
    assert one.told(3) == (3, 4, Derived)
    assert one.told(one=3, two=5) == (3, 5, Derived)
    with pytest.raises(TypeError, match=r"told\(\) missing 1 required positional argument"):
        one.told()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"Derived\.told\(\) missing 2 required"):
        Derived.told()  # type: ignore[call-arg]
    with one.managed() as value:
        assert [value, *one.generated()] == [1, 1]
    with pytest.raises(StopIteration, match="7"):
        one.awaited(7).send(None)
    for name in NAMES:
        for holder in (Derived, one):
            method: Any = getattr(holder, name)
            for again in (copy.copy(method), copy.deepcopy(method), pickled(method)):
                assert (again.__name__, type(again)) == (name, type(method))
        assert inspect.signature(pickled(one.generated)) == inspect.signature(one.generated)
    # A debugger looks at the variables of every frame.
    frames: list[object] = []

    def trace(frame: Any, event: str, arg: object) -> Callable[..., Any]:
        frames.append(dict(frame.f_locals))
        return trace

    tracing = sys.gettrace()
    sys.settrace(trace)
    try:
        one.told(3)
    finally:
        sys.settrace(tracing)
    assert len(frames) > 3
    assert [name for name, *_ in seen] == [
        *("told", "told", "told", "managed", "generated", "awaited", "told")
    ]
    method_hooks.remove()
    count = len(seen)
    assert one.told(3) == (3, 4, Derived)
    assert len(seen) == count
    assert "__signature__" not in vars(Derived.told)


def call(method: Any, own: Any, args: Any, kwargs: Any) -> Any:
    return method(*args, **kwargs)


def test_what_another_tool_has_restored_or_described_itself_is_removed_all_the_same(
    method_hooks: MethodHooks,
) -> None:
    class Own:
        def told(self) -> str:
            return "own"

    code, theirs = Own.told.__code__, inspect.Signature()
    method_hooks.install(Own, "told", call)
    Own.told.__code__ = code
    Own.told.__signature__ = theirs  # type: ignore[attr-defined]
    method_hooks.remove()
    assert not method_hooks._hooks
    assert vars(Own.told) == {"__signature__": theirs}


def test_a_method_that_is_no_function_of_its_class_is_wrapped(method_hooks: MethodHooks) -> None:
    class Own:
        counted = json.dumps

    before = dict(vars(Own))
    method_hooks.install(Own, "counted", call)
    assert vars(Own)["counted"] is not json.dumps
    assert inspect.getsource(json.dumps).startswith("def dumps")
    method_hooks.remove()
    assert dict(vars(Own)) == before


def test_code_that_another_tool_puts_in_place_of_ours_is_left_alone(
    method_hooks: MethodHooks,
) -> None:
    class Own:
        def told(self) -> str:
            return "own"

        def generated(self) -> Iterator[str]:
            yield "own"

    def theirs(self: object) -> str:
        return "theirs"

    def hook(method: MethodType, own: Any, args: Any, kwargs: Any) -> Any:
        seen.append(method.__name__)
        return method(*args, **kwargs)

    seen: list[str] = []
    before = vars(Own)["generated"]
    for name in ("told", "generated"):
        method_hooks.install(Own, name, hook)
    # One that changes the code of the function, and one that restores what it found.
    Own.told.__code__ = theirs.__code__
    Own.generated = before  # type: ignore[method-assign]
    assert (Own().told(), [*Own().generated()], seen) == ("theirs", ["own"], [])
    method_hooks.install(Own, "told", hook)
    assert (Own().told(), seen) == ("theirs", ["told"])
    # It goes before ours has gone, and puts ours back later.
    ours, Own.told.__code__ = Own.told.__code__, Own.generated.__code__
    method_hooks.remove()
    assert Own.told.__code__ is Own.generated.__code__
    assert vars(Own)["generated"] is before
    Own.told.__code__ = ours
    method_hooks.remove()
    assert (Own().told(), seen) == ("theirs", ["told"])


def test_threads_and_tasks_have_one_record_for_each_call_over_many_loads(
    server: FakeLLM, recorded: Any
) -> None:
    client = openai.OpenAI(base_url=f"{server.address}/v1", api_key=MARK, max_retries=0)
    answer = openai_chat({"model": "gpt-4o"}).body
    headers = {"content-type": "application/json"}
    transport = httpx2.MockTransport(
        lambda request: httpx2.Response(200, content=answer, headers=headers)
    )

    def reload() -> None:
        for _ in range(5):
            hooks.unregister()
            hooks.register(recorded.analytics)

    async def tasks() -> None:
        http = httpx2.AsyncClient(transport=transport)
        one = openai.AsyncOpenAI(api_key=MARK, http_client=http)
        await asyncio.gather(*(one.chat.completions.create(**CHAT) for _ in range(200)))

    for number in range(1, 4):
        reload()
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: client.chat.completions.create(**CHAT), range(20)))
        assert {type(each).__name__ for each in answers} == {"ChatCompletion"}
        reload()
        asyncio.run(tasks())
        assert len(recorded.calls()) == number * 220


def test_hooks_can_come_and_go_while_calls_run(server: FakeLLM, recorded: Any) -> None:
    client = openai.OpenAI(base_url=f"{server.address}/v1", api_key=MARK, max_retries=0)
    over = threading.Event()

    def work(_: int) -> int:
        asked = 0
        while not over.is_set():
            assert client.chat.completions.create(**CHAT).usage.prompt_tokens == 120
            asked += 1
        return asked

    with ThreadPoolExecutor(4) as pool:
        working = [pool.submit(work, number) for number in range(4)]
        for _ in range(200):
            hooks.unregister()
            hooks.register(recorded.analytics)
        over.set()
        asked = sum(each.result() for each in working)
    assert asked == len(server.received)
    # Of a call that began while there were none, there is none.
    assert len(recorded.calls()) <= asked
