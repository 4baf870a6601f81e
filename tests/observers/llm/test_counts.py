"""Where providers put their counts, and how a stream's parts add up: as the SDK itself has them."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from anthropic.lib.streaming import _beta_messages, _messages
from anthropic.types import RawMessageStreamEvent
from anthropic.types.beta import BetaRawMessageStreamEvent
from fake_llm import (
    MARK,
    FakeLLM,
    anthropic_messages,
    openai_chat,
    openai_responses,
    server_sent,
    whole,
)
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.bedrock import AsyncBedrockOpenAI, BedrockOpenAI
from openai.providers import bedrock
from pydantic import TypeAdapter

from dev_analytics.observers.llm.answers import Answer, tokens
from dev_analytics.observers.llm.sdks import google_genai
from dev_analytics.observers.llm.sdks import openai as openai_sdk
from dev_analytics.observers.llm.sdks.anthropic import read

MESSAGES: Any = [{"role": "user", "content": MARK}]
COUNT = st.one_of(st.none(), st.integers(0, 10**6))
CACHE = {"cache_read_input_tokens": COUNT, "cache_creation_input_tokens": COUNT}
DETAILS = st.one_of(st.none(), st.fixed_dictionaries({"thinking_tokens": st.integers(0, 10**6)}))
BEGUN = st.fixed_dictionaries(
    {"input_tokens": st.integers(0, 10**6), "output_tokens": st.integers(0, 10)}, optional=CACHE
)
DELTA = st.fixed_dictionaries(
    # One that is nought and nothing else is told of apart.
    {"output_tokens": st.integers(1, 10**6)},
    optional={**CACHE, "input_tokens": COUNT, "output_tokens_details": DETAILS},
)


@pytest.fixture
def client(server: FakeLLM) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.address}/v1", api_key=MARK, max_retries=0)


@pytest.fixture
def claude(server: FakeLLM) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=server.address, api_key=MARK, max_retries=0)


def events(begun: dict[str, Any], deltas: list[dict[str, Any]]) -> list[dict[str, Any]]:
    message = json.loads(anthropic_messages({"model": "claude-haiku-4-5"}).body)
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    return [
        {"type": "message_start", "message": {**message, "content": [], "usage": begun}},
        *({"type": "message_delta", "delta": ended, "usage": delta} for delta in deltas),
    ]


def merged(chunks: list[Any]) -> Answer:
    known: Answer | None = None
    for chunk in chunks:
        told = read(chunk)
        assert told is not None
        known = told if known is None else known.updated(told)
    assert known is not None
    return known


KINDS: dict[str, tuple[Any, Any]] = {
    "messages": (_messages.accumulate_event, TypeAdapter(RawMessageStreamEvent)),
    "beta": (_beta_messages.accumulate_event, TypeAdapter(BetaRawMessageStreamEvent)),
}


@pytest.mark.parametrize("kind", KINDS)
@given(begun=BEGUN, deltas=st.lists(DELTA, max_size=4))
def test_the_counts_of_a_stream_are_those_of_its_final_message(
    kind: str, begun: dict[str, Any], deltas: list[dict[str, Any]]
) -> None:
    accumulate, event = KINDS[kind]
    chunks = [event.validate_python(each) for each in events(begun, deltas)]
    told = merged(chunks)
    snapshot = None
    more = {"request_headers": httpx2.Headers()} if kind == "beta" else {}
    for chunk in chunks:
        snapshot = accumulate(event=chunk, current_snapshot=snapshot, json_bufs={}, **more)
    assert snapshot is not None
    final = snapshot.usage
    cached = final.cache_read_input_tokens, final.cache_creation_input_tokens
    assert tokens(told.input_tokens) == final.input_tokens + sum(each or 0 for each in cached)
    assert tokens(told.output_tokens) == final.output_tokens
    assert (tokens(told.cache_read_input_tokens), tokens(told.cache_write_input_tokens)) == cached
    details = final.output_tokens_details
    thought = None if details is None else details.thinking_tokens
    assert tokens(told.reasoning_output_tokens) == thought


@pytest.mark.parametrize(
    ("begun", "delta"),
    [
        (
            {"input_tokens": 20},
            {"cache_read_input_tokens": 200, "cache_creation_input_tokens": 115},
        ),
        (
            {
                "input_tokens": 20,
                "cache_read_input_tokens": 200,
                "cache_creation_input_tokens": 115,
            },
            {"input_tokens": 20},
        ),
    ],
)
def test_a_stream_whose_delta_has_a_part_of_the_counts(
    claude: anthropic.Anthropic, server: FakeLLM, recorded: Any, begun: Any, delta: Any
) -> None:
    parts = events({"output_tokens": 1, **begun}, [{"output_tokens": 30, **delta}])
    server.replies.append(server_sent([*parts, {"type": "message_stop"}], named=True, done=False))
    asked = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": MESSAGES}
    with claude.messages.stream(**asked) as stream:
        usage = stream.get_final_message().usage
    assert usage.input_tokens == 20
    assert recorded.call()["$ai_input_tokens"] == 335


def test_counts_that_are_all_zero_at_the_end_are_ignored() -> None:
    nought = {"input_tokens": 0, "output_tokens": 0}
    chunks = [
        KINDS["messages"][1].validate_python(each)
        for each in events(
            {"input_tokens": 20, "output_tokens": 1}, [{"output_tokens": 30}, nought]
        )
    ]
    told = merged(chunks)
    assert (tokens(told.input_tokens), tokens(told.output_tokens)) == (20, 30)


def test_tokens_spent_on_compaction_are_counted_too() -> None:
    """The SDK says of these entries that the totals leave them out."""
    spent = {"cache_read_input_tokens": 3, "cache_creation_input_tokens": 2}
    spent |= {"input_tokens": 1000, "output_tokens": 50}
    iterations = [{"type": "compaction", **spent}, {"type": "message", **spent}]
    usage = {**spent, "iterations": iterations}
    chunks = [
        KINDS["beta"][1].validate_python(each)
        for each in events({"input_tokens": 1, "output_tokens": 1}, [usage])
    ]
    told = merged(chunks)
    assert tokens(told.input_tokens) == 2 * (1000 + 3 + 2)
    assert tokens(told.output_tokens) == 100
    assert tokens(told.cache_read_input_tokens) == 6


def test_gemini_s_counts_may_come_in_different_chunks() -> None:
    usages: list[Any] = [
        {"prompt_token_count": 100, "thoughts_token_count": 20, "tool_use_prompt_token_count": 7},
        {"prompt_token_count": 100, "candidates_token_count": 10},
    ]
    first, last = (
        google_genai.read(types.GenerateContentResponse(usage_metadata=usage)) for usage in usages
    )
    told = first.updated(last)
    assert (tokens(told.input_tokens), tokens(told.output_tokens)) == (107, 30)


CHUNK = {
    "id": "c",
    "created": 1,
    "object": "chat.completion.chunk",
    "model": "kimi-k2.5",
    "choices": [{"index": 0, "delta": {"content": MARK}, "finish_reason": None}],
}
COUNTED = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
NOUGHT = dict.fromkeys(COUNTED, 0)


def last(usage: Any, *, in_choice: bool = False) -> dict[str, Any]:
    choice: Any = {"index": 0, "delta": {}, "finish_reason": "stop"}
    if in_choice:
        return {**CHUNK, "choices": [{**choice, "usage": usage}]}
    return {**CHUNK, "choices": [choice], "usage": usage}


@pytest.mark.parametrize(
    "ends",
    [
        [last(COUNTED, in_choice=True)],
        [last(COUNTED), last(NOUGHT)],
        [last(NOUGHT), last(COUNTED)],
        [{**CHUNK, "usage": {**COUNTED, "completion_tokens": 1}}, last(COUNTED)],
        [last(COUNTED), {**CHUNK, "choices": []}],
    ],
)
def test_the_counts_of_a_streamed_chat_may_be_in_any_chunk(
    client: openai.OpenAI, server: FakeLLM, recorded: Any, ends: list[Any]
) -> None:
    server.replies.append(server_sent([CHUNK, CHUNK, *ends]))
    list(client.chat.completions.create(model="kimi-k2.5", messages=MESSAGES, stream=True))
    call = recorded.call()
    assert (call["$ai_input_tokens"], call["$ai_output_tokens"]) == (10, 3)


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_tokens_that_openai_writes_to_its_cache(
    client: openai.OpenAI, server: FakeLLM, recorded: Any, api: str
) -> None:
    details = {"cached_tokens": 100, "cache_write_tokens": 70}
    if api == "chat":
        answer = json.loads(openai_chat({"model": "gpt-4o"}).body)
        answer["usage"]["prompt_tokens_details"] = details
        server.replies.append(whole(answer))
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    else:
        answer = json.loads(openai_responses({"model": "gpt-4o"}).body)
        answer["usage"]["input_tokens_details"] = details
        server.replies.append(whole(answer))
        client.responses.create(model="gpt-4o", input=MARK)
    call = recorded.call()
    assert call["$ai_cache_read_input_tokens"] == 100
    assert call["$ai_cache_creation_input_tokens"] == 70


def response(status: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(openai_responses({"model": "gpt-4o"}).body)
    error = {"code": "server_error", "message": MARK} if status == "failed" else None
    return {**answer, "status": status, "error": error}


@pytest.mark.parametrize(
    ("event", "is_error"),
    [
        ({"type": "response.failed", "response": response("failed")}, True),
        ({"type": "error", "code": "server_error", "message": MARK, "param": None}, True),
        ({"type": "response.incomplete", "response": response("incomplete")}, False),
        ({"type": "response.completed", "response": response("completed")}, False),
    ],
)
def test_a_streamed_response_that_failed_is_an_error(
    client: openai.OpenAI, server: FakeLLM, recorded: Any, event: Any, is_error: bool
) -> None:
    begun = {"type": "response.created", "response": response("in_progress")}
    numbered = [{**each, "sequence_number": n} for n, each in enumerate([begun, event])]
    server.replies.append(server_sent(numbered, named=True, done=False))
    assert len(list(client.responses.create(model="gpt-4o", input=MARK, stream=True))) == 2
    call = recorded.call()
    assert call["$ai_is_error"] is is_error
    assert "$ai_error" not in call, "there is no class of one"


@pytest.mark.parametrize("status", ["failed", "incomplete", "completed"])
def test_a_response_that_failed_is_an_error(
    client: openai.OpenAI, server: FakeLLM, recorded: Any, status: str
) -> None:
    server.replies.append(whole(response(status)))
    assert client.responses.create(model="gpt-4o", input=MARK).status == status
    assert recorded.call()["$ai_is_error"] is (status == "failed")


def test_an_error_in_place_of_an_answer_is_an_error(
    client: openai.OpenAI, server: FakeLLM, recorded: Any
) -> None:
    server.replies.append(whole({"error": {"code": 502, "message": MARK}, "user_id": MARK}))
    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    answer = json.loads(openai_chat({"model": "gpt-4o"}).body)
    answer["choices"][0]["finish_reason"] = "error"
    server.replies.append(whole(answer))
    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert [call["$ai_is_error"] for call in recorded.calls()] == [True, True]


@pytest.mark.parametrize("address", [None, "a gateway of the user's"])
@pytest.mark.parametrize("how", ["class", "provider"])
def test_a_bedrock_client_is_served_by_aws(
    server: FakeLLM, recorded: Any, how: str, address: str | None
) -> None:
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, content=openai_chat({"model": "gpt-4o"}).body)

    options: dict[str, Any] = {"base_url": f"{server.address}/{MARK}"} if address else {}
    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    if how == "class":
        client: Any = BedrockOpenAI(
            aws_region="us-east-1", api_key=MARK, http_client=http, **options
        )
    else:
        made = bedrock(region="us-east-1", api_key=MARK, **options)
        client = openai.OpenAI(provider=made, http_client=http)
    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert len(sent) == 1
    assert recorded.call()["$ai_provider"] == "aws"
    assert issubclass(AsyncBedrockOpenAI, openai.AsyncOpenAI), "it is hooked as that one is"


@pytest.mark.parametrize("choices", [{"a": 1}, "abc", [None], [[]], 5, ({},)])
def test_choices_of_another_shape_are_not_read(choices: Any) -> None:
    told = openai_sdk.read_usage({"choices": choices, "usage": {"prompt_tokens": 3}})
    assert (told.input_tokens, told.failed) == (3, None)
