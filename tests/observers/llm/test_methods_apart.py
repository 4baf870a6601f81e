"""What the SDKs of Google, Mistral, Cohere and Ollama have each on its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import Any

import cohere
import mistralai.client
import ollama
import pytest
from fake_llm import GOOGLE_USAGE, MARK, FakeLLM, failure, google_answer, whole
from google import genai
from google.genai import types
from huggingface_hub import InferenceClient

from dev_analytics.consent.decision import Switch
from dev_analytics.observers import hooks

SAID: Any = [{"role": "user", "content": MARK}]


@pytest.fixture
def gemini(server: FakeLLM) -> genai.Client:
    return genai.Client(api_key=MARK, http_options=types.HttpOptions(base_url=server.address))


def test_a_chat_with_gemini(gemini: genai.Client, recorded: Any) -> None:
    chat = gemini.chats.create(model="gemini-2.5-flash")
    chat.send_message(MARK)
    assert len(list(chat.send_message_stream(MARK))) == 3
    assert [call["stream"] for call in recorded.calls()] == [False, True]


def test_each_round_of_gemini_s_function_calling_has_its_own_counts(
    gemini: genai.Client, server: FakeLLM, recorded: Any
) -> None:
    def high_tide(harbour: str) -> str:
        """Record its time."""
        return MARK + harbour

    wanted = google_answer("", {**GOOGLE_USAGE, "promptTokenCount": 70})
    call = {"functionCall": {"name": "high_tide", "args": {"harbour": MARK}}}
    wanted["candidates"][0]["content"]["parts"] = [call]
    server.replies.append(whole(wanted))
    config = types.GenerateContentConfig(tools=[high_tide])
    gemini.models.generate_content(model="gemini-2.5-flash", contents=MARK, config=config)
    assert len(server.received) == 2
    assert [call["$ai_input_tokens"] for call in recorded.calls()] == [70, 120]


@pytest.mark.parametrize(
    ("asked", "named"),
    [("models/gemini-2.5-pro", "gemini-2.5-pro"), (f"tunedModels/{MARK}", "other")],
)
def test_a_model_of_google_is_named_by_the_vocabulary(
    gemini: genai.Client, server: FakeLLM, recorded: Any, asked: str, named: str
) -> None:
    answer = google_answer(MARK, GOOGLE_USAGE)
    del answer["modelVersion"]
    server.replies.append(whole(answer))
    gemini.models.generate_content(model=asked, contents=MARK)
    assert recorded.call()["$ai_model"] == named


def test_tokens_of_tool_results_are_part_of_gemini_s_input(
    gemini: genai.Client, server: FakeLLM, recorded: Any
) -> None:
    server.replies.append(
        whole(google_answer(MARK, {**GOOGLE_USAGE, "toolUsePromptTokenCount": 7}))
    )
    gemini.models.generate_content(model="gemini-2.5-flash", contents=MARK)
    assert recorded.call()["$ai_input_tokens"] == 127


def test_a_stream_of_mistral_ends_when_its_with_block_is_left(
    server: FakeLLM, recorded: Any
) -> None:
    client = mistralai.client.Mistral(api_key=MARK, server_url=f"{server.address}/mistral")
    with client.chat.stream(model="mistral-large-2411", messages=SAID) as stream:
        next(stream)
        assert recorded.calls() == []
    # It is still referred to: only its end can have had it recorded.
    assert stream is not None
    assert recorded.call()["$ai_is_error"] is False


def test_a_raw_answer_of_cohere(server: FakeLLM, recorded: Any) -> None:
    client = cohere.ClientV2(api_key=MARK, base_url=server.address)
    client.with_raw_response.chat(model="command-r-plus", messages=SAID)
    with client.with_raw_response.chat_stream(model="command-r-plus", messages=SAID) as raw:
        assert len(list(raw.data)) == 3
    assert [call["$ai_input_tokens"] for call in recorded.calls()] == [120, 120]


def test_a_user_error_while_cohere_streams_is_not_the_call_s(
    server: FakeLLM, recorded: Any
) -> None:
    client = cohere.ClientV2(api_key=MARK, base_url=server.address)

    def ask() -> None:
        asking = client.with_raw_response.chat_stream(model="command-r-plus", messages=SAID)
        with asking as raw:
            next(raw.data)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask()
    assert recorded.call()["$ai_is_error"] is False


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_error_of_cohere_while_nothing_is_collected_is_the_user_s(
    server: FakeLLM, recorded: Any, asynchronous: bool
) -> None:
    recorded.analytics.stop_log()
    recorded.analytics.gate.switch = Switch(False, "a test")
    server.replies.append(failure(500))
    asked: Any = {"model": "command-r-plus", "messages": SAID}
    options: Any = {"api_key": MARK, "base_url": server.address, "max_retries": 0}

    async def ask_async() -> None:
        async for _ in cohere.AsyncClientV2(**options).chat_stream(**asked):
            pass

    def ask() -> None:
        list(cohere.ClientV2(**options).chat_stream(**asked))

    with pytest.raises(cohere.errors.InternalServerError):
        asyncio.run(ask_async()) if asynchronous else ask()
    assert recorded.calls() == []


def test_a_loop_closes_the_same_generators_of_cohere_as_without_us(
    server: FakeLLM, recorded: Any
) -> None:
    """It closes all that it knows at the same time, and tells of each that it cannot close."""

    async def known() -> list[str]:
        client = cohere.AsyncClientV2(api_key=MARK, base_url=server.address)
        stream = client.chat_stream(model="command-r-plus", messages=SAID)
        await anext(aiter(stream))
        loop: Any = asyncio.get_running_loop()
        names = sorted(each.__qualname__ for each in loop._asyncgens)
        await stream.aclose()
        return names

    hooked = asyncio.run(known())
    assert "AsyncRawV2Client.chat_stream" in hooked
    assert len(recorded.calls()) == 1
    hooks.unregister()
    assert hooked == asyncio.run(known())


def test_texts_and_embeddings_of_ollama(server: FakeLLM, recorded: Any) -> None:
    client = ollama.Client(server.address)
    client.generate("qwen3:8b", MARK, system=MARK)
    assert len(list(client.generate("qwen3:8b", MARK, stream=True))) == 3
    client.embed("nomic-embed-text", MARK)
    assert [
        (call["operation"], call["$ai_model"], call.get("$ai_input_tokens"))
        for call in recorded.calls()
    ] == [
        ("text_completion", "qwen3", 120),
        ("text_completion", "qwen3", 120),
        ("embeddings", "nomic-embed-text", 9),
    ]


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_an_abandoned_stream_is_closed_as_without_hooks(
    server: FakeLLM, recorded: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """At its end the loop closes all that it knows, and tells of what cannot be closed."""

    async def ask() -> None:
        client = ollama.AsyncClient(server.address)
        async for _ in await client.chat("llama3.2", SAID, stream=True):
            return

    asyncio.run(ask())
    assert len(recorded.calls()) == 1
    assert caplog.messages == []


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_latency_of_a_stream_does_not_include_the_time_before_it_is_read(
    server: FakeLLM, recorded: Any, asynchronous: bool
) -> None:
    """The request is made when the first chunk is asked for."""
    asked: Any = {"model": "llama3.2", "messages": SAID, "stream": True}
    held = 0.3

    async def ask() -> float:
        stream = await ollama.AsyncClient(server.address).chat(**asked)
        await asyncio.sleep(held)
        began = time.perf_counter()
        async for _ in stream:
            pass
        return time.perf_counter() - began

    if asynchronous:
        lasted = asyncio.run(ask())
    else:
        stream = ollama.Client(server.address).chat(**asked)
        time.sleep(held)
        began = time.perf_counter()
        list(stream)
        lasted = time.perf_counter() - began
    (call,) = recorded.calls()
    # It is rounded to two significant digits.
    assert call["$ai_latency"] <= lasted * 1.05
    assert call["$ai_time_to_first_token"] <= lasted * 1.05


def test_a_request_to_no_language_model_is_not_observed(server: FakeLLM, recorded: Any) -> None:
    with pytest.raises(ollama.ResponseError):
        ollama.Client(server.address).pull(MARK)
    server.replies.append(whole([0.5]))
    hub = InferenceClient(model=server.address)
    assert hub.sentence_similarity(MARK, other_sentences=[MARK]) == [0.5]
    assert recorded.calls() == []


PROGRAM = """
import sys
from pathlib import Path
from dev_analytics.analytics import Analytics
from dev_analytics.observers import hooks

analytics = Analytics(delivery=None, strict=True)
analytics.log_to(Path({log!r}))
def load():
    hooks.register(analytics)
{code}
analytics.pipeline.catch_up()
assert not analytics.drops.counts
"""
CALLS = {
    "google-genai": (
        "from google import genai",
        "gemini = genai.Client(api_key='k', http_options={{'base_url': '{address}'}})",
        "gemini.models.generate_content(model='gemini-2.5-flash', contents='')",
    ),
    "mistralai": (
        "from mistralai.client import Mistral",
        "mistral = Mistral(api_key='k', server_url='{address}/mistral')",
        "mistral.chat.complete(model='mistral-large-2411', messages=[])",
    ),
    "cohere": (
        "import cohere",
        "co = cohere.ClientV2(api_key='k', base_url='{address}')",
        "co.chat(model='command-r-plus', messages=[])",
    ),
    "ollama": (
        "import os; os.environ['OLLAMA_HOST'] = '{address}'; import ollama",
        "",
        "ollama.chat('llama3.2', [])",
    ),
}


@pytest.mark.parametrize("when", [0, 1, 2], ids=["before", "after the import", "after the client"])
def test_loading_before_or_after_the_import_makes_no_difference(
    server: FakeLLM, log: Any, when: int
) -> None:
    steps = [
        "\n".join(lines[step].format(address=server.address) for lines in CALLS.values())
        for step in range(3)
    ]
    code = "\n".join([*steps[:when], "load()", *steps[when:]])
    program = PROGRAM.format(log=str(log.path), code=code)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert [(call["sdk"], call["$ai_input_tokens"]) for call in log.of("$ai_generation")] == [
        (name, 120) for name in CALLS
    ]
    assert all(json.loads(received.body) for received in server.received)
    assert len(server.received) == len(CALLS)
