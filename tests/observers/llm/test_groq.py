"""Calls made with the real SDK of Groq, in its newest version."""

from __future__ import annotations

import asyncio
from typing import Any

import groq
import httpx
import pytest
from fake_llm import MARK, FakeLLM, Reply, failure, openai_chat

from dev_analytics.observers import hooks

MODEL = "llama-3.3-70b-versatile"
CHAT: dict[str, Any] = {
    "model": MODEL,
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
    "$ai_model": MODEL,
    "$ai_input_token_price": 0,
    "$ai_output_token_price": 0,
    "$ai_is_error": False,
    "operation": "chat",
    "sdk": "groq",
    "stream": False,
}
STREAMED = {**ASKED, "stream": True}


def client(server: FakeLLM) -> groq.Groq:
    return groq.Groq(base_url=f"{server.address}/{MARK}", api_key=MARK, max_retries=0)


def async_client(server: FakeLLM) -> groq.AsyncGroq:
    return groq.AsyncGroq(base_url=f"{server.address}/{MARK}", api_key=MARK, max_retries=0)


def test_a_chat(server: FakeLLM, recorded: Any) -> None:
    assert client(server).chat.completions.create(**CHAT).usage.prompt_tokens == 120
    assert recorded.call() == {**ASKED, **USAGE}


def test_an_asynchronous_chat(server: FakeLLM, recorded: Any) -> None:
    asyncio.run(async_client(server).chat.completions.create(**CHAT))
    assert recorded.call() == {**ASKED, **USAGE}


def test_a_stream(server: FakeLLM, recorded: Any) -> None:
    assert len(list(client(server).chat.completions.create(**CHAT, stream=True))) == 2
    assert recorded.call() == {**STREAMED, **USAGE}


def test_a_stream_that_counts_like_openai_s(server: FakeLLM, recorded: Any) -> None:
    asked = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    server.replies.append(openai_chat(asked))
    assert len(list(client(server).chat.completions.create(**CHAT, stream=True))) == 4
    assert recorded.call() == {**STREAMED, **USAGE}


def test_an_asynchronous_stream(server: FakeLLM, recorded: Any) -> None:
    async def ask() -> int:
        stream = await async_client(server).chat.completions.create(**CHAT, stream=True)
        return len([chunk async for chunk in stream])

    assert asyncio.run(ask()) == 2
    assert recorded.call() == {**STREAMED, **USAGE}


def test_a_stream_read_in_part_is_one_call(server: FakeLLM, recorded: Any) -> None:
    stream = client(server).chat.completions.create(**CHAT, stream=True)
    next(stream)
    del stream
    assert recorded.call() == STREAMED


def test_a_raw_answer(server: FakeLLM, recorded: Any) -> None:
    assert client(server).chat.completions.with_raw_response.create(**CHAT).parse().id
    assert recorded.call() == {**ASKED, **USAGE}


def test_embeddings(server: FakeLLM, recorded: Any) -> None:
    client(server).embeddings.create(model="nomic-embed-text", input=MARK)
    call = recorded.call()
    assert (call["operation"], call["$ai_input_tokens"]) == ("embeddings", 9)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (529, "InternalServerError"),
    ],
)
def test_an_error_is_the_sdk_s_own_and_recorded_by_class(
    server: FakeLLM, recorded: Any, status: int, name: str
) -> None:
    server.replies.append(failure(status))
    with pytest.raises(getattr(groq, name)):
        client(server).chat.completions.create(**CHAT)
    assert recorded.call() == {
        **ASKED,
        "$ai_is_error": True,
        "$ai_error": f"groq.{name}",
        "$ai_http_status": status,
    }


def test_a_connection_that_is_cut(server: FakeLLM, recorded: Any) -> None:
    server.replies.append(Reply(b"{}", cut=0))
    with pytest.raises(groq.APIConnectionError):
        client(server).chat.completions.create(**CHAT)
    assert recorded.call()["$ai_error"] == "groq.APIConnectionError"


def test_a_stream_that_is_cut(server: FakeLLM, recorded: Any) -> None:
    reply = openai_chat({**CHAT, "stream": True})
    server.replies.append(reply._replace(cut=len(reply.body) - 10))
    # Where it is read, the error is one of the HTTP library's.
    with pytest.raises(httpx.RemoteProtocolError):
        list(client(server).chat.completions.create(**CHAT, stream=True))
    assert recorded.call() == {**STREAMED, "$ai_is_error": True, "$ai_error": "other"}


def test_requests_on_the_wire_are_unchanged(server: FakeLLM, recorded: Any) -> None:
    def ask() -> None:
        fresh = client(server)
        fresh.chat.completions.create(**CHAT)
        list(fresh.chat.completions.create(**CHAT, stream=True))

    ask()
    hooks.unregister()
    ask()
    assert server.received[:2] == server.received[2:]
