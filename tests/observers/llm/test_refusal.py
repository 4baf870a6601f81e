"""What is refused before a request goes out is no call, whoever refuses it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import anthropic
import cohere
import httpx2
import ollama
import openai
import pytest
import requests
from fake_llm import MARK, FakeLLM
from further_ways import ask_bedrock, make_bedrock
from google import genai
from google.genai import types
from huggingface_hub import InferenceClient

from dev_analytics.observers.llm.refusal import is_refused

SAID: Any = [{"role": "user", "content": MARK}]
NO_JSON: Any = [{"role": "user", "content": object()}]


def an_openai(server: FakeLLM, key: str = MARK, client: Any = None) -> openai.OpenAI:
    address = f"{server.address}/openai"
    return openai.OpenAI(api_key=key, base_url=address, max_retries=0, http_client=client)


def closed_openai(server: FakeLLM) -> object:
    client = an_openai(server)
    client.close()
    return client.chat.completions.create(model="gpt-4o", messages=SAID)


def closed_ollama(server: FakeLLM) -> object:
    client = ollama.Client(server.address)
    client._client.close()
    return client.chat("llama3.2", SAID)


def closed_google(server: FakeLLM) -> object:
    options = types.HttpOptions(base_url=server.address)
    client = genai.Client(api_key=MARK, http_options=options)
    client.close()
    return client.models.generate_content(model="gemini-2.5-flash", contents=MARK)


def empty_key(server: FakeLLM) -> object:
    return an_openai(server, key="\n").chat.completions.create(model="gpt-4o", messages=SAID)


def no_address_of_openai(server: FakeLLM) -> object:
    client = openai.OpenAI(api_key=MARK, base_url="nowhere", max_retries=0)
    return client.chat.completions.create(model="gpt-4o", messages=SAID)


def no_credentials_of_anthropic(server: FakeLLM) -> object:
    client = anthropic.AnthropicBedrock(base_url=server.address, aws_region="eu-west-1")
    # Another one is found on a machine of AWS.
    client._prepare_request = refuse
    return client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=SAID)


def _prepare_request(request: object) -> None:
    raise RuntimeError("no credentials")


refuse = _prepare_request


def no_header_of_google(server: FakeLLM) -> object:
    options = types.HttpOptions(base_url=server.address, headers={"x": "\u4e2d"})
    client = genai.Client(api_key=MARK, http_options=options)
    return client.models.generate_content(model="gemini-2.5-flash", contents=MARK)


def ask_google(address: str, header: str = MARK) -> object:
    async def ask() -> object:
        options = types.HttpOptions(base_url=address, headers={"x": header})
        client = genai.Client(api_key=MARK, http_options=options).aio
        try:
            return await client.models.generate_content(model="gemini-2.5-flash", contents=MARK)
        finally:
            await client.aclose()

    return asyncio.run(ask())


def no_address_of_google(server: FakeLLM) -> object:
    return ask_google("nowhere")


def no_header_of_aiohttp(server: FakeLLM) -> object:
    return ask_google(server.address, header="a\nb")


def no_header_of_boto3(server: FakeLLM) -> object:
    def add(request: Any, **_: object) -> None:
        request.headers["x"] = "a\nb"

    client = make_bedrock(server, False)
    client.meta.events.register("before-sign.bedrock-runtime.Converse", add)
    return ask_bedrock(client, False)


def no_json_of_cohere(server: FakeLLM) -> object:
    client = cohere.ClientV2(api_key=MARK, base_url=server.address)
    return client.chat(model="command-r-plus", messages=SAID, documents=NO_JSON)


def no_json_of_huggingface(server: FakeLLM) -> object:
    client = InferenceClient(base_url=server.address, token=MARK)
    return client.chat_completion(NO_JSON, model="Qwen/Qwen3-14B")


REFUSALS = [
    closed_openai,
    closed_ollama,
    closed_google,
    empty_key,
    no_address_of_openai,
    no_credentials_of_anthropic,
    no_header_of_google,
    no_address_of_google,
    no_header_of_aiohttp,
    no_header_of_boto3,
    no_json_of_cohere,
    no_json_of_huggingface,
]


@pytest.mark.parametrize("ask", REFUSALS)
def test_a_request_refused_before_it_goes_out_is_not_a_call(
    ask: Callable[[FakeLLM], object], server: FakeLLM, recorded: Any
) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011, each has its own
        ask(server)
    assert "dev_analytics" not in type(caught.value).__module__
    assert (server.received, recorded.calls()) == ([], [])


def test_a_failure_once_the_answer_is_there_is_a_call(server: FakeLLM, recorded: Any) -> None:
    def fails(response: object) -> None:
        json.dumps(object())

    http_client = httpx2.Client(event_hooks={"response": [fails]})
    client = an_openai(server, client=http_client)
    with pytest.raises(TypeError, match="JSON"):
        client.chat.completions.create(model="gpt-4o", messages=SAID)
    assert (len(server.received), recorded.call()["$ai_is_error"]) == (1, True)


def test_a_query_in_the_path_does_not_hide_a_call(server: FakeLLM, recorded: Any) -> None:
    body = {"model": "gpt-4o", "messages": SAID}
    an_openai(server).post("/chat/completions?x=1", body=body, cast_to=object)
    assert recorded.call()["$ai_model"] == "gpt-4o"


@pytest.mark.parametrize(
    ("address", "more"),
    [
        ("nowhere", {}),
        ("http://", {}),
        ("gopher://localhost", {}),
        ("http://localhost", {"headers": {"x": "a\nb"}}),
        ("http://localhost", {"json": object()}),
    ],
)
def test_a_refusal_of_the_package_requests_is_recognised(address: str, more: Any) -> None:
    with pytest.raises((TypeError, requests.RequestException)) as caught:
        requests.post(address, **more)
    assert is_refused(caught.value)


def test_a_connection_that_fails_is_a_call() -> None:
    with pytest.raises(requests.ConnectionError) as caught:
        requests.post("http://127.0.0.1:1")
    assert not is_refused(caught.value)


class Hostile(str):
    """A name that raises when it is hashed or compared."""

    __slots__ = ()

    def __hash__(self) -> int:
        raise AssertionError(MARK)

    def __eq__(self, other: object) -> bool:
        raise AssertionError(MARK)


def test_nothing_of_a_user_s_error_is_run() -> None:
    space: dict[str, Any] = {"__name__": Hostile("user")}
    exec("def fail(kind): raise kind('x')", space)
    for kind in (TypeError, ValueError, RuntimeError):
        with pytest.raises(kind) as caught:
            space["fail"](kind)
        assert not is_refused(caught.value)
