"""What newer versions of OpenAI's SDK offer beside: the Responses API, parsed answers, helpers."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import fake_llm
import openai
import pydantic
import pytest
from fake_llm import MARK, FakeLLM, openai_chat, server_sent, whole
from openai.lib.streaming.chat import ChatCompletionStreamState

MESSAGES: Any = [{"role": "user", "content": MARK}]
RESPONSE: dict[str, Any] = {"model": "gpt-4o", "input": MARK, "instructions": MARK}
USAGE = {
    "$ai_input_tokens": 220,
    "$ai_output_tokens": 40,
    "$ai_cache_read_input_tokens": 200,
    "$ai_reasoning_tokens": 15,
}


class Wanted(pydantic.BaseModel):
    answer: str


@pytest.fixture
def client(server: FakeLLM) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.address}/v1", api_key=MARK, max_retries=0)


@pytest.fixture
def async_client(server: FakeLLM) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{server.address}/v1", api_key=MARK, max_retries=0)


def usage(call: dict[str, Any]) -> dict[str, Any]:
    assert (call["operation"], call["$ai_model"]) == ("chat", "gpt-4o")
    return {name: call.get(name) for name in USAGE}


def test_a_response(client: openai.OpenAI, recorded: Any) -> None:
    assert client.responses.create(**RESPONSE).output_text == MARK
    assert usage(recorded.call()) == USAGE


def test_a_streamed_response(client: openai.OpenAI, recorded: Any) -> None:
    assert len(list(client.responses.create(**RESPONSE, stream=True))) == 5
    call = recorded.call()
    assert call["stream"] is True
    assert usage(call) == USAGE


def test_the_stream_helper_of_responses(client: openai.OpenAI, recorded: Any) -> None:
    with client.responses.stream(**RESPONSE) as stream:
        stream.until_done()
    assert usage(recorded.call()) == USAGE


def test_an_asynchronous_response(async_client: openai.AsyncOpenAI, recorded: Any) -> None:
    asyncio.run(async_client.responses.create(**RESPONSE))
    assert usage(recorded.call()) == USAGE


def test_a_parsed_chat(client: openai.OpenAI, recorded: Any) -> None:
    parsed = client.chat.completions.parse(
        model="gpt-4o", messages=MESSAGES, response_format=Wanted
    )
    assert parsed.choices[0].message.parsed == Wanted(answer=MARK)
    assert recorded.call()["$ai_input_tokens"] == 120


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("length", openai.LengthFinishReasonError),
        ("content_filter", openai.ContentFilterFinishReasonError),
    ],
)
def test_a_chat_that_cannot_be_parsed_has_its_tokens(
    client: openai.OpenAI,
    async_client: openai.AsyncOpenAI,
    server: FakeLLM,
    recorded: Any,
    asynchronous: bool,
    reason: str,
    error: type[Exception],
) -> None:
    answer = json.loads(openai_chat({"model": "gpt-4o"}).body)
    answer["choices"][0]["finish_reason"] = reason
    server.replies.append(whole(answer))
    ask: Any = {"model": "gpt-4o", "messages": MESSAGES, "response_format": Wanted}

    def parse() -> None:
        if asynchronous:
            asyncio.run(async_client.chat.completions.parse(**ask))
        else:
            client.chat.completions.parse(**ask)

    with pytest.raises(error):
        parse()
    call = recorded.call()
    assert call["$ai_error"] == f"openai.{error.__name__}"
    assert (call["$ai_input_tokens"], call["$ai_output_tokens"]) == (120, 30)


def test_a_chat_that_does_not_fit_the_wanted_class(
    client: openai.OpenAI, server: FakeLLM, recorded: Any
) -> None:
    answer = json.loads(openai_chat({"model": "gpt-4o"}).body)
    answer["choices"][0]["message"]["content"] = MARK
    server.replies.append(whole(answer))
    with pytest.raises(pydantic.ValidationError):
        client.chat.completions.parse(model="gpt-4o", messages=MESSAGES, response_format=Wanted)
    assert recorded.call()["$ai_error"] == "pydantic_core._pydantic_core.ValidationError"


def test_the_stream_helper_of_chats(client: openai.OpenAI, recorded: Any) -> None:
    options: Any = {"include_usage": True}
    with client.chat.completions.stream(
        model="gpt-4o", messages=MESSAGES, stream_options=options
    ) as stream:
        stream.until_done()
    call = recorded.call()
    assert (call["$ai_input_tokens"], call["$ai_output_tokens"]) == (120, 30)


def stream_chat(client: Any) -> Any:
    return client.chat.completions.stream(
        model="gpt-4o",
        messages=MESSAGES,
        response_format=Wanted,
        stream_options={"include_usage": True},
    )


def stream_response(client: Any) -> Any:
    return client.responses.stream(**RESPONSE, text_format=Wanted)


def chat_that_ends(reason: str) -> fake_llm.Reply:
    """Return a stream of a chat, with the usage beside its end, as some servers send it."""
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    deltas: list[Any] = [{"role": "assistant", "content": f'{{"{MARK}": '}, {"content": "1}"}, {}]
    chunks: list[Any] = [
        {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas
    ]
    chunks[-1]["choices"][0]["finish_reason"] = reason
    chunks[-1]["usage"] = fake_llm.CHAT_USAGE
    return server_sent(chunks)


def response_that_does_not_fit() -> fake_llm.Reply:
    streamed = fake_llm.openai_responses({**RESPONSE, "stream": True})
    done = {"type": "response.output_text.done", "text": MARK, "logprobs": []}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "sequence_number": 4}
    events = streamed.body.split(b"event: response.completed")
    body = events[0] + server_sent([{**done, **place}], named=True, done=False).body
    return streamed._replace(body=b"event: response.completed".join([body, *events[1:]]))


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    ("stream", "reply", "error", "tokens"),
    [
        (stream_chat, chat_that_ends("length"), openai.LengthFinishReasonError, 120),
        (stream_chat, chat_that_ends("content_filter"), openai.ContentFilterFinishReasonError, 120),
        (stream_chat, chat_that_ends("stop"), pydantic.ValidationError, 120),
        # Only the last event has counts, which is not reached.
        (stream_response, response_that_does_not_fit(), pydantic.ValidationError, None),
    ],
    ids=["cut off", "filtered", "another class", "a response of another class"],
)
def test_what_a_helper_raises_about_an_answer_is_the_call_s_error(
    client: openai.OpenAI,
    async_client: openai.AsyncOpenAI,
    server: FakeLLM,
    recorded: Any,
    asynchronous: bool,
    stream: Callable[[Any], Any],
    reply: fake_llm.Reply,
    error: type[Exception],
    tokens: int | None,
) -> None:
    async def read_async() -> None:
        async with stream(async_client) as helper:
            await helper.until_done()

    def read() -> None:
        with stream(client) as helper:
            try:
                helper.until_done()
            finally:
                # At once, not when the helper is closed or collected.
                assert recorded.call()["$ai_is_error"] is True

    server.replies.append(reply)
    with pytest.raises(error):
        asyncio.run(read_async()) if asynchronous else read()
    call = recorded.call()
    named = "pydantic_core._pydantic_core" if error is pydantic.ValidationError else "openai"
    assert call["$ai_error"] == f"{named}.{error.__name__}"
    assert (call["stream"], call["$ai_model"]) == (True, "gpt-4o")
    assert call.get("$ai_input_tokens") == tokens


def test_an_error_after_a_chat_was_read_to_its_end_is_not_the_call_s(
    client: openai.OpenAI, server: FakeLLM, recorded: Any
) -> None:
    server.replies.append(chat_that_ends("length"))
    with client.chat.completions.stream(model="gpt-4o", messages=MESSAGES) as helper:
        helper.until_done()
        with pytest.raises(openai.LengthFinishReasonError):
            helper.get_final_completion()
    call = recorded.call()
    assert (call["$ai_is_error"], call["$ai_input_tokens"]) == (False, 120)


def test_an_error_of_the_user_s_event_handler_is_not_the_call_s(
    client: openai.OpenAI, server: FakeLLM, recorded: Any
) -> None:
    server.replies.append(chat_that_ends("length"))
    ask: Any = {"model": "gpt-4o", "messages": MESSAGES, "stream": True}
    state = ChatCompletionStreamState(response_format=Wanted)
    stream = client.chat.completions.create(**ask)
    with pytest.raises(openai.LengthFinishReasonError):
        list(map(state.handle_chunk, stream))
    stream.close()
    assert recorded.call()["$ai_is_error"] is False


def test_closing_a_stream_ends_the_call_at_once(client: openai.OpenAI, recorded: Any) -> None:
    with client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True) as stream:
        next(stream)
    assert recorded.call()["stream"] is True
    assert list(stream) is not None
    assert len(recorded.calls()) == 1


def test_a_streaming_response_that_is_parsed(client: openai.OpenAI, recorded: Any) -> None:
    with client.chat.completions.with_streaming_response.create(
        model="gpt-4o", messages=MESSAGES
    ) as response:
        response.parse()
    assert recorded.call()["$ai_input_tokens"] == 120


def test_an_asynchronous_streaming_response_that_is_parsed(
    async_client: openai.AsyncOpenAI, recorded: Any
) -> None:
    async def ask() -> None:
        async with async_client.chat.completions.with_streaming_response.create(
            model="gpt-4o", messages=MESSAGES
        ) as response:
            await response.parse()

    asyncio.run(ask())
    assert recorded.call()["$ai_input_tokens"] == 120


def test_a_response_of_the_beta(client: openai.OpenAI, recorded: Any) -> None:
    client.beta.responses.create(**RESPONSE)
    assert len(list(client.beta.responses.create(**RESPONSE, stream=True))) == 5
    calls = recorded.calls()
    assert [usage(call) for call in calls] == [USAGE, USAGE]
    assert [call["stream"] for call in calls] == [False, True]


def test_compacted_responses_and_decisions(
    client: openai.OpenAI, server: FakeLLM, recorded: Any
) -> None:
    counts: dict[str, Any] = {"input_tokens": 220, "output_tokens": 40, "total_tokens": 260}
    counts["input_tokens_details"] = {"cached_tokens": 200}
    counts["output_tokens_details"] = {"reasoning_tokens": 15}
    compacted = {"id": "1", "object": "response.compaction", "created_at": 1, "output": []}
    server.replies.extend([whole({**compacted, "usage": counts})] * 2)
    server.replies.append(whole({"answers": [], "model": "gpt-4o", "usage": counts}))
    client.responses.compact(model="gpt-4o", input=MARK)
    client.beta.responses.compact(model="gpt-4o", input=MARK)
    client.decisions.create(model="gpt-4o", input=MARK, questions=[])
    calls = recorded.calls()
    assert [call["operation"] for call in calls] == ["chat", "chat", "other"]
    assert [{name: call.get(name) for name in USAGE} for call in calls] == [USAGE] * 3
    assert {call["$ai_model"] for call in calls} == {"gpt-4o"}


def test_a_request_posted_by_hand_is_a_call_however_its_address_is_written(
    client: openai.OpenAI, server: FakeLLM, recorded: Any
) -> None:
    path = "chat/completions"
    for url in (f"/{path}", path, f"{server.address}/v1/{path}"):
        client.post(url, cast_to=object, body={"model": "gpt-4o", "messages": MESSAGES})
    assert {request.path for request in server.received} == {f"/v1/{path}"}
    assert len(recorded.calls()) == 3


def test_no_property_of_the_user_s_client_is_read(server: FakeLLM, recorded: Any) -> None:
    asked: list[str] = []

    class Own(openai.OpenAI):  # type: ignore[misc]
        @property
        def base_url(self) -> Any:
            asked.append(sys._getframe(1).f_globals["__name__"].partition(".")[0])
            return super().base_url

    own = Own(base_url=f"{server.address}/v1", api_key=MARK, max_retries=0)
    own.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert set(asked) == {"openai"}
    assert recorded.call()["$ai_provider"] == "local"


def test_an_answer_of_a_class_of_the_user_s_is_not_read(
    client: openai.OpenAI, recorded: Any
) -> None:
    class Own(openai.BaseModel):  # type: ignore[misc]
        def __getattr__(self, name: str) -> Any:
            raise AssertionError("read")

    client.post("/chat/completions", cast_to=Own, body={"model": "gpt-4o", "messages": MESSAGES})
    call = recorded.call()
    assert call["$ai_model"] == "gpt-4o"
    assert "$ai_input_tokens" not in call


@pytest.mark.parametrize("tokens", [-1, 1.5, None, MARK, [MARK], 2**60])
def test_an_invalid_number_of_tokens_is_left_out(
    client: openai.OpenAI, server: FakeLLM, recorded: Any, tokens: Any
) -> None:
    answer = json.loads(openai_chat({"model": "gpt-4o"}).body)
    answer["usage"]["prompt_tokens"] = tokens
    server.replies.append(openai_chat({})._replace(body=json.dumps(answer).encode()))
    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    call = recorded.call()
    assert "$ai_input_tokens" not in call
    assert call["$ai_output_tokens"] == 30


def test_an_error_event_in_a_stream(client: openai.OpenAI, server: FakeLLM, recorded: Any) -> None:
    server.replies.append(server_sent([{"error": {"message": MARK}}]))
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True))
    assert recorded.call()["$ai_error"] == "openai.APIError"
