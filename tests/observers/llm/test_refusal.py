"""What is refused before a request goes out is no call, whoever refuses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import cohere
import httpx2
import ollama
import openai
import pytest
from fake_llm import MARK, FakeLLM
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
    no_json_of_cohere,
    no_json_of_huggingface,
]


@pytest.mark.parametrize("ask", REFUSALS)
def test_what_is_refused_before_it_goes_out_is_no_call(
    ask: Callable[[FakeLLM], object], server: FakeLLM, recorded: Any
) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011, each has its own
        ask(server)
    assert "dev_analytics" not in type(caught.value).__module__
    assert (server.received, recorded.calls()) == ([], [])


def test_what_fails_when_the_answer_is_there_is_a_call(server: FakeLLM, recorded: Any) -> None:
    def fails(response: object) -> None:
        json.dumps(object())

    http_client = httpx2.Client(event_hooks={"response": [fails]})
    client = an_openai(server, client=http_client)
    with pytest.raises(TypeError, match="JSON"):
        client.chat.completions.create(model="gpt-4o", messages=SAID)
    assert (len(server.received), recorded.call()["$ai_is_error"]) == (1, True)


def test_a_query_in_a_path_hides_no_call(server: FakeLLM, recorded: Any) -> None:
    body = {"model": "gpt-4o", "messages": SAID}
    an_openai(server).post("/chat/completions?x=1", body=body, cast_to=object)
    assert recorded.call()["$ai_model"] == "gpt-4o"


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
