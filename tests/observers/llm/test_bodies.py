"""Bodies of answers that the user reads: the call ends with them, and fails if they break off."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import openai
import pytest
from fake_llm import MARK, FakeLLM, Reply
from further_ways import CLAUDE, make_bedrock

CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": MARK}]}
BODY = b'{"content": []}'
WHOLE = Reply(BODY, headers=(("x-amzn-bedrock-input-token-count", "9"),))
CUT = WHOLE._replace(cut=4)
READING = ("read", "json", "text", "iter_bytes", "iter_text", "iter_lines")


def read_answer(server: FakeLLM, name: str) -> list[Any]:
    client = openai.OpenAI(base_url=server.address, api_key=MARK, max_retries=0)
    with client.chat.completions.with_streaming_response.create(**CHAT) as response:
        return list(getattr(response, name)())


def read_answer_async(server: FakeLLM, name: str) -> list[Any]:
    async def read() -> list[Any]:
        client = anthropic.AsyncAnthropic(base_url=server.address, api_key=MARK, max_retries=0)
        asked = {**CHAT, "model": "claude-haiku-4-5", "max_tokens": 9}
        async with client.messages.with_streaming_response.create(**asked) as response:
            parts: Any = getattr(response, name)()
            if hasattr(parts, "__anext__"):
                return [part async for part in parts]
            return list(await parts)

    return asyncio.run(read())


@pytest.mark.parametrize("read", [read_answer, read_answer_async])
@pytest.mark.parametrize("name", READING)
def test_an_answer_that_breaks_off_is_a_call_that_failed(
    name: str, read: Any, server: FakeLLM, recorded: Any
) -> None:
    server.replies.append(CUT)
    with pytest.raises(Exception, match=r"closed|[Cc]onnection"):
        read(server, name)
    assert recorded.call()["$ai_is_error"] is True


@pytest.mark.parametrize("read", [read_answer, read_answer_async])
@pytest.mark.parametrize("name", READING)
def test_an_answer_that_is_read_is_one_call(
    name: str, read: Any, server: FakeLLM, recorded: Any
) -> None:
    server.replies.append(WHOLE)
    assert read(server, name)
    assert recorded.call()["$ai_is_error"] is False


KEPT: list[Any] = []
"""Bodies that their user keeps."""


def read_bedrock(server: FakeLLM, *amount: int) -> bytes:
    body = make_bedrock(server, False).invoke_model(modelId=CLAUDE, body=BODY)["body"]
    KEPT.append(body)
    found: bytes = body.read(*amount)
    while amount and (more := body.read(*amount)):
        found += more
    return found


def read_bedrock_async(server: FakeLLM, *amount: int) -> bytes:
    async def read() -> bytes:
        async with make_bedrock(server, True)() as client:
            body = (await client.invoke_model(modelId=CLAUDE, body=BODY))["body"]
            KEPT.append(body)
            found: bytes = await body.read(*amount)
            while amount and (more := await body.read(*amount)):
                found += more
            return found

    return asyncio.run(read())


each_bedrock = pytest.mark.parametrize("read", [read_bedrock, read_bedrock_async])
each_amount = pytest.mark.parametrize("amount", [(), (6,)])


@each_bedrock
@each_amount
def test_a_body_of_bedrock_that_breaks_off_is_a_call_that_failed(
    amount: Any, read: Any, server: FakeLLM, recorded: Any
) -> None:
    server.replies.append(CUT)
    with pytest.raises(Exception, match=r"(?i)read|payload"):
        read(server, *amount)
    call = recorded.call()
    assert (call["$ai_is_error"], call["$ai_input_tokens"]) == (True, 9)


@each_bedrock
@each_amount
def test_a_body_of_bedrock_that_was_read_is_recorded_though_it_is_kept(
    amount: Any, read: Any, server: FakeLLM, recorded: Any
) -> None:
    server.replies.append(WHOLE)
    assert read(server, *amount) == BODY
    call = recorded.call()
    assert (call["$ai_is_error"], call["$ai_input_tokens"]) == (False, 9)


def test_a_body_of_bedrock_that_is_closed_is_recorded(server: FakeLLM, recorded: Any) -> None:
    server.replies.append(WHOLE)
    body = make_bedrock(server, False).invoke_model(modelId=CLAUDE, body=BODY)["body"]
    assert recorded.calls() == []
    body.close()
    assert recorded.call()["$ai_is_error"] is False


def test_a_body_that_the_user_s_handler_put_there_passes_untouched(
    server: FakeLLM, recorded: Any
) -> None:
    def change(parsed: Any, **_: object) -> None:
        parsed["body"] = b"other"

    server.replies.append(WHOLE)
    client = make_bedrock(server, False)
    client.meta.events.register("after-call.bedrock-runtime.InvokeModel", change)
    assert client.invoke_model(modelId=CLAUDE, body=BODY)["body"] == b"other"
    assert recorded.call()["$ai_input_tokens"] == 9


def test_a_body_of_bedrock_is_read_into_a_buffer_too(server: FakeLLM, recorded: Any) -> None:
    server.replies.extend([WHOLE, CUT])
    client, buffer = make_bedrock(server, False), bytearray(99)
    whole, cut = (client.invoke_model(modelId=CLAUDE, body=BODY)["body"] for _ in range(2))
    assert (whole.readinto(buffer), whole.readinto(b=buffer)) == (len(BODY), 0)
    assert cut.readinto(buffer) == 4
    with pytest.raises(Exception, match=r"(?i)read"):
        cut.readinto(buffer)
    assert [call["$ai_is_error"] for call in recorded.calls()] == [False, True]


def test_a_body_whose_reading_is_interrupted_is_recorded_though_it_is_kept(
    server: FakeLLM, recorded: Any
) -> None:
    class Interrupted:
        def read(self, amount: int | None = None) -> bytes:
            raise KeyboardInterrupt

    server.replies.append(WHOLE)
    body = make_bedrock(server, False).invoke_model(modelId=CLAUDE, body=BODY)["body"]
    body._raw_stream = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        body.read()
    assert recorded.call()["$ai_is_error"] is False
