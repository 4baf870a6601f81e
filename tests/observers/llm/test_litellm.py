"""Calls made with the real litellm: one record each, whoever makes the request for it."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import threading
import time
from contextlib import suppress
from datetime import date
from typing import Any

import httpx
import litellm
import pytest
from fake_llm import MARK, FakeLLM, Reply, failure, openai_chat, server_sent, whole
from litellm.llms.custom_httpx.http_handler import HTTPHandler

from dev_analytics.analytics import Analytics
from dev_analytics.observers import hooks
from dev_analytics.observers.llm.recorder import Recorder
from dev_analytics.observers.llm.sdks import litellm as ours

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
    """Return the tokens without the reasoning, which not every version reports."""
    return {name: call.get(name) for name in CLAUDE_USAGE}


@pytest.fixture
def ask(options: Any) -> Any:
    """Ask synchronously, or not, streamed or not; nothing is waited for when it has been."""

    async def asynchronously(model: str, **more: Any) -> None:
        answer = await litellm.acompletion(model, MESSAGES, **options, **more)
        if more.get("stream"):
            async for _ in answer:
                pass

    def ask(model: str, *, asynchronous: bool = False, **more: Any) -> None:
        if asynchronous:
            asyncio.run(asynchronously(model, **more))
            return
        answer = litellm.completion(model, MESSAGES, **options, **more)
        if more.get("stream"):
            list(answer)

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


def test_embeddings_through_the_sdk_of_openai_are_counted_once(recorded: Any, options: Any) -> None:
    for _ in range(2):
        litellm.embedding("openai/text-embedding-3-small", input=[MARK], **options)
    assert [call["sdk"] for call in recorded.calls()] == ["openai", "openai"]


@both
def test_equal_embeddings_that_litellm_makes_itself_are_all_counted(
    recorded: Any, options: Any, asynchronous: bool
) -> None:
    asked = {"model": "ollama/nomic-embed-text", "input": [MARK], **options}

    async def ask() -> None:
        await litellm.aembedding(**asked)

    for _ in range(6):
        if asynchronous:
            asyncio.run(ask())
        else:
            litellm.embedding(**asked)
    calls = [(call["sdk"], call["$ai_input_tokens"]) for call in recorded.calls()]
    assert calls == [("litellm", 9)] * 6


@pytest.mark.filterwarnings("ignore:Pydantic serializer:UserWarning")
def test_a_streamed_response_that_litellm_reports_twice_is_counted_once(
    recorded: Any, options: Any
) -> None:
    list(litellm.responses(model="openai/gpt-4o", input=MARK, stream=True, **options))
    assert recorded.call()["sdk"] == "litellm"


@pytest.mark.filterwarnings("ignore:Pydantic serializer:UserWarning")
def test_an_error_within_a_streamed_response_is_a_failed_call(
    server: FakeLLM, recorded: Any, options: Any
) -> None:
    error = {"type": "error", "code": "server_error", "message": MARK, "param": None}
    server.replies.append(server_sent([{**error, "sequence_number": 0}], named=True, done=False))
    with suppress(Exception):  # as later versions raise
        list(litellm.responses(model="openai/gpt-4o", input=MARK, stream=True, **options))
    assert recorded.call()["$ai_is_error"]


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
def test_an_error_while_another_one_is_handled_is_counted_too(
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
def test_a_stream_has_the_edit_format_in_which_it_was_requested(
    recorded: Any, options: Any, asynchronous: bool
) -> None:
    async def ask() -> None:
        with recorded.analytics.edit_format("diff"):
            answer = await litellm.acompletion(CLAUDE, MESSAGES, stream=True, **options)
        async for _ in answer:
            pass

    if asynchronous:
        asyncio.run(ask())
    else:
        with recorded.analytics.edit_format("diff"):
            answer = litellm.completion(CLAUDE, MESSAGES, stream=True, **options)
        list(answer)
    assert recorded.call()["edit_format"] == "diff"


def test_a_call_that_began_before_the_yes_never_leaves(
    analytics: Analytics,
    kept: Any,
    options: Any,
) -> None:
    hooks.register(analytics)
    try:
        answer = litellm.completion(CLAUDE, MESSAGES, stream=True, **options)
        analytics.gate.store.agree(1, date.today())
        list(answer)
        analytics.pipeline.catch_up()
    finally:
        hooks.unregister()
    assert not [record for record in kept.records if b"$ai_generation" in record]
    assert not analytics.drops.counts, "it never was a record"


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


def test_a_stream_that_is_cut_is_a_failed_call(server: FakeLLM, recorded: Any, ask: Any) -> None:
    ask(CLAUDE, stream=True)
    assert len(recorded.calls()) == 1
    reply = server.answer(server.received[0].path, server.received[0].body)
    server.replies.append(reply._replace(cut=len(reply.body) // 2))
    with pytest.raises(Exception, match=r"(?i)connection|peer|closed|payload|read"):
        ask(CLAUDE, stream=True)
    assert [call["$ai_is_error"] for call in recorded.calls()] == [False, True]


def logging(kind: str) -> Any:
    """Return what litellm makes for each call."""
    given = (CLAUDE, MESSAGES, False, kind, time.time(), MARK, MARK)
    made: Any = litellm.litellm_core_utils.litellm_logging.Logging(*given)
    made.model_call_details.update(model=CLAUDE, call_type=kind, custom_llm_provider="anthropic")
    return made


def test_two_requests_of_a_call_are_one_and_those_of_another_kind_none(
    server: FakeLLM, recorded: Any
) -> None:
    post = HTTPHandler().post
    for kind in ("completion", "rerank"):
        one = logging(kind)
        for _ in range(2):
            server.replies.append(whole({}))
            post(f"{server.address}/{MARK}", json={}, logging_obj=one)
        del one
    assert len(server.received) == 4
    assert recorded.call()["sdk"] == "litellm"


def test_an_interrupt_is_no_error_of_the_provider(
    recorded: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(httpx.Client, "send", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask(CLAUDE)
    assert recorded.call()["$ai_is_error"] is False


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


def test_a_failure_of_ours_prints_nothing(
    recorded: Any,
    ask: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(ours, "_begun", fail)
    ask(CLAUDE)
    assert sum(recorded.analytics.drops.counts.values()) == 1
    recorded.analytics.drops.counts.clear()
    assert "out of order" not in "".join(capfd.readouterr())


class Theirs(litellm.integrations.custom_logger.CustomLogger):  # type: ignore[misc]
    """A callback of the user's."""


LISTS = ("callbacks", "success_callback", "failure_callback", "_async_success_callback")


class LateError(Exception):
    """What a user's time limit raises."""


def test_a_time_limit_that_ends_in_a_hook_reaches_the_user_s_code(
    recorded: Any, options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object) -> None:
        raise LateError

    def held(*_: object) -> None:
        # Not in litellm's own threads: there the signal may come when its handler is gone.
        if threading.current_thread() is threading.main_thread():
            signal.raise_signal(signal.SIGALRM)

    answer = iter(litellm.completion(CLAUDE, MESSAGES, stream=True, **options))
    before = signal.signal(signal.SIGALRM, late)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(Recorder, "held", held)
            with pytest.raises(LateError):
                next(answer)
    finally:
        signal.signal(signal.SIGALRM, before)
    list(answer)
    assert recorded.analytics.drops.counts.pop("failure inside")
    assert recorded.call()["stream"]


@both
@pytest.mark.parametrize("assigned", [[], [Theirs()]], ids=["none", "one of theirs"])
def test_each_request_is_one_record_whatever_the_user_assigns(
    server: FakeLLM,
    recorded: Any,
    ask: Any,
    monkeypatch: pytest.MonkeyPatch,
    asynchronous: bool,
    assigned: list[object],
) -> None:
    for name in LISTS:
        monkeypatch.setattr(litellm, name, assigned.copy())
    monkeypatch.setattr(litellm, "disable_streaming_logging", True)
    ask(CLAUDE, asynchronous=asynchronous)
    ask(CLAUDE, asynchronous=asynchronous, stream=True)
    server.replies.append(failure(429))
    with pytest.raises(litellm.exceptions.RateLimitError):
        ask(CLAUDE, asynchronous=asynchronous)
    assert len(server.received) == 3
    assert [call["$ai_is_error"] for call in recorded.calls()] == [False, False, True]


def test_litellm_s_callback_lists_stay_empty(recorded: Any, ask: Any) -> None:
    ask(CLAUDE)
    assert len(recorded.calls()) == 1
    for name, each in vars(litellm).items():
        if type(each) is list:
            assert not [item for item in each if "dev_analytics" in type(item).__module__], name


@both
@pytest.mark.parametrize("stream", [False, True])
def test_a_mocked_answer_is_not_a_call(
    server: FakeLLM, recorded: Any, ask: Any, asynchronous: bool, stream: bool
) -> None:
    ask(CLAUDE, asynchronous=asynchronous, stream=stream, mock_response="hi")
    with pytest.raises(litellm.exceptions.RateLimitError):
        ask(CLAUDE, asynchronous=asynchronous, mock_response="litellm.RateLimitError")
    assert (server.received, recorded.calls()) == ([], [])


@both
def test_a_failure_before_the_request_goes_out_is_not_a_call(
    server: FakeLLM, recorded: Any, ask: Any, asynchronous: bool
) -> None:
    with pytest.raises(litellm.exceptions.BadRequestError):
        ask("no-such-provider/no-such-model", asynchronous=asynchronous)
    assert (server.received, recorded.calls()) == ([], [])


@both
def test_an_answer_without_an_id_is_counted_once(
    server: FakeLLM, recorded: Any, ask: Any, asynchronous: bool
) -> None:
    answer = json.loads(openai_chat({"model": "gpt-4o"}).body)
    del answer["id"]
    server.replies.extend([whole(answer)] * 2)
    for _ in range(2):
        ask("openai/gpt-4o", asynchronous=asynchronous)
    assert [call["sdk"] for call in recorded.calls()] == ["openai"] * 2


def test_calls_in_loops_that_end_at_once_are_all_counted(
    server: FakeLLM, recorded: Any, options: Any
) -> None:
    for number in range(5):
        asyncio.run(litellm.acompletion(CLAUDE, MESSAGES, **options))
        assert len(recorded.calls()) == number + 1
    assert {call["$ai_input_tokens"] for call in recorded.calls()} == {335}


@both
@pytest.mark.parametrize("how", ["collected", "closed", "kept"])
def test_a_stream_that_is_left_early_is_one_call(
    server: FakeLLM,
    recorded: Any,
    options: Any,
    monkeypatch: pytest.MonkeyPatch,
    asynchronous: bool,
    how: str,
) -> None:
    # Otherwise a thread of litellm's has the stream for a while.
    monkeypatch.setattr(litellm, "disable_streaming_logging", True)

    async def begun() -> Any:
        answer = await litellm.acompletion(CLAUDE, MESSAGES, stream=True, **options)
        await anext(answer)
        if how == "closed":
            await answer.aclose()
        return answer

    if asynchronous:
        answer = asyncio.run(begun())
    else:
        answer = litellm.completion(CLAUDE, MESSAGES, stream=True, **options)
        next(answer)
        if how == "closed" and hasattr(answer, "close"):
            answer.close()
    if how == "collected" or (how == "closed" and not hasattr(answer, "close")):
        del answer
        # litellm itself keeps the newest.
        litellm.error_logs.clear()
    elif how == "kept":
        assert recorded.calls() == []
        hooks.finish()
    call = recorded.call()
    assert (call["$ai_input_tokens"], call["stream"]) == (335, True)


def test_an_unread_stream_is_as_many_calls_as_requests(
    server: FakeLLM, recorded: Any, options: Any
) -> None:
    litellm.completion(CLAUDE, MESSAGES, stream=True, **options)
    gc.collect()
    hooks.finish()
    assert len(recorded.calls()) == len(server.received)


@both
def test_a_failed_call_lasted_as_long_as_it_did(
    server: FakeLLM, recorded: Any, ask: Any, asynchronous: bool
) -> None:
    server.replies.append(failure(429))
    began = time.perf_counter()
    with pytest.raises(litellm.exceptions.RateLimitError):
        ask(CLAUDE, asynchronous=asynchronous)
    lasted = time.perf_counter() - began
    (call,) = recorded.calls()
    # It is rounded to two significant digits.
    assert 0 < call["$ai_latency"] <= lasted * 1.05


@both
def test_each_request_that_is_tried_again_is_one_record(
    server: FakeLLM, recorded: Any, ask: Any, asynchronous: bool
) -> None:
    server.replies.append(failure(429))
    ask(CLAUDE, asynchronous=asynchronous, num_retries=1)
    assert len(server.received) == 2
    # What is tried again asynchronously is handed on to nobody; litellm has it for a while.
    hooks.finish()
    calls = recorded.calls()
    assert [(call["$ai_is_error"], call.get("$ai_http_status")) for call in calls] == [
        *((True, 429), (False, None))
    ]


def test_a_message_by_anthropic_s_api(server: FakeLLM, recorded: Any, options: Any) -> None:
    asked = {"model": CLAUDE, "messages": MESSAGES[1:], "max_tokens": 9, **options}
    asyncio.run(litellm.anthropic_messages(**asked))
    assert len(server.received) == 1
    call = recorded.call()
    assert (call["sdk"], call["operation"]) == ("litellm", "chat")
    assert told(call) == CLAUDE_USAGE
