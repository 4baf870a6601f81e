"""Answers that are kept, and not read to their end: recorded when closed, or with the session."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from fake_llm import MARK, FakeLLM

from dev_analytics.consent.store import ConsentStore
from dev_analytics.observers import hooks

CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": MARK}]}
ASK: dict[str, Any] = {**CHAT, "model": "claude-haiku-4-5", "max_tokens": 9}
SECONDS = 240


@pytest.fixture
def client(server: FakeLLM) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.address}/v1", api_key=MARK, max_retries=0)


@pytest.fixture
def async_client(server: FakeLLM) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{server.address}/v1", api_key=MARK, max_retries=0)


def test_a_chat_helper_left_early_is_recorded_when_it_is_closed(
    client: openai.OpenAI, recorded: Any
) -> None:
    with client.chat.completions.stream(**CHAT) as stream:
        next(iter(stream))
        assert recorded.calls() == []
    assert stream is not None
    assert recorded.call()["stream"] is True


def test_a_response_helper_left_early_is_recorded_when_it_is_closed(
    client: openai.OpenAI, recorded: Any
) -> None:
    with client.responses.stream(model="gpt-4o", input=MARK) as stream:
        next(iter(stream))
        assert recorded.calls() == []
    assert stream is not None
    assert recorded.call()["stream"] is True


def test_an_asynchronous_helper_left_early_is_recorded_when_it_is_closed(
    async_client: openai.AsyncOpenAI, recorded: Any
) -> None:
    async def ask() -> Any:
        async with async_client.chat.completions.stream(**CHAT) as stream:
            await anext(aiter(stream))
            assert recorded.calls() == []
        assert recorded.call()["stream"] is True
        return stream

    assert asyncio.run(ask()) is not None


@pytest.mark.parametrize("parsed", [False, True])
def test_a_streaming_response_is_recorded_when_it_is_closed(
    client: openai.OpenAI, recorded: Any, parsed: bool
) -> None:
    asking = client.chat.completions.with_streaming_response
    with asking.create(**CHAT, stream=parsed) as response:
        stream: Any = response.parse() if parsed else response.iter_lines()
        next(stream)
        assert recorded.calls() == []
    assert response is not None
    assert stream is not None
    assert recorded.call()["stream"] is parsed


def test_a_stream_that_is_kept_is_recorded_once_when_the_session_ends(
    client: openai.OpenAI, server: FakeLLM, recorded: Any
) -> None:
    claude = anthropic.Anthropic(base_url=server.address, api_key=MARK, max_retries=0)
    kept: list[Any] = [
        client.chat.completions.create(**CHAT, stream=True),
        claude.messages.create(**ASK, stream=True),
        client.chat.completions.with_raw_response.create(**CHAT),
        claude.messages.with_raw_response.create(**ASK),
    ]
    next(kept[1])
    assert recorded.calls() == []
    hooks.finish()
    calls = recorded.calls()
    assert [(call["sdk"], call["stream"]) for call in calls] == [
        *(("openai", True), ("anthropic", True), ("openai", False), ("anthropic", False))
    ]
    # What came before it was left is known.
    assert calls[1]["$ai_input_tokens"] == 335
    list(kept[0])
    kept[2].parse()
    kept.clear()
    hooks.finish()
    assert len(recorded.calls()) == 4


PROGRAM = """
import openai, anthropic
chat = {{"model": "gpt-4o", "messages": [{{"role": "user", "content": "hi"}}]}}
ask = {{**chat, "model": "claude-haiku-4-5", "max_tokens": 9}}
client = openai.OpenAI(base_url="{address}/v1", api_key="k")
claude = anthropic.Anthropic(base_url="{address}", api_key="k")
stream = client.chat.completions.create(**chat, stream=True)
for chunk in stream:
    break
with client.chat.completions.stream(**chat) as helper:
    for event in helper:
        break
with client.chat.completions.with_streaming_response.create(**chat) as lines:
    list(lines.iter_lines())
raw = client.chat.completions.with_raw_response.create(**chat)
raw.http_response.json()
with claude.messages.stream(**ask) as messages:
    for event in messages:
        break
"""


def test_a_stream_in_the_session_s_globals_is_recorded_at_its_end(
    server: FakeLLM, log: Any, data: Path, tmp_path: Path
) -> None:
    ConsentStore(data).agree(1, date.today())
    script = tmp_path / "session.py"
    script.write_text(PROGRAM.format(address=server.address))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "IPython",
            "--ext=dev_analytics",
            f"--DevAnalytics.log_file={log.path}",
            str(script),
        ],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(server.received) == 5
    assert log.events.count("$ai_generation") == 5
    assert log.events[-1] == "exited"
