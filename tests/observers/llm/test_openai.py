"""Calls made with the real SDK of OpenAI, in the lowest version supported and the newest."""

from __future__ import annotations

import asyncio
import inspect
import json
import operator
import os
import signal
import threading
from collections.abc import Callable
from typing import Any, cast

import httpx
import openai
import pytest
from fake_llm import MARK, FakeLLM, Reply, failure, openai_chat

from dev_analytics.consent.decision import Switch
from dev_analytics.observers import hooks
from dev_analytics.observers.llm.stainless import MAX_ADDRESSES

CHAT: dict[str, Any] = {
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": MARK}],
    "user": MARK,
}
USAGE = {
    "$ai_input_tokens": 120,
    "$ai_output_tokens": 30,
    "$ai_cache_read_input_tokens": 100,
    "$ai_reasoning_tokens": 20,
}
ASKED: Any = {
    "$ai_provider": "local",
    "$ai_model": "gpt-4o",
    "$ai_is_error": False,
    "operation": "chat",
    "sdk": "openai",
    "stream": False,
}
STREAMED = {**ASKED, "stream": True}
COUNTED: dict[str, Any] = {"extra_body": {"stream_options": {"include_usage": True}}}
FAR_OFF = "https://api.openai.com/v1"
OPENROUTER = "https://openrouter.ai/api/v1"


def client(server: FakeLLM, **options: Any) -> openai.OpenAI:
    address = f"{server.address}/{MARK}/v1"
    return openai.OpenAI(
        **{
            "base_url": address,
            "api_key": f"sk-{MARK}",
            "organization": MARK,
            "max_retries": 0,
            # The lowest version cannot make one of the pinned httpx by itself.
            "http_client": None if newest() else httpx.Client(base_url=address),
            **options,
        }
    )


def async_client(server: FakeLLM) -> openai.AsyncOpenAI:
    address = f"{server.address}/{MARK}/v1"
    return openai.AsyncOpenAI(
        base_url=address,
        api_key=f"sk-{MARK}",
        max_retries=0,
        http_client=None if newest() else cast(Any, httpx.AsyncClient(base_url=address)),
    )


def newest() -> bool:
    return "EXPECTED_OPENAI" not in os.environ


def test_the_version_is_the_one_expected() -> None:
    if not newest():
        assert openai.__version__ == os.environ["EXPECTED_OPENAI"]


def test_a_chat(server: FakeLLM, recorded: Any) -> None:
    answer = client(server).chat.completions.create(**CHAT)
    assert type(answer).__name__ == "ChatCompletion"
    call = recorded.call()
    assert call == {**ASKED, **USAGE}


def test_an_asynchronous_chat(server: FakeLLM, recorded: Any) -> None:
    asyncio.run(async_client(server).chat.completions.create(**CHAT))
    assert recorded.call() == {**ASKED, **USAGE}


def test_tools_and_system_prompts_are_not_read(server: FakeLLM, recorded: Any) -> None:
    messages = [{"role": "system", "content": MARK}, *CHAT["messages"]]
    tool: Any = {"type": "function", "function": {"name": MARK, "parameters": {"type": "object"}}}
    client(server).chat.completions.create(model="gpt-4o", messages=messages, tools=[tool])
    assert recorded.call() == {**ASKED, **USAGE}


def test_embeddings(server: FakeLLM, recorded: Any) -> None:
    client(server).embeddings.create(model="text-embedding-3-small", input=MARK)
    call = recorded.call()
    assert (call["operation"], call["$ai_model"]) == ("embeddings", "text-embedding-3-small")
    assert call["$ai_input_tokens"] == 9
    assert "$ai_output_tokens" not in call


def test_a_text_completion(server: FakeLLM, recorded: Any) -> None:
    client(server).completions.create(model="gpt-3.5-turbo-instruct", prompt=MARK)
    call = recorded.call()
    assert (call["operation"], call["$ai_model"]) == ("text_completion", "gpt-3.5-turbo-instruct")
    assert (call["$ai_input_tokens"], call["$ai_output_tokens"]) == (7, 8)


def test_a_stream_with_usage(server: FakeLLM, recorded: Any) -> None:
    stream = client(server).chat.completions.create(**CHAT, stream=True, **COUNTED)
    assert isinstance(stream, openai.Stream)
    assert len(list(stream)) == 4
    assert recorded.call() == {**STREAMED, **USAGE}


def test_a_stream_without_usage_has_no_tokens(server: FakeLLM, recorded: Any) -> None:
    assert len(list(client(server).chat.completions.create(**CHAT, stream=True))) == 3
    assert recorded.call() == STREAMED


def test_a_streamed_text_completion(server: FakeLLM, recorded: Any) -> None:
    asked: dict[str, Any] = {"model": "gpt-3.5-turbo-instruct", "prompt": MARK}
    assert len(list(client(server).completions.create(**asked, stream=True))) == 2
    assert recorded.call()["stream"] is True


@pytest.mark.parametrize("more", [{}, COUNTED])
def test_an_asynchronous_stream(server: FakeLLM, recorded: Any, more: dict[str, Any]) -> None:
    async def ask() -> int:
        stream = await async_client(server).chat.completions.create(**CHAT, stream=True, **more)
        return len([chunk async for chunk in stream])

    assert asyncio.run(ask()) == (4 if more else 3)
    assert recorded.call() == {**STREAMED, **(USAGE if more else {})}


def test_a_stream_read_in_part_is_one_call(server: FakeLLM, recorded: Any) -> None:
    stream = client(server).chat.completions.create(**CHAT, stream=True)
    next(stream)
    del stream
    assert recorded.call() == STREAMED


def test_a_stream_never_read_is_one_call(server: FakeLLM, recorded: Any) -> None:
    client(server).chat.completions.create(**CHAT, stream=True)
    assert recorded.call() == STREAMED


def test_an_asynchronous_stream_read_in_part_is_one_call(server: FakeLLM, recorded: Any) -> None:
    async def ask() -> None:
        stream = await async_client(server).chat.completions.create(**CHAT, stream=True)
        async for _ in stream:
            break

    asyncio.run(ask())
    assert recorded.call() == STREAMED


def test_a_raw_answer_is_read_when_its_user_parses_it(server: FakeLLM, recorded: Any) -> None:
    raw = client(server).chat.completions.with_raw_response.create(**CHAT)
    assert recorded.calls() == []
    assert raw.parse() is raw.parse()
    assert recorded.call() == {**ASKED, **USAGE}


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_raw_answer_that_cannot_be_parsed_is_a_failed_call(
    server: FakeLLM, recorded: Any, asynchronous: bool
) -> None:
    server.replies.append(Reply(b"{"))

    async def ask_async() -> None:
        asking = async_client(server).chat.completions.with_streaming_response
        async with asking.create(**CHAT) as raw:
            await raw.parse()

    def ask() -> None:
        client(server).chat.completions.with_raw_response.create(**CHAT).parse()

    with pytest.raises(json.JSONDecodeError):
        asyncio.run(ask_async()) if asynchronous and newest() else ask()
    assert recorded.call()["$ai_is_error"]


def test_an_address_of_a_class_of_the_user_s_is_not_asked_for_its_provider(
    server: FakeLLM, recorded: Any
) -> None:
    one = client(server)
    theirs: Any = type("Address", (type(one.base_url),), {})
    one._base_url = theirs(str(one.base_url))
    one.chat.completions.create(**CHAT)
    assert recorded.call()["$ai_provider"] == "other"


def test_a_raw_answer_that_nobody_parses_is_one_call(server: FakeLLM, recorded: Any) -> None:
    client(server).chat.completions.with_raw_response.create(**CHAT)
    assert recorded.call() == ASKED


def test_a_raw_stream_is_read_to_its_end(server: FakeLLM, recorded: Any) -> None:
    stream = (
        client(server)
        .chat.completions.with_raw_response.create(**CHAT, stream=True, **COUNTED)
        .parse()
    )
    assert recorded.calls() == []
    assert len(list(stream)) == 4
    assert recorded.call() == {**STREAMED, **USAGE}


def test_an_asynchronous_raw_answer(server: FakeLLM, recorded: Any) -> None:
    async def ask() -> None:
        raw = await async_client(server).chat.completions.with_raw_response.create(**CHAT)
        parsed = raw.parse()
        await parsed if inspect.isawaitable(parsed) else parsed

    asyncio.run(ask())
    assert recorded.call() == {**ASKED, **USAGE}


def ask_azure(server: FakeLLM, deployment: str, *, asynchronous: bool) -> None:
    address = f"{server.address}/{MARK}"
    kind: Any = openai.AsyncAzureOpenAI if asynchronous else openai.AzureOpenAI
    library: Any = httpx.AsyncClient if asynchronous else httpx.Client
    one = kind(
        azure_endpoint=address,
        api_key=MARK,
        api_version="2024-06-01",
        max_retries=0,
        http_client=None if newest() else library(base_url=f"{address}/openai/"),
    )
    answer = one.chat.completions.create(**{**CHAT, "model": deployment})
    if asynchronous:
        asyncio.run(answer)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_azure_is_named_by_its_model_and_not_by_its_deployment(
    server: FakeLLM, recorded: Any, asynchronous: bool
) -> None:
    ask_azure(server, f"deployment-{MARK}", asynchronous=asynchronous)
    assert f"/deployments/deployment-{MARK}/" in server.received[0].path
    assert recorded.call() == {**ASKED, **USAGE, "$ai_provider": "azure"}


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_deployment_at_azure_is_not_taken_for_a_model_on_an_error(
    server: FakeLLM, recorded: Any, asynchronous: bool
) -> None:
    server.replies.append(failure(429))
    with pytest.raises(openai.RateLimitError):
        ask_azure(server, "gpt-4o", asynchronous=asynchronous)
    call = recorded.call()
    assert (call["$ai_provider"], call["$ai_error"]) == ("azure", "openai.RateLimitError")
    assert "$ai_model" not in call


@pytest.mark.parametrize(
    ("asked", "named", "fine_tuned"),
    [
        (f"ft:gpt-4o-mini-2024-07-18:acme:{MARK}:abc", "gpt-4o-mini", True),
        ("o3-mini-2025-01-31", "o3-mini", None),
        (f"private-{MARK.lower()}", "other", None),
    ],
)
def test_a_model_is_named_by_the_vocabulary(
    server: FakeLLM, recorded: Any, asked: str, named: str, fine_tuned: bool | None
) -> None:
    reply = openai_chat({"model": "gpt-4o"})
    server.replies.append(Reply(reply.body.replace(b"gpt-4o-2024-08-06", asked.encode())))
    client(server).chat.completions.create(**{**CHAT, "model": asked})
    call = recorded.call()
    assert call["$ai_model"] == named
    assert call.get("fine_tuned") is fine_tuned


ERRORS = {
    400: "openai.BadRequestError",
    401: "openai.AuthenticationError",
    429: "openai.RateLimitError",
    500: "openai.InternalServerError",
    529: "openai.InternalServerError",
}


@pytest.mark.parametrize("status", ERRORS)
def test_an_error_is_the_sdk_s_own_and_recorded_by_class(
    server: FakeLLM, recorded: Any, status: int
) -> None:
    server.replies.append(failure(status))
    with pytest.raises(openai.APIStatusError) as caught:
        client(server).chat.completions.create(**CHAT)
    assert f"openai.{type(caught.value).__name__}" == ERRORS[status]
    assert recorded.call() == {
        **ASKED,
        "$ai_is_error": True,
        "$ai_error": ERRORS[status],
        "$ai_http_status": status,
    }


def test_an_asynchronous_error(server: FakeLLM, recorded: Any) -> None:
    server.replies.append(failure(429))
    with pytest.raises(openai.RateLimitError):
        asyncio.run(async_client(server).chat.completions.create(**CHAT))
    assert recorded.call()["$ai_error"] == "openai.RateLimitError"


def test_a_request_that_is_tried_again_is_one_call(server: FakeLLM, recorded: Any) -> None:
    server.replies.append(failure(500))
    client(server, max_retries=1).chat.completions.create(**CHAT)
    assert len(server.received) == 2
    assert recorded.call() == {**ASKED, **USAGE}


def test_a_server_that_is_not_there(server: FakeLLM, recorded: Any) -> None:
    server.replies.append(Reply(b"", cut=0, status=200)._replace(body=b"{}"))
    with pytest.raises(openai.APIConnectionError):
        client(server).chat.completions.create(**CHAT)
    assert recorded.call()["$ai_error"] == "openai.APIConnectionError"


def test_a_stream_that_is_cut(server: FakeLLM, recorded: Any) -> None:
    reply = openai_chat({**CHAT, "stream": True})
    server.replies.append(reply._replace(cut=reply.body.index(b"\n\n") + 5))
    stream = client(server).chat.completions.create(**CHAT, stream=True)
    next(stream)
    with pytest.raises(Exception, match=r"(?i)connection|peer"):
        next(stream)
    call = recorded.call()
    assert call["$ai_is_error"] is True
    # The lowest version lets the error of the HTTP library through, which is no class of its own.
    assert call["$ai_error"] == ("openai.APIConnectionError" if newest() else "other")


class Held:
    """Answers of a server that are held back: what is `done` at each, until `release`."""

    def __init__(self, server: FakeLLM, done: Callable[[], object]) -> None:
        self._answer, self._done = server.answer, done
        self.release = threading.Event()
        server.answer = self.answer  # type: ignore[method-assign]

    def answer(self, path: str, body: bytes) -> Reply:
        self._done()
        assert self.release.wait(240)
        return self._answer(path, body)


def test_an_interrupt_is_not_an_error_of_the_provider(server: FakeLLM, recorded: Any) -> None:
    # A job in the background may have been told to take none.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    here = threading.get_ident()
    held = Held(server, lambda: signal.pthread_kill(here, signal.SIGINT))
    try:
        with pytest.raises(KeyboardInterrupt):
            client(server).chat.completions.create(**CHAT)
    finally:
        held.release.set()
        signal.signal(signal.SIGINT, before)
    assert recorded.call() == ASKED


def test_a_cancelled_task_is_not_an_error_of_the_provider(server: FakeLLM, recorded: Any) -> None:
    asked = threading.Event()
    held = Held(server, asked.set)

    async def cancel() -> None:
        asking = asyncio.create_task(async_client(server).chat.completions.create(**CHAT))
        assert await asyncio.to_thread(asked.wait, 60)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    try:
        asyncio.run(cancel())
    finally:
        held.release.set()
    assert recorded.call() == ASKED


def test_a_wrong_call_raises_the_same_error_as_without_hooks(
    server: FakeLLM, recorded: Any
) -> None:
    with pytest.raises(TypeError, match="Missing required arguments"):
        client(server).chat.completions.create(model="gpt-4o")
    unsayable: Any = [object()]
    for stream in (False, True):
        with pytest.raises(TypeError, match="JSON"):
            client(server).chat.completions.create(
                model="gpt-4o", messages=unsayable, stream=stream
            )
    assert (server.received, recorded.calls()) == ([], [])


def test_other_paths_are_not_observed(server: FakeLLM, recorded: Any) -> None:
    with pytest.raises(openai.NotFoundError):
        client(server).moderations.create(input=MARK)
    assert recorded.calls() == []


def test_requests_on_the_wire_are_unchanged(server: FakeLLM, recorded: Any) -> None:
    def ask() -> None:
        fresh = client(server)
        fresh.chat.completions.create(**CHAT)
        list(fresh.chat.completions.create(**CHAT, stream=True))
        fresh.chat.completions.with_raw_response.create(**CHAT).parse()

    ask()
    hooks.unregister()
    ask()
    with_us, without = server.received[:3], server.received[3:]
    assert with_us == without


def test_signatures_are_unchanged(recorded: Any) -> None:
    hooked = {cls: inspect.signature(cls.request) for cls in (openai.OpenAI, openai.AsyncOpenAI)}
    assert inspect.iscoroutinefunction(openai.AsyncOpenAI.request)
    assert not inspect.iscoroutinefunction(openai.OpenAI.request)
    hooks.unregister()
    assert hooked == {cls: inspect.signature(cls.request) for cls in hooked}


def test_unloading_takes_the_hooks_out(analytics: Any) -> None:
    classes = (openai.OpenAI, openai.AsyncOpenAI, openai.Stream)

    def methods() -> list[Any]:
        names = ("request", "close", "parse")
        found = [vars(base).get(name) for cls in classes for base in cls.__mro__ for name in names]
        return [part for each in found for part in (each, getattr(each, "__code__", None))]

    def same(one: list[Any], other: list[Any]) -> bool:
        return all(map(operator.is_, one, other))

    before = methods()
    hooks.register(analytics)
    assert not same(before, methods())
    hooks.unregister()
    assert same(before, methods())


@pytest.mark.parametrize("how", ["off", "disable", "DO_NOT_TRACK"])
def test_after_a_no_a_client_created_before_records_nothing(
    server: FakeLLM, recorded: Any, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    one = client(server)
    one.chat.completions.create(**CHAT)
    stream = one.chat.completions.create(**CHAT, stream=True)
    assert len(recorded.calls()) == 1
    recorded.analytics.stop_log()
    before = recorded.analytics.recording
    recorded.analytics.strict = False
    if how == "off":
        recorded.analytics.gate.switch = Switch(False, "a test")
    elif how == "disable":
        recorded.analytics.gate.store.opt_out()
    else:
        monkeypatch.setenv("DO_NOT_TRACK", "1")
    one.chat.completions.create(**CHAT)
    list(stream)
    recorded.analytics.pipeline.catch_up()
    after = recorded.analytics.recording
    assert before.recorded["$ai_generation"] == 1
    assert after is before or not after.recorded["$ai_generation"]


def test_a_client_used_before_loading_is_observed_too(
    server: FakeLLM, request: pytest.FixtureRequest
) -> None:
    one = client(server)
    one.chat.completions.create(**CHAT)
    recorded = request.getfixturevalue("recorded")
    one.chat.completions.create(**CHAT)
    assert recorded.call() == {**ASKED, **USAGE}


def test_the_user_s_hook_above_ours_stays_and_ours_becomes_idle(
    server: FakeLLM, recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    base: Any = next(cls for cls in openai.OpenAI.__mro__ if "request" in vars(cls))
    ours, seen = base.request, []

    def theirs(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(self)
        return ours(self, *args, **kwargs)

    monkeypatch.setattr(base, "request", theirs)
    client(server).chat.completions.create(**CHAT)
    hooks.unregister()
    client(server).chat.completions.create(**CHAT)
    assert base.request is theirs
    assert len(seen) == 2
    assert recorded.call() == {**ASKED, **USAGE}


def test_a_failure_of_ours_does_not_reach_the_user(
    server: FakeLLM, recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of order")

    for place in ("call.current", "call.belongs"):
        with monkeypatch.context() as broken:
            broken.setattr(f"dev_analytics.observers.llm.{place}", fail)
            answer = client(server).chat.completions.create(**CHAT)
            assert answer.usage.prompt_tokens == 120
    assert sum(recorded.analytics.drops.counts.values()) == 2
    recorded.analytics.drops.counts.clear()


# Each format has a model of its own, to tell whose call it is.
PAIRS = (
    ("diff", "gpt-4o"),
    ("whole", "gpt-4o-mini"),
    ("udiff", "o3-mini"),
    ("ask", "gpt-4-turbo"),
    ("architect", "gpt-3.5-turbo"),
) * 40


@pytest.fixture
def in_memory() -> Callable[[], openai.AsyncOpenAI]:
    """Make asynchronous clients whose requests never leave the process."""

    def make() -> openai.AsyncOpenAI:
        if newest():
            import httpx2

            library: Any = httpx2
        else:
            library = httpx
        headers = {"content-type": "application/json"}

        def answer(request: Any) -> Any:
            body = openai_chat(json.loads(request.content)).body
            return library.Response(200, content=body, headers=headers)

        transport = library.MockTransport(answer)
        return openai.AsyncOpenAI(
            api_key=MARK,
            base_url=FAR_OFF,
            http_client=library.AsyncClient(transport=transport, base_url=FAR_OFF),
        )

    return make


def test_two_hundred_tasks_have_each_its_own_edit_format(
    recorded: Any, in_memory: Callable[[], openai.AsyncOpenAI]
) -> None:
    async def ask(one: openai.AsyncOpenAI, edit_format: str, model: str) -> None:
        with recorded.analytics.edit_format(edit_format):
            await asyncio.sleep(0)
            await one.chat.completions.create(**{**CHAT, "model": model})

    async def all_at_once() -> None:
        one = in_memory()
        await asyncio.gather(*(ask(one, *pair) for pair in PAIRS))

    asyncio.run(all_at_once())
    calls = recorded.calls()
    assert sorted((call["edit_format"], call["$ai_model"]) for call in calls) == sorted(PAIRS)
    assert {call["$ai_provider"] for call in calls} == {"openai"}


def test_a_client_with_another_address_has_another_provider(
    recorded: Any, in_memory: Callable[[], openai.AsyncOpenAI]
) -> None:
    asked, addresses = [], []

    async def ask() -> None:
        one = in_memory()
        for number in range(MAX_ADDRESSES + 6):
            one.base_url = OPENROUTER if number % 3 else FAR_OFF
            addresses.append(one.base_url)
            there = str(one.base_url).startswith(OPENROUTER)
            asked.append("openrouter" if there else "openai")
            await one.chat.completions.create(**CHAT)

    asyncio.run(ask())
    # The lowest version goes on asking at its first address.
    assert set(asked) == ({"openai", "openrouter"} if newest() else {"openai"})
    assert [call["$ai_provider"] for call in recorded.calls()] == asked
