"""Frameworks that ask through an observed SDK: one record for each request, of the SDK."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fake_llm import MARK, FakeLLM, failure
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

CLAUDE = "claude-haiku-4-5-20251001"
GPT = {"sdk": "openai", "$ai_model": "gpt-4o", "$ai_input_tokens": 120, "$ai_output_tokens": 30}
HAIKU = {
    "sdk": "anthropic",
    "$ai_model": "claude-haiku-4-5",
    "$ai_input_tokens": 335,
    "$ai_output_tokens": 30,
}


@pytest.fixture
def options(server: FakeLLM) -> dict[str, Any]:
    return {"base_url": f"{server.address}/{MARK}/v1", "api_key": MARK, "max_retries": 0}


@pytest.fixture
def claude(server: FakeLLM) -> ChatAnthropic:
    own: dict[str, Any] = {"model": CLAUDE, "api_key": MARK, "max_retries": 0}
    return ChatAnthropic(base_url=f"{server.address}/{MARK}", **own)


def told(call: dict[str, Any]) -> dict[str, Any]:
    return {name: call.get(name) for name in GPT}


def test_langchain_with_openai(recorded: Any, options: Any) -> None:
    usage = ChatOpenAI(model="gpt-4o", **options).invoke(MARK).usage_metadata
    assert usage is not None
    assert usage["input_tokens"] == 120
    assert told(recorded.call()) == GPT


def test_langchain_with_openai_streamed(recorded: Any, options: Any) -> None:
    list(ChatOpenAI(model="gpt-4o", stream_usage=True, **options).stream(MARK))
    call = recorded.call()
    assert (told(call), call["stream"]) == (GPT, True)


def test_langchain_with_openai_asynchronously(recorded: Any, options: Any) -> None:
    asyncio.run(ChatOpenAI(model="gpt-4o", **options).ainvoke(MARK))
    assert told(recorded.call()) == GPT


def test_langchain_s_embeddings(recorded: Any, options: Any) -> None:
    OpenAIEmbeddings(
        model="text-embedding-3-small", check_embedding_ctx_length=False, **options
    ).embed_query(MARK)
    assert recorded.call()["operation"] == "embeddings"


def test_langchain_with_anthropic(recorded: Any, claude: ChatAnthropic) -> None:
    claude.invoke(MARK)
    assert told(recorded.call()) == HAIKU


def test_langchain_with_anthropic_streamed(recorded: Any, claude: ChatAnthropic) -> None:
    list(claude.stream(MARK))
    call = recorded.call()
    assert (told(call), call["stream"]) == (HAIKU, True)


def test_an_error_in_langchain(server: FakeLLM, recorded: Any, claude: ChatAnthropic) -> None:
    server.replies.append(failure(529))
    with pytest.raises(Exception, match="529"):
        claude.invoke(MARK)
    assert recorded.call()["$ai_error"] == "anthropic.OverloadedError"


@pytest.mark.parametrize("kind", [OpenAIChatModel, OpenAIResponsesModel])
def test_pydantic_ai_with_openai(recorded: Any, options: Any, kind: type) -> None:
    provider = OpenAIProvider(base_url=options["base_url"], api_key=MARK)
    Agent(kind("gpt-4o", provider=provider), system_prompt=MARK).run_sync(MARK)
    call = recorded.call()
    assert (call["sdk"], call["$ai_model"]) == ("openai", "gpt-4o")
    assert call["$ai_output_tokens"] in (30, 40)


def test_pydantic_ai_with_anthropic(server: FakeLLM, recorded: Any) -> None:
    provider = AnthropicProvider(base_url=f"{server.address}/{MARK}", api_key=MARK)
    Agent(AnthropicModel(CLAUDE, provider=provider), system_prompt=MARK).run_sync(MARK)
    assert told(recorded.call()) == HAIKU
