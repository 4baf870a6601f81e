"""Calls made with the real SDK of Anthropic, in the lowest version supported and the newest."""

from __future__ import annotations

import asyncio
import inspect
import os
from typing import Any, cast

import anthropic
import httpx
import pytest
from fake_llm import MARK, FakeLLM, Reply, anthropic_messages, failure

from dev_analytics.consent.decision import Switch
from dev_analytics.observers import hooks

ASK: Any = {
    "model": "claude-haiku-4-5-20251001",
    "max_tokens": 99,
    "system": MARK,
    "messages": [{"role": "user", "content": MARK}],
    "tools": [{"name": MARK, "description": MARK, "input_schema": {"type": "object"}}],
    "metadata": {"user_id": MARK},
}
ASKED: Any = {
    "$ai_provider": "local",
    "$ai_model": "claude-haiku-4-5",
    "$ai_is_error": False,
    "operation": "chat",
    "sdk": "anthropic",
    "stream": False,
}
STREAMED = {**ASKED, "stream": True}
BEGUN = {
    "$ai_input_tokens": 335,
    "$ai_output_tokens": 1,
    "$ai_cache_read_input_tokens": 200,
    "$ai_cache_creation_input_tokens": 115,
}
USAGE = {**BEGUN, "$ai_output_tokens": 30, "$ai_reasoning_tokens": 10}


def newest() -> bool:
    return "EXPECTED_ANTHROPIC" not in os.environ


def client(server: FakeLLM, **options: Any) -> anthropic.Anthropic:
    address = f"{server.address}/{MARK}"
    return anthropic.Anthropic(
        **{
            "base_url": address,
            "api_key": f"sk-{MARK}",
            "max_retries": 0,
            # The lowest version cannot make one of the pinned httpx by itself.
            "http_client": None if newest() else httpx.Client(base_url=address),
            **options,
        }
    )


def async_client(server: FakeLLM) -> anthropic.AsyncAnthropic:
    address = f"{server.address}/{MARK}"
    return anthropic.AsyncAnthropic(
        base_url=address,
        api_key=f"sk-{MARK}",
        max_retries=0,
        http_client=None if newest() else cast(Any, httpx.AsyncClient(base_url=address)),
    )


def test_the_version_is_the_one_expected() -> None:
    if not newest():
        assert anthropic.__version__ == os.environ["EXPECTED_ANTHROPIC"]


def test_the_input_of_a_message_includes_cached_tokens(server: FakeLLM, recorded: Any) -> None:
    answer = client(server).messages.create(**ASK)
    assert (type(answer).__name__, answer.usage.input_tokens) == ("Message", 20)
    assert recorded.call() == {**ASKED, **USAGE}


def test_a_message_without_a_cache(server: FakeLLM, recorded: Any) -> None:
    body = anthropic_messages(ASK).body.replace(b": 200,", b": null,").replace(b": 115,", b": 0,")
    server.replies.append(Reply(body))
    client(server).messages.create(**ASK)
    call = recorded.call()
    assert call["$ai_input_tokens"] == 20
    assert "$ai_cache_read_input_tokens" not in call
    assert call["$ai_cache_creation_input_tokens"] == 0


def test_an_asynchronous_message(server: FakeLLM, recorded: Any) -> None:
    asyncio.run(async_client(server).messages.create(**ASK))
    assert recorded.call() == {**ASKED, **USAGE}


def test_a_beta_message(server: FakeLLM, recorded: Any) -> None:
    if newest():
        client(server).beta.messages.create(**ASK, betas=["a-beta"])
        assert recorded.call() == {**ASKED, **USAGE}


def test_a_stream(server: FakeLLM, recorded: Any) -> None:
    stream = client(server).messages.create(**ASK, stream=True)
    assert type(stream) is anthropic.Stream
    kinds = [event.type for event in stream]
    assert (kinds[0], kinds[-1], len(kinds)) == ("message_start", "message_stop", 6)
    assert recorded.call() == {**STREAMED, **USAGE}


def test_an_asynchronous_stream(server: FakeLLM, recorded: Any) -> None:
    async def ask() -> int:
        stream = await async_client(server).messages.create(**ASK, stream=True)
        return len([event async for event in stream])

    assert asyncio.run(ask()) == 6
    assert recorded.call() == {**STREAMED, **USAGE}


def test_the_stream_helper(server: FakeLLM, recorded: Any) -> None:
    with client(server).messages.stream(**ASK) as stream:
        assert "".join(stream.text_stream) == MARK
        assert stream.get_final_message().usage.output_tokens == 30
    # In the lowest version the helper reads the response beside the stream: the call alone is seen.
    assert recorded.call() == {**STREAMED, **(USAGE if newest() else {})}


def test_the_asynchronous_stream_helper(server: FakeLLM, recorded: Any) -> None:
    async def ask() -> str:
        async with async_client(server).messages.stream(**ASK) as stream:
            return "".join([text async for text in stream.text_stream])

    assert asyncio.run(ask()) == MARK
    assert recorded.call() == {**STREAMED, **(USAGE if newest() else {})}


def test_a_stream_read_in_part_is_one_call(server: FakeLLM, recorded: Any) -> None:
    stream = client(server).messages.create(**ASK, stream=True)
    next(stream)
    del stream
    assert recorded.call() == {**STREAMED, **BEGUN}


def test_a_stream_never_read_is_one_call(server: FakeLLM, recorded: Any) -> None:
    client(server).messages.create(**ASK, stream=True)
    assert recorded.call() == STREAMED


def test_an_asynchronous_stream_read_in_part_is_one_call(server: FakeLLM, recorded: Any) -> None:
    async def ask() -> None:
        async for _ in await async_client(server).messages.create(**ASK, stream=True):
            break

    asyncio.run(ask())
    assert recorded.call() == {**STREAMED, **BEGUN}


def test_a_stream_helper_left_early_is_one_call(server: FakeLLM, recorded: Any) -> None:
    with client(server).messages.stream(**ASK) as stream:
        next(iter(stream))
    assert recorded.call() == {**STREAMED, **(BEGUN if newest() else {})}


def test_a_raw_answer_is_read_when_its_user_parses_it(server: FakeLLM, recorded: Any) -> None:
    raw = client(server).messages.with_raw_response.create(**ASK)
    assert recorded.calls() == []
    assert raw.parse().usage.output_tokens == 30
    assert recorded.call() == {**ASKED, **USAGE}


def test_an_asynchronous_raw_answer(server: FakeLLM, recorded: Any) -> None:
    async def ask() -> None:
        raw = await async_client(server).messages.with_raw_response.create(**ASK)
        parsed = raw.parse()
        await parsed if inspect.isawaitable(parsed) else parsed

    asyncio.run(ask())
    assert recorded.call() == {**ASKED, **USAGE}


def test_a_raw_stream_is_read_to_its_end(server: FakeLLM, recorded: Any) -> None:
    stream = client(server).messages.with_raw_response.create(**ASK, stream=True).parse()
    assert recorded.calls() == []
    assert len(list(stream)) == 6
    assert recorded.call() == {**STREAMED, **USAGE}


def test_a_private_model_is_other(server: FakeLLM, recorded: Any) -> None:
    client(server).messages.create(**{**ASK, "model": f"claude-{MARK}"})
    free = {"$ai_input_token_price": 0, "$ai_output_token_price": 0}
    assert recorded.call() == {**ASKED, **USAGE, **free, "$ai_model": "other"}


ERRORS = {
    400: "anthropic.BadRequestError",
    401: "anthropic.AuthenticationError",
    429: "anthropic.RateLimitError",
    500: "anthropic.InternalServerError",
    529: "anthropic.OverloadedError",
}


@pytest.mark.parametrize("status", ERRORS)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_is_the_sdk_s_own_and_recorded_by_class(
    server: FakeLLM, recorded: Any, status: int, stream: bool
) -> None:
    server.replies.append(failure(status))
    with pytest.raises(anthropic.APIStatusError) as caught:
        client(server).messages.create(**ASK, stream=stream)
    expected = ERRORS[status]
    if not newest() and status == 529:
        expected = ERRORS[500]
    assert f"anthropic.{type(caught.value).__name__}" == expected.replace("_exceptions.", "")
    assert recorded.call() == {
        **ASKED,
        "stream": stream,
        "$ai_is_error": True,
        "$ai_error": expected,
        "$ai_http_status": status,
    }


def test_an_asynchronous_error(server: FakeLLM, recorded: Any) -> None:
    server.replies.append(failure(429))
    with pytest.raises(anthropic.RateLimitError):
        asyncio.run(async_client(server).messages.create(**ASK))
    assert recorded.call()["$ai_error"] == "anthropic.RateLimitError"


def test_a_request_that_is_tried_again_is_one_call(server: FakeLLM, recorded: Any) -> None:
    server.replies.append(failure(500))
    client(server, max_retries=1).messages.create(**ASK)
    assert len(server.received) == 2
    assert recorded.call() == {**ASKED, **USAGE}


def test_a_connection_that_is_cut(server: FakeLLM, recorded: Any) -> None:
    server.replies.append(Reply(b"{}", cut=0))
    with pytest.raises(anthropic.APIConnectionError):
        client(server).messages.create(**ASK)
    assert recorded.call()["$ai_error"] == "anthropic.APIConnectionError"


def test_a_stream_that_is_cut(server: FakeLLM, recorded: Any) -> None:
    reply = anthropic_messages({**ASK, "stream": True})
    server.replies.append(reply._replace(cut=reply.body.index(b"\n\n") + 5))
    stream = client(server).messages.create(**ASK, stream=True)
    next(stream)
    with pytest.raises(Exception, match=r"(?i)connection|peer"):
        next(stream)
    call = recorded.call()
    assert call["$ai_is_error"] is True
    assert call["$ai_input_tokens"] == 335


def test_an_error_event_in_a_stream(server: FakeLLM, recorded: Any) -> None:
    event = f'event: error\ndata: {{"error": {{"type": "overloaded_error", "message": "{MARK}"}}}}'
    server.replies.append(Reply(f"{event}\n\n".encode(), kind="text/event-stream"))
    with pytest.raises(anthropic.APIStatusError):
        list(client(server).messages.create(**ASK, stream=True))
    call = recorded.call()
    assert call["$ai_is_error"] is True
    assert str(call["$ai_error"]).startswith("anthropic.")


def test_counting_tokens_is_not_a_call(server: FakeLLM, recorded: Any) -> None:
    if newest():
        with pytest.raises(anthropic.NotFoundError):
            client(server).messages.count_tokens(model=ASK["model"], messages=ASK["messages"])
    assert recorded.calls() == []


def test_requests_on_the_wire_are_unchanged(server: FakeLLM, recorded: Any) -> None:
    def ask() -> None:
        fresh = client(server)
        fresh.messages.create(**ASK)
        list(fresh.messages.create(**ASK, stream=True))
        fresh.messages.with_raw_response.create(**ASK).parse()

    ask()
    hooks.unregister()
    ask()
    assert server.received[:3] == server.received[3:]


def test_signatures_are_unchanged(recorded: Any) -> None:
    classes = (anthropic.Anthropic, anthropic.AsyncAnthropic)
    hooked = [inspect.signature(cls.request) for cls in classes]
    coroutines = [inspect.iscoroutinefunction(cls.request) for cls in classes]
    hooks.unregister()
    assert hooked == [inspect.signature(cls.request) for cls in classes]
    assert coroutines == [False, True]


def test_after_a_no_a_client_created_before_records_nothing(server: FakeLLM, recorded: Any) -> None:
    one = client(server)
    one.messages.create(**ASK)
    stream = one.messages.create(**ASK, stream=True)
    assert len(recorded.calls()) == 1
    recorded.analytics.stop_log()
    before = recorded.analytics.recording
    recorded.analytics.strict = False
    recorded.analytics.gate.switch = Switch(False, "a test")
    one.messages.create(**ASK)
    list(stream)
    recorded.analytics.pipeline.catch_up()
    after = recorded.analytics.recording
    assert before.recorded["$ai_generation"] == 1
    assert after is before or not after.recorded["$ai_generation"]


def test_without_a_key_there_is_no_call(
    server: FakeLLM, recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    keyless = client(server, api_key=None)
    with pytest.raises(TypeError, match="authentication"):
        keyless.messages.create(
            model="claude-3-haiku-20240307",
            max_tokens=5,
            messages=[{"role": "user", "content": MARK}],
        )
    assert (server.received, recorded.calls()) == ([], [])
