"""Calls made with the real litellm: one record each, whoever makes the request for it."""

from __future__ import annotations

import asyncio
import os
import threading
from datetime import date
from typing import Any

import litellm
import pytest
from fake_llm import MARK, FakeLLM, Reply, failure

from dev_analytics.analytics import Analytics
from dev_analytics.observers.llm import hooks
from dev_analytics.observers.llm import litellm as ours

MESSAGES: Any = [{"role": "system", "content": MARK}, {"role": "user", "content": MARK}]
OPENAI_USAGE = {
    "$ai_input_tokens": 120,
    "$ai_output_tokens": 30,
    "$ai_cache_read_input_tokens": 100,
    "$ai_reasoning_tokens": 20,
}
CLAUDE_USAGE = {
    "$ai_input_tokens": 335,
    "$ai_output_tokens": 30,
    "$ai_cache_read_input_tokens": 200,
    "$ai_cache_creation_input_tokens": 115,
}
CLAUDE = "anthropic/claude-3-5-haiku-20241022"


def test_the_version_is_the_one_expected() -> None:
    from importlib.metadata import version

    assert version("litellm") == os.environ.get("EXPECTED_LITELLM", version("litellm"))


@pytest.fixture
def options(server: FakeLLM) -> dict[str, Any]:
    return {"api_base": f"{server.address}/{MARK}", "api_key": f"sk-{MARK}", "max_retries": 0}


def told(call: dict[str, Any]) -> dict[str, Any]:
    """Give the tokens but the reasoning, of which not every version tells."""
    return {name: call.get(name) for name in CLAUDE_USAGE}


@pytest.fixture
def told_of(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Released whenever litellm has told us of a call, which it does in threads of its own."""
    told_of, real = threading.Semaphore(0), ours._take

    def take(*arguments: Any) -> None:
        real(*arguments)
        told_of.release()

    monkeypatch.setattr(ours, "_take", take)
    return told_of


@pytest.fixture
def ask(told_of: threading.Semaphore, options: Any) -> Any:
    """Ask synchronously, or not, streamed or not, and wait until litellm has told us."""

    async def asynchronously(model: str, **more: Any) -> None:
        answer = await litellm.acompletion(model, MESSAGES, **options, **more)
        if more.get("stream"):
            async for _ in answer:
                pass

    async def until_told(model: str, more: dict[str, Any]) -> None:
        try:
            await asynchronously(model, **more)
        finally:
            assert await asyncio.to_thread(told_of.acquire, True, 60)

    def ask(model: str, *, asynchronous: bool = False, **more: Any) -> None:
        if asynchronous:
            asyncio.run(until_told(model, more))
            return
        try:
            answer = litellm.completion(model, MESSAGES, **options, **more)
            if more.get("stream"):
                list(answer)
        finally:
            assert told_of.acquire(True, 60)

    return ask


both = pytest.mark.parametrize("asynchronous", [False, True])


@both
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_through_the_sdk_of_openai_is_counted_once(
    recorded: Any, ask: Any, asynchronous: bool, stream: bool
) -> None:
    with recorded.analytics.edit_format("diff"):
        ask("openai/gpt-4o", asynchronous=asynchronous, stream=stream)
    call = recorded.call()
    assert (call["sdk"], call["$ai_model"]) == ("openai", "gpt-4o")
    assert (call["stream"], call["edit_format"]) == (stream, "diff")
    assert stream or {**call, **OPENAI_USAGE} == call


def test_embeddings_through_the_sdk_of_openai_are_counted_once(
    recorded: Any, told_of: threading.Semaphore, options: Any
) -> None:
    for _ in range(2):
        litellm.embedding("openai/text-embedding-3-small", input=[MARK], **options)
        assert told_of.acquire(True, 60)
    assert [call["sdk"] for call in recorded.calls()] == ["openai", "openai"]


@both
def test_equal_embeddings_that_litellm_makes_itself_are_all_counted(
    recorded: Any, told_of: threading.Semaphore, options: Any, asynchronous: bool
) -> None:
    asked = {"model": "ollama/nomic-embed-text", "input": [MARK], **options}

    async def ask() -> None:
        await litellm.aembedding(**asked)
        assert await asyncio.to_thread(told_of.acquire, True, 60)

    for _ in range(6):
        if asynchronous:
            asyncio.run(ask())
        else:
            litellm.embedding(**asked)
            assert told_of.acquire(True, 60)
    calls = [(call["sdk"], call["$ai_input_tokens"]) for call in recorded.calls()]
    assert calls == [("litellm", 9)] * 6


@pytest.mark.filterwarnings("ignore:Pydantic serializer:UserWarning")
def test_a_call_that_litellm_tells_of_twice_is_counted_once(
    recorded: Any, told_of: threading.Semaphore, options: Any
) -> None:
    list(litellm.responses(model="openai/gpt-4o", input=MARK, stream=True, **options))
    assert told_of.acquire(True, 60)
    assert told_of.acquire(True, 60)
    assert recorded.call()["sdk"] == "litellm"


@both
def test_an_error_through_the_sdk_of_openai_is_counted_once(
    server: FakeLLM, recorded: Any, ask: Any, asynchronous: bool
) -> None:
    server.replies.append(failure(429))
    with pytest.raises(litellm.exceptions.RateLimitError):
        ask("openai/gpt-4o", asynchronous=asynchronous)
    call = recorded.call()
    assert (call["sdk"], call["$ai_error"]) == ("openai", "openai.RateLimitError")


def test_an_error_that_is_raised_again_is_counted_again(
    server: FakeLLM, recorded: Any, ask: Any
) -> None:
    server.replies.extend([failure(429)] * 2)
    for _ in range(2):
        with pytest.raises(litellm.exceptions.RateLimitError):
            ask(CLAUDE)
    assert len(recorded.calls()) == 2


@pytest.mark.parametrize("first", [CLAUDE, "openai/gpt-4o"])
def test_an_error_of_a_call_made_because_of_another_error_is_counted_too(
    server: FakeLLM, recorded: Any, ask: Any, first: str
) -> None:
    server.replies.extend([failure(429), failure(529)])
    try:
        ask(first)
    except litellm.exceptions.RateLimitError:
        with pytest.raises(litellm.exceptions.InternalServerError):
            ask(CLAUDE)
    assert [call["$ai_http_status"] for call in recorded.calls()] == [429, 500]


@both
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_litellm_makes_itself(
    recorded: Any, ask: Any, asynchronous: bool, stream: bool
) -> None:
    with recorded.analytics.edit_format("diff"):
        ask(CLAUDE, asynchronous=asynchronous, stream=stream)
    call = recorded.call()
    assert told(call) == CLAUDE_USAGE
    assert (call["sdk"], call["$ai_provider"]) == ("litellm", "anthropic")
    assert (call["$ai_model"], call["operation"]) == ("claude-3-5-haiku-latest", "chat")
    assert (call["stream"], call["$ai_is_error"]) == (stream, False)
    assert call["edit_format"] == "diff"


@both
def test_a_stream_has_the_edit_format_in_which_it_was_asked_for(
    recorded: Any, told_of: threading.Semaphore, options: Any, asynchronous: bool
) -> None:
    async def ask() -> None:
        with recorded.analytics.edit_format("diff"):
            answer = await litellm.acompletion(CLAUDE, MESSAGES, stream=True, **options)
        async for _ in answer:
            pass
        assert await asyncio.to_thread(told_of.acquire, True, 60)

    if asynchronous:
        asyncio.run(ask())
    else:
        with recorded.analytics.edit_format("diff"):
            answer = litellm.completion(CLAUDE, MESSAGES, stream=True, **options)
        list(answer)
        assert told_of.acquire(True, 60)
    assert recorded.call()["edit_format"] == "diff"


def test_a_call_that_began_before_the_yes_never_leaves(
    analytics: Analytics,
    kept: Any,
    told_of: threading.Semaphore,
    options: Any,
) -> None:
    hooks.register(analytics)
    try:
        answer = litellm.completion(CLAUDE, MESSAGES, stream=True, **options)
        analytics.gate.store.agree(1, date.today())
        list(answer)
        assert told_of.acquire(True, 60)
        analytics.pipeline.catch_up()
    finally:
        hooks.unregister()
    assert not [record for record in kept.records if b"$ai_generation" in record]
    assert not analytics.drops.counts, "it never was a record"


def test_calls_that_are_never_over_are_forgotten(
    recorded: Any, options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "MOST", 2)
    for _ in range(3):
        litellm.completion(CLAUDE, MESSAGES, stream=True, **options)
    assert len(ours._BEGUN) == 2
    hooks.unregister()
    assert not ours._BEGUN


@both
@pytest.mark.parametrize(
    ("status", "name", "told"),
    [
        (400, "BadRequestError", 400),
        (401, "AuthenticationError", 401),
        (429, "RateLimitError", 429),
        (500, "InternalServerError", 500),
        (529, "InternalServerError", 500),
    ],
)
def test_an_error_of_a_call_that_litellm_makes_itself(
    server: FakeLLM,
    recorded: Any,
    ask: Any,
    asynchronous: bool,
    status: int,
    name: str,
    told: int,
) -> None:
    server.replies.append(failure(status))
    with pytest.raises(getattr(litellm, name)):
        ask(CLAUDE, asynchronous=asynchronous)
    call = recorded.call()
    assert (call["sdk"], call["$ai_provider"]) == ("litellm", "anthropic")
    assert call["$ai_error"] == f"litellm.exceptions.{name}"
    assert call["$ai_http_status"] == told, "litellm's own"


@both
def test_a_connection_that_is_cut(
    server: FakeLLM, recorded: Any, ask: Any, asynchronous: bool
) -> None:
    server.replies.append(Reply(b"{}", cut=0))
    with pytest.raises(
        (litellm.exceptions.InternalServerError, litellm.exceptions.APIConnectionError)
    ) as caught:
        ask(CLAUDE, asynchronous=asynchronous)
    call = recorded.call()
    assert (call["sdk"], call["$ai_is_error"]) == ("litellm", True)
    assert call["$ai_error"] == f"litellm.exceptions.{type(caught.value).__name__}"


@both
def test_a_call_to_ollama(recorded: Any, ask: Any, asynchronous: bool) -> None:
    ask("ollama_chat/llama3.2:3b", asynchronous=asynchronous)
    call = recorded.call()
    assert (call["sdk"], call["$ai_provider"]) == ("litellm", "ollama")
    assert call["$ai_model"] == "llama3.2"


def test_a_private_model_is_other(recorded: Any, ask: Any) -> None:
    ask(f"anthropic/{MARK}")
    assert recorded.call()["$ai_model"] == "other"


def test_a_deployment_at_azure_is_not_named_on_an_error(
    server: FakeLLM, recorded: Any, ask: Any
) -> None:
    server.replies.append(failure(429))
    with pytest.raises(litellm.exceptions.RateLimitError):
        ask("azure/gpt-4o", api_version="2024-06-01")
    call = recorded.call()
    assert call["$ai_provider"] == "azure"
    assert "$ai_model" not in call


@pytest.mark.parametrize("assigned", ["callbacks", "success_callback"])
@both
def test_a_call_is_recorded_once_beside_callbacks_of_the_user_s_own(
    recorded: Any, ask: Any, assigned: str, asynchronous: bool
) -> None:
    class Theirs(litellm.integrations.custom_logger.CustomLogger):
        pass

    before = [each for each in getattr(litellm, assigned) if each not in loggers()]
    theirs = [Theirs()]
    setattr(litellm, assigned, theirs.copy())
    try:
        for _ in range(2):
            ask(CLAUDE, asynchronous=asynchronous)
        assert [call["sdk"] for call in recorded.calls()] == ["litellm"] * 2
        hooks.unregister()
        assert getattr(litellm, assigned) == theirs
    finally:
        setattr(litellm, assigned, before)


def test_a_failure_of_ours_prints_nothing(
    recorded: Any,
    ask: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(ours, "_tell", fail)
    ask(CLAUDE)
    assert sum(recorded.analytics.drops.counts.values()) == 1
    recorded.analytics.drops.counts.clear()
    assert "out of order" not in "".join(capfd.readouterr())


def test_unloading_leaves_the_lists_of_litellm_as_they_were(request: Any) -> None:
    def lists() -> dict[str, list[object]]:
        return {name: list(each) for name, each in vars(litellm).items() if type(each) is list}

    before = lists()
    request.getfixturevalue("recorded")
    request.getfixturevalue("ask")(CLAUDE)
    assert loggers()
    hooks.unregister()
    assert lists() == before


def loggers() -> list[object]:
    lists = [each for each in vars(litellm).values() if type(each) is list]
    return [item for each in lists for item in each if "DevAnalytics" in repr(item)]
