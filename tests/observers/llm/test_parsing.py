"""What Anthropic's helpers raise about an answer as they read it; OpenAI's have their own file."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import pydantic
import pytest
from fake_llm import MARK, FakeLLM

ASK: Any = {
    "model": "claude-haiku-4-5-20251001",
    "max_tokens": 99,
    "messages": [{"role": "user", "content": MARK}],
}


class Wanted(pydantic.BaseModel):
    answer: str


@pytest.mark.parametrize("beta", [False, True], ids=["", "beta"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_an_answer_that_does_not_fit_is_the_call_s_error(
    server: FakeLLM, recorded: Any, asynchronous: bool, beta: bool
) -> None:
    options: Any = {"base_url": server.address, "api_key": MARK, "max_retries": 0}

    def stream(client: Any) -> Any:
        return (client.beta if beta else client).messages.stream(**ASK, output_format=Wanted)

    async def read_async() -> None:
        async with stream(anthropic.AsyncAnthropic(**options)) as helper:
            assert [text async for text in helper.text_stream]

    def read() -> None:
        with stream(anthropic.Anthropic(**options)) as helper:
            assert list(helper.text_stream)

    with pytest.raises(pydantic.ValidationError):
        asyncio.run(read_async()) if asynchronous else read()
    call = recorded.call()
    assert call["$ai_error"] == "pydantic_core._pydantic_core.ValidationError"
    assert (call["stream"], call["$ai_is_error"], call["$ai_input_tokens"]) == (True, True, 335)
